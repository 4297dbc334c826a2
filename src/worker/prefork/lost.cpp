#include "worker/prefork/lost.hpp"

#include <csignal>
#include <cstdio>
#include <cstring>

#include <sys/wait.h>

#include <baozi/context.hpp>

#include "base/time.hpp"
#include "base/units.hpp"

namespace baozi::worker {

namespace prefork {

std::string how_it_was_lost(const Loss& loss) {
  std::string text;
  if (loss.damage != nullptr) {
    text = std::string{"ended by the worker, since "} + loss.damage;
  } else if (WIFSIGNALED(loss.status)) {
    const int signal = WTERMSIG(loss.status);
    text = "killed by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
    if (loss.crash.signal == signal && (signal == SIGSEGV || signal == SIGBUS)) {
      char address[40];
      std::snprintf(address, sizeof address, " at address 0x%llx",
                    static_cast<unsigned long long>(loss.crash.address));
      text += address;
    }
    if (signal == SIGKILL && !loss.by_worker) text += ", as the system does where memory ends";
  } else {
    text = "its process ended with exit code " + std::to_string(WEXITSTATUS(loss.status));
  }
  const bool aborted = WIFSIGNALED(loss.status) && WTERMSIG(loss.status) == SIGABRT;
  if (aborted && !loss.crash.note.empty()) text += "; nobody caught " + loss.crash.note;
  text += "; process " + std::to_string(loss.pid) + ", " +
          std::to_string(loss.usage.cpu_us / 1'000) + " ms of processor time, " +
          std::to_string(loss.usage.peak_bytes >> 20) + " MiB at its peak";
  return text;
}

}  // namespace prefork

std::string start_text(const Start& start) { return WireId{start.id.bytes, start.id.uuid}.text(); }

}  // namespace baozi::worker
