#include "worker/prefork/server_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/system_clock.hpp"
#include "worker/plugin.hpp"
#include "worker/prefork/leftovers.hpp"

extern char** environ;

namespace baozi::worker::prefork {

namespace {
constexpr Micros end_patience{10'000'000};

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error{error, std::generic_category(), what};
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    return "signal " + std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) + ")";
  }
  return "exit code " + std::to_string(WEXITSTATUS(status));
}
}  // namespace

void ServerProcess::start(const std::string& program, const ServerSetup& setup) {
  stop();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    fail(errno, "cannot make a socket pair for the fork server");
  }
  // dup2 onto itself would keep the descriptor close-on-exec.
  const int high = fcntl(ends[1], F_DUPFD_CLOEXEC, 64);
  close(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, high, server_socket);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // a terminal's ^C is the worker's business
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = "baozi-fork-server";
  std::string argument = server_argument;
  char* const arguments[] = {name.data(), argument.data(), nullptr};
  mark_ = make_mark();
  std::vector<char*> environment{mark_.data()};
  std::string bind_now = bind_now_once;
  if (getenv("LD_BIND_NOW") == nullptr) environment.push_back(bind_now.data());
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view{*entry}.starts_with("BAOZI_FORK_SERVER=")) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  const int error =
      posix_spawn(&pid_, program.c_str(), &actions, &attributes, arguments, environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(high);
  if (error != 0) {
    close(ends[0]);
    pid_ = -1;
    fail(error, ("cannot start the fork server " + program).c_str());
  }
  socket_ = ends[0];
  fcntl(socket_, F_SETFL, O_NONBLOCK);
  send({.order = Order::begin, .text = setup.packed()});
}

ServerProcess::Loaded ServerProcess::wait_until_ready(Micros patience) {
  const MonoTime until = base::mono_now() + patience;
  Loaded loaded;
  while (true) {
    Received got;
    switch (receive(socket_, got)) {
      case Arrival::packet:
        if (got.packet.order == Order::refused) throw PluginError{got.packet.text};
        if (got.packet.order == Order::tasks) loaded.description += got.packet.text;
        if (got.packet.order == Order::ready) {
          loaded.anew = got.packet.value != 0;
          return loaded;
        }
        continue;
      case Arrival::gone: throw PluginError{ended_while_loading + kill()};
      case Arrival::nothing: break;
    }
    const Micros left = until - base::mono_now();
    if (left <= Micros{0}) {
      static_cast<void>(kill());
      throw PluginError{loading_takes_too_long};
    }
    pollfd readable{socket_, POLLIN, 0};
    poll(&readable, 1, static_cast<int>(std::min<std::int64_t>(left.count() / 1'000 + 1, 1'000)));
  }
}

bool ServerProcess::wake_if_stopped() const {
  siginfo_t stopped{};
  if (pid_ <= 0 || waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WNOHANG) != 0) {
    return false;
  }
  return stopped.si_pid == pid_ && ::kill(pid_, SIGCONT) == 0;
}

void ServerProcess::end() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

bool ServerProcess::has_ended() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
  return pid_ <= 0;
}

std::string ServerProcess::kill() {
  end();
  if (pid_ <= 0) return "nobody knows how";
  const pid_t pid = std::exchange(pid_, -1);
  // One that is on its way out keeps its own end.
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
  int status = 0;
  const bool known = waitpid(pid, &status, 0) == pid;
  end_marked(mark_);  // nobody else knows of what its children have started
  return known ? how_it_ended(status) : "nobody knows how";
}

void ServerProcess::stop() {
  end();
  if (pid_ <= 0) return;
  const MonoTime until = base::mono_now() + end_patience;
  timespec moment{0, 1'000'000};
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (base::mono_now() > until) {  // its children die with it
      static_cast<void>(kill());
      return;
    }
    nanosleep(&moment, nullptr);
  }
  pid_ = -1;
}

}  // namespace baozi::worker::prefork
