#include "worker/prefork/leftovers.hpp"

#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include <sys/syscall.h>
#include <unistd.h>

#include "base/random.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr int rounds_max = 100;  // more can be made while we look, though hardly for ever

bool bears(const std::filesystem::path& process, const std::string& mark) {
  std::ifstream file{process / "environ", std::ios::binary};
  const std::string all{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
  for (std::size_t at = all.find(mark); at != std::string::npos; at = all.find(mark, at + 1)) {
    const std::size_t end = at + mark.size();
    if ((at == 0 || all[at - 1] == '\0') && (end == all.size() || all[end] == '\0')) return true;
  }
  return false;
}

}  // namespace

std::string make_mark() {
  return "BAOZI_FORK_SERVER=" + std::to_string(getpid()) + "-" + std::to_string(entropy64());
}

void end_marked(const std::string& mark) {
  for (int round = 0; round < rounds_max; ++round) {
    bool any = false;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc", ignored}) {
      const std::string name = entry.path().filename();
      pid_t pid = 0;
      const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (failure != std::errc{} || end != name.data() + name.size() || pid == getpid()) continue;
      // First the descriptor, then the look: its number cannot be another process's meanwhile.
      const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
      if (fd < 0) continue;
      if (bears(entry.path(), mark) &&
          syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0) == 0) {
        any = true;
      }
      close(fd);
    }
    if (!any) return;
  }
}

}  // namespace baozi::worker::prefork
