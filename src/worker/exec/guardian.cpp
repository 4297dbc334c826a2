#include "worker/exec/guardian.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baozi::worker::exec {

namespace {

constexpr int parent_died = SIGUSR2;
constexpr int report_fd = 3;

static_assert(ask_to_end == SIGTERM && ask_to_kill == SIGUSR1);

void tell(Report::What what, int value) {
  const Report report{what, value};
  while (write(report_fd, &report, sizeof report) < 0 && errno == EINTR) {
  }
}

/// In the program's process, which shares the guardian's memory until it is another program.
/// Returns only with what went wrong.
Report become(const Launch& launch, pid_t guardian) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != guardian) _exit(127);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  if (launch.cwd != nullptr && chdir(launch.cwd) != 0) return {Report::What::no_folder, errno};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(launch.program, launch.argv, launch.envp);
  return {Report::What::no_program, errno};
}

/// Sends SIGKILL to each child. False: to none, be it that there is none that may be killed, be it
/// that the system does not tell which there are.
bool kill_children() {
  const int list = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (list < 0) return false;
  char text[4096];
  const ssize_t size = read(list, text, sizeof text);
  close(list);
  if (size < 0) return false;
  bool any = false;
  pid_t pid = 0;
  for (ssize_t i = 0; i < size; ++i) {  // a number that was cut off has no space behind it
    if (text[i] >= '0' && text[i] <= '9') {
      pid = pid * 10 + (text[i] - '0');
    } else {
      if (pid > 1 && kill(pid, SIGKILL) == 0) any = true;
      pid = 0;
    }
  }
  return any;
}

/// Until no descendant is left that may be killed. Those of a killed one become our children, as
/// its subreaper.
void sweep() {
  for (;;) {
    pid_t gone = 0;
    do {
      gone = waitpid(-1, nullptr, WNOHANG);
    } while (gone > 0);
    if (gone < 0) return;  // no children
    if (!kill_children()) return;
    waitpid(-1, nullptr, 0);
  }
}

/// True once the program has ended (it stays a zombie, so that its number is not given away).
/// Reaps others that became ours meanwhile.
bool has_ended(pid_t program) {
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return false;
    if (info.si_pid == program) return true;
    waitpid(info.si_pid, nullptr, 0);
  }
}

}  // namespace

void guard(const Launch& launch) {
  setpgid(0, 0);  // what is sent to the worker's group is not meant for us
  prctl(PR_SET_PDEATHSIG, parent_died);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "bz-exec");
  if (getppid() != launch.parent) _exit(127);
  signal(SIGCHLD, SIG_DFL);
  dup2(launch.in, 0);
  dup2(launch.out, 1);
  dup2(launch.err, 2);
  dup2(launch.report, report_fd);
  fcntl(report_fd, F_SETFD, FD_CLOEXEC);
  close_range(report_fd + 1, ~0U, 0);

  const pid_t self = getpid();
  volatile Report failure{Report::What::ended, 0};
  const pid_t program = vfork();
  if (program == 0) {
    const Report why = become(launch, self);
    failure.what = why.what;
    failure.value = why.value;
    _exit(127);
  }
  const int fork_error = errno;
  close(0);
  close(1);
  close(2);
  if (program < 0) {
    tell(Report::What::no_process, fork_error);
    _exit(127);
  }
  if (failure.what != Report::What::ended) {
    waitpid(program, nullptr, 0);
    tell(failure.what, failure.value);
    _exit(127);
  }

  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, ask_to_end);
  sigaddset(&awaited, ask_to_kill);
  sigaddset(&awaited, parent_died);
  while (!has_ended(program)) {
    const int number = sigwaitinfo(&awaited, nullptr);
    if (number == ask_to_end) kill(-program, SIGTERM);
    if (number == ask_to_kill) kill(-program, SIGKILL);
    if (number == parent_died && getppid() != launch.parent) kill(-program, SIGKILL);
  }
  kill(-program, SIGKILL);  // what it left in its group
  int status = 0;
  waitpid(program, &status, 0);
  sweep();
  tell(Report::What::ended, status);
  _exit(0);
}

}  // namespace baozi::worker::exec
