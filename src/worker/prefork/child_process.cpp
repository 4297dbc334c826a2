#include "worker/prefork/child_process.hpp"

#include <cstdio>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace baozi::worker::prefork {

namespace {

/// Where `kill` of the whole service meets its children (a service manager, a shell), they stay:
/// the worker ends them, in its order. What the fork server sends is meant for the task.
void on_polite_signal(int number, siginfo_t* info, void*) {
  if (info->si_code == SI_USER && info->si_pid == getppid()) {
    signal(number, SIG_DFL);
    raise(number);
  }
}

void set_up_signals() {
  struct sigaction action {};
  action.sa_sigaction = &on_polite_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1}) {
    sigaction(number, &action, nullptr);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// When memory ends, better a task than the worker.
void offer_to_oom_killer() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  static_cast<void>(!write(file, "500", 3));
  close(file);
}

}  // namespace

void enter_child(pid_t server, int output, const std::string& name) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != server) _exit(exit_unable);  // it died before that
  prctl(PR_SET_NAME, name.substr(0, 15).c_str());
  set_up_signals();
  offer_to_oom_killer();
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (output > STDERR_FILENO) close(output);
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
}

void leave_unable(const Failure& why) {
  std::fprintf(stderr, "cannot start: %s: %s\n", why.type.c_str(), why.message.c_str());
  std::fflush(stderr);
  _exit(exit_unable);
}

std::uint64_t resident_bytes() {
  char text[64] = {};
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (size <= 0 || std::sscanf(text, "%llu %llu", &total, &resident) != 2) return 0;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

Ended not_registered(Token token) {
  Ended ended;
  ended.token = token;
  ended.permanent = true;
  ended.value = Failure{"NotRegistered",
                        "the process that was to run it has no task of this name; the library has "
                        "changed since the worker began",
                        ""}
                    .packed();
  return ended;
}

}  // namespace baozi::worker::prefork
