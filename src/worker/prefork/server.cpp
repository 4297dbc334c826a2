#include "worker/prefork/server.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <baozi/packing.hpp>

#include "worker/plugin.hpp"
#include "worker/prefork/child.hpp"
#include "worker/prefork/control.hpp"
#include "worker/prefork/crash.hpp"
#include "worker/prefork/namer.hpp"
#include "worker/prefork/server.hpp"

extern char** environ;

namespace baozi::worker::prefork {

namespace {

constexpr int child_memory = 3, child_events = 4, child_output = 5;  // of a child that is a program

std::size_t threads_of_process() {
  std::error_code ignored;
  std::size_t count = 0;
  for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task", ignored}) {
    static_cast<void>(thread);
    ++count;
  }
  return count;
}

/// See ServerProcess::start: it was for the start of this very process.
void forget_bind_now() {
  const char* const value = std::getenv("LD_BIND_NOW");
  const std::string_view asked = std::string_view{bind_now_once}.substr(sizeof "LD_BIND_NOW");
  if (value != nullptr && value == asked) unsetenv("LD_BIND_NOW");
}

class Server {
 public:
  explicit Server(std::size_t threads_at_first) : threads_at_first_{threads_at_first} {}

  int run() {
    prctl(PR_SET_NAME, "bz-fork-server");
    forget_bind_now();
    // Whoever a dead child leaves behind comes to us, and is ended with us.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
      sigdelset(&all, fault);
    }
    sigprocmask(SIG_SETMASK, &all, nullptr);
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    deaths_ = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (!load()) return 1;
    while (serve()) {
    }
    end_all();
    return 0;
  }

 private:
  struct Process {
    pid_t pid;
    std::uint32_t slot;
  };

  bool load() {
    Received first;
    if (receive(server_socket, first) != Arrival::packet || first.packet.order != Order::begin) {
      return false;
    }
    setup_ = ServerSetup::unpack(first.packet.text);
    // Whoever never comes out of a library's constructor does not see that the worker has gone.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      for (const std::string& app : setup_.apps) load_plugin(app, tasks_);
    } catch (const std::exception& error) {
      send(server_socket, {.order = Order::refused, .text = error.what()});
      return false;
    }
    set_up_unwinder();
    prctl(PR_SET_PDEATHSIG, 0);  // from here on it has children to end
    anew_ = threads_of_process() > threads_at_first_;
    const Bytes description = tasks_.described();
    for (std::size_t at = 0; at < description.size(); at += packet_text_max) {
      send(server_socket, {.order = Order::tasks, .text = description.substr(at, packet_text_max)});
    }
    return send(server_socket, {.order = Order::ready, .value = anew_ ? 1 : 0});
  }

  /// False: the worker has gone.
  bool serve() {
    pollfd news[3] = {{server_socket, POLLIN, 0}, {deaths_, POLLIN, 0}, {namer_.fd(), POLLIN, 0}};
    const int ready = poll(news, 3, namer_.patience_ms());
    if (ready < 0) return errno == EINTR;
    if (ready == 0) namer_.rest();
    if (news[2].revents != 0) tell_names(namer_.answers());
    if (news[1].revents != 0) {
      signalfd_siginfo info{};
      while (read(deaths_, &info, sizeof info) > 0) {
      }
      reap();
    }
    if (news[0].revents == 0) return true;
    Received got;
    switch (receive(server_socket, got)) {
      case Arrival::gone: return false;
      case Arrival::nothing: return true;
      case Arrival::packet: break;
    }
    switch (got.packet.order) {
      case Order::spawn: spawn(got); break;
      case Order::kill: kill_group(got.packet); break;
      case Order::names:
      case Order::traces: name(got.packet); break;
      default: break;
    }
    for (const int fd : got.descriptors) close(fd);
    return true;
  }

  void spawn(const Received& order) {
    Packet answer{.order = Order::failed, .slot = order.packet.slot, .child = order.packet.child};
    if (order.descriptors.size() != 3) {
      answer.text = "the order came without its descriptors";
      send(server_socket, answer);
      return;
    }
    const pid_t pid = anew_ ? start_program(order) : fork_child(order);
    if (pid < 0) {
      answer.text = std::string{"cannot fork: "} + std::strerror(errno);
    } else {
      setpgid(pid, pid);  // both sides do it: whoever comes first
      processes_[order.packet.child] = {pid, order.packet.slot};
      answer.order = Order::spawned;
      answer.pid = pid;
    }
    send(server_socket, answer);
  }

  [[nodiscard]] ChildSetup child_setup(const Packet& order) const {
    ChildSetup setup;
    setup.slot = order.slot;
    setup.coroutines = order.value == coroutine_child;
    setup.tasks = &tasks_;
    setup.worker_name = setup_.worker_name;
    setup.tasks_max = setup_.tasks_max;
    setup.memory_max = setup_.memory_max;
    return setup;
  }

  pid_t fork_child(const Received& order) {
    std::fflush(nullptr);
    const pid_t server = getpid();
    const pid_t pid = fork();
    if (pid != 0) return pid;
    close(server_socket);
    close(deaths_);
    namer_.forget();
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    ChildSetup setup = child_setup(order.packet);
    setup.server = server;
    setup.is_fork = true;
    // High numbers: a task that closes the first few, or counts on being given the lowest free one,
    // is not in the way.
    setup.memory = order.descriptors[0];
    setup.events = fcntl(order.descriptors[1], F_DUPFD_CLOEXEC, 200);
    if (setup.events < 0) setup.events = fcntl(order.descriptors[1], F_DUPFD_CLOEXEC, 10);
    close(order.descriptors[1]);
    setup.output = order.descriptors[2];
    run_child(setup);
  }

  /// A copy of this program that loads the libraries itself.
  pid_t start_program(const Received& order) const {
    Packet setup{.slot = order.packet.slot};
    const std::string packed = setup_.packed();
    std::string hex;
    for (const char c : packed) {
      constexpr const char* digits = "0123456789abcdef";
      hex += digits[static_cast<unsigned char>(c) >> 4U];
      hex += digits[static_cast<unsigned char>(c) & 15U];
    }
    std::string slot = std::to_string(order.packet.slot);
    std::string argument =
        order.packet.value == coroutine_child ? coroutine_child_argument : child_argument;
    std::string name = "baozi-child";
    char* const arguments[] = {name.data(), argument.data(), slot.data(), hex.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // Out of each other's way first.
    int high[3];
    for (std::size_t i = 0; i < 3; ++i) high[i] = fcntl(order.descriptors[i], F_DUPFD_CLOEXEC, 100);
    const int targets[3] = {child_memory, child_events, child_output};
    for (int i = 0; i < 3; ++i) posix_spawn_file_actions_adddup2(&actions, high[i], targets[i]);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    pid_t pid = -1;
    const int error =
        posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (const int fd : high) close(fd);
    if (error == 0) return pid;
    errno = error;
    return -1;
  }

  void kill_group(const Packet& order) const {
    const auto found = processes_.find(order.child);
    if (found == processes_.end()) return;
    const pid_t pid = found->second.pid;
    const int signal = static_cast<int>(order.value);
    const bool has_left = getpgid(pid) != pid;  // its task has made it join another group
    kill(-pid, signal);
    if (has_left) kill(pid, signal);
    // One that was stopped would see it only once it goes on.
    if (signal == SIGSTOP || signal == SIGTSTP) return;
    kill(-pid, SIGCONT);
    if (has_left) kill(pid, SIGCONT);
  }

  void name(const Packet& question) {
    // Children that are programs of their own lie elsewhere in memory: nothing can be named.
    if (anew_) return tell_names({{question.value, {}}});
    tell_names(namer_.ask(question.value, question.order, question.text));
  }
  static void tell_names(const std::vector<Namer::Answer>& answers) {
    for (const Namer::Answer& one : answers) {
      send(server_socket, {.order = Order::named, .value = one.question, .text = one.text});
    }
  }

  /// A task that called PTRACE_TRACEME has made this process its tracer, and each of its signals
  /// would stop it for good: they are given to it.
  static void let_traced_go_on() {
    siginfo_t stopped{};
    while (waitid(P_ALL, 0, &stopped, WSTOPPED | WNOHANG) == 0 && stopped.si_pid > 0) {
      const pid_t pid = std::exchange(stopped.si_pid, 0);
      if (stopped.si_code == CLD_TRAPPED) ptrace(PTRACE_DETACH, pid, nullptr, stopped.si_status);
    }
  }

  void reap() {
    let_traced_go_on();
    siginfo_t dead{};
    while (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead.si_pid > 0) {
      const pid_t pid = std::exchange(dead.si_pid, 0);
      const auto found = std::find_if(processes_.begin(), processes_.end(),
                                      [&](const auto& one) { return one.second.pid == pid; });
      const bool is_child = found != processes_.end();  // or a grandchild that was left to us
      if (is_child) kill(-pid, SIGKILL);                // before its number is free again
      int status = 0;
      rusage used{};
      wait4(pid, &status, 0, &used);
      if (!is_child) {
        tell_names(namer_.on_ended(pid));
        continue;
      }
      const auto micros_of = [](const timeval& time) {
        return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
      };
      send(server_socket, {.order = Order::exited,
                           .slot = found->second.slot,
                           .child = found->first,
                           .pid = pid,
                           .value = status,
                           .usage = {micros_of(used.ru_utime) + micros_of(used.ru_stime),
                                     std::int64_t{used.ru_maxrss} * 1'024}});
      processes_.erase(found);
    }
  }

  /// Children and what they left, in whatever group or session, until there is nobody.
  static void end_all() {
    while (true) {
      std::ifstream list{"/proc/self/task/" + std::to_string(getpid()) + "/children"};
      pid_t pid = 0;
      while (list >> pid) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
      }
      // With each that ends, its own children become ours.
      if (waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
    }
  }

  const std::size_t threads_at_first_;
  ServerSetup setup_;
  TaskTable tasks_;
  bool anew_ = false;
  Namer namer_;
  int deaths_ = -1;
  std::map<std::uint64_t, Process> processes_;
};

int run_program_child(const char* slot, std::string_view hex, bool coroutines) {
  Bytes packed;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    packed += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  }
  for (const int fd : {child_memory, child_events, child_output}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  const ServerSetup server = ServerSetup::unpack(packed);
  TaskTable tasks;
  for (const std::string& app : server.apps) load_plugin(app, tasks);
  set_up_unwinder();
  ChildSetup setup;
  setup.memory = child_memory;
  setup.events = child_events;
  setup.output = child_output;
  setup.server = getppid();
  setup.slot = static_cast<std::uint32_t>(std::atoi(slot));
  setup.coroutines = coroutines;
  setup.tasks = &tasks;
  setup.worker_name = server.worker_name;
  setup.tasks_max = server.tasks_max;
  setup.memory_max = server.memory_max;
  run_child(setup);
}

}  // namespace

Bytes ServerSetup::packed() const {
  Bytes bytes;
  Writer out{bytes};
  out.array(4);
  out.array(apps.size());
  for (const std::string& app : apps) out.str(app);
  out.str(worker_name);
  out.uinteger(tasks_max);
  out.uinteger(memory_max);
  return bytes;
}

ServerSetup ServerSetup::unpack(BytesView bytes) {
  Reader in{bytes};
  ServerSetup setup;
  in.array();
  for (std::uint32_t n = in.array(); n > 0 && in.ok(); --n) setup.apps.emplace_back(in.str());
  setup.worker_name = in.str();
  setup.tasks_max = in.uinteger();
  setup.memory_max = in.uinteger();
  return setup;
}

std::optional<int> run_if_asked(int argc, char** argv) {
  if (argc < 2) return std::nullopt;
  try {
    if (std::strcmp(argv[1], server_argument) == 0) {
      close_range(server_socket + 1, ~0U, 0);
      fcntl(server_socket, F_SETFD, FD_CLOEXEC);
      return Server{threads_of_process()}.run();
    }
    const bool coroutines = std::strcmp(argv[1], coroutine_child_argument) == 0;
    if ((coroutines || std::strcmp(argv[1], child_argument) == 0) && argc == 4) {
      return run_program_child(argv[2], argv[3], coroutines);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
  return std::nullopt;
}

}  // namespace baozi::worker::prefork
