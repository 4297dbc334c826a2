#include "base/signals.hpp"

#include <cerrno>
#include <system_error>

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.hpp"

namespace baozi::base {
namespace {

sigset_t ours() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = ours();
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    throw std::system_error{error, std::generic_category(), "cannot block signals"};
  }
  descriptor_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor_ < 0) throw std::system_error{errno, std::generic_category(), "signalfd"};
  ::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() { ::close(descriptor_); }

Signals::Asked Signals::asked() {
  signalfd_siginfo info{};
  while (::read(descriptor_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      log::reopen();
      log::info("logs reopened");
      reload_wished_ = true;
    } else if (info.ssi_signo == SIGUSR1) {
      report_wished_ = true;
    } else {
      ++count_;
      cold_ = cold_ || info.ssi_signo == SIGQUIT;
      log::info("signal {} from process {}: {}", info.ssi_signo, info.ssi_pid,
                count_ > 1 ? "stopping at once"
                : cold_    ? "stopping; a second one does not wait for anything"
                           : "draining; a second one stops at once");
    }
  }
  return count_ == 0  ? Asked::nothing
         : count_ > 1 ? Asked::stop
         : cold_      ? Asked::cold
                      : Asked::drain;
}

void Signals::restore_in_child() {
  const sigset_t set = ours();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
}

}  // namespace baozi::base
