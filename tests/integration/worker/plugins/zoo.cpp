// Tasks that do to their process what tasks should not, and some well-behaved ones to run beside
// them.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <baozi/worker.hpp>

namespace zoo {

using namespace std::chrono_literals;

// The sanitizer would see it first, and end the process in its own way.
[[gnu::no_sanitize("undefined")]] __attribute__((noinline)) int read_nothing(volatile int* from) {
  return *from + 1;
}
__attribute__((noinline)) int null_dereference(int depth) {
  if (depth == 0) {
    volatile int* volatile nothing = nullptr;
    return read_nothing(nothing);
  }
  return null_dereference(depth - 1) + 1;
}

__attribute__((noinline)) int never_enough_stack(int depth) {
  volatile char room[4'096];
  room[static_cast<std::size_t>(depth) % sizeof room] = 1;
  return never_enough_stack(depth + 1) + room[0];
}

void free_twice() {
  auto* volatile memory = static_cast<char*>(std::malloc(64));
  std::free(memory);
  std::free(memory);
}

int a_terabyte() {
  volatile std::size_t size = std::size_t{1} << 40U;
  const std::unique_ptr<char[]> memory{new char[size]};
  memory[size / 2] = 1;
  return memory[0];
}

/// Multiplies until there are 64 of it; a real one would be stopped by nothing here but a limit.
int bomb() {
  auto* const count = static_cast<std::atomic<int>*>(
      mmap(nullptr, 4'096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  while (true) {
    if (count->fetch_add(1) < 64) {
      if (fork() < 0) sleep(1);
    } else {
      pause();
    }
  }
}

[[noreturn]] void never_end() {
  signal(SIGTERM, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  while (true) asm volatile("");
}

struct Odd {};
void throw_odd() { throw Odd{}; }
__attribute__((noinline)) void throw_something() {
  throw std::runtime_error{"out of a noexcept function"};
}
[[gnu::noinline]] void throw_from_the_depth() { throw std::runtime_error{"from the depth"}; }
[[gnu::noinline]] void throw_with_a_cause() {
  try {
    throw_from_the_depth();
  } catch (...) {
    std::throw_with_nested(std::logic_error{"on the way"});
  }
}
void throw_where_none_may() noexcept { throw_something(); }

int close_everything() {
  close_range(0, ~0U, 0);
  return open("/dev/null", O_RDONLY);
}

int print(const std::string& text, int lines) {
  for (int i = 0; i < lines; ++i) std::cout << text << " by cout\n";
  std::printf("%s by printf\n", text.c_str());
  std::fprintf(stderr, "%s by stderr\n", text.c_str());
  return getpid();
}

int leak(int mebibytes) {
  for (int i = 0; i < mebibytes; ++i) {
    auto* const memory = static_cast<char*>(std::malloc(1 << 20U));
    std::memset(memory, 1, 1 << 20U);
    asm volatile("" : : "r"(memory) : "memory");
  }
  return getpid();
}

/// \return the process id of one that sleeps for minutes. With `apart` nobody finds it by group or
/// parent.
int leave_somebody(bool apart) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error{"pipe"};
  const pid_t child = fork();
  if (child == 0) {
    if (apart) {
      setsid();
      if (fork() != 0) _exit(0);
    }
    const pid_t self = getpid();
    if (write(ends[1], &self, sizeof self) != sizeof self) _exit(1);
    sleep(300);
    _exit(0);
  }
  pid_t left = 0;
  if (read(ends[0], &left, sizeof left) != sizeof left) left = 0;
  close(ends[0]);
  close(ends[1]);
  if (apart) waitpid(child, nullptr, 0);
  return left;
}

/// Overwrites the memory that it shares with the worker.
void scribble() {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:baozi-child") == std::string::npos) continue;
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &from, &to) != 2) continue;
    std::memset(reinterpret_cast<void*>(from), 0x5A, to - from);
  }
  pause();
}

/// The first bytes of the memory that it shares with the worker; `from` up to `to` of it.
std::pair<char*, std::size_t> shared_memory() {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (line.find("memfd:baozi-child") != std::string::npos &&
        std::sscanf(line.c_str(), "%lx-%lx", &from, &to) == 2) {
      return {reinterpret_cast<char*>(from), to - from};
    }
  }
  throw std::runtime_error{"no shared memory"};
}
/// Overwrites its beginning with noise (counters, what a crash left behind, the states of requests)
/// and then does what it should.
int scribble_over_the_books(int seed) {
  const auto [memory, size] = shared_memory();
  std::minstd_rand random{static_cast<unsigned>(seed)};
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 12'000); ++i) {
    memory[i] = static_cast<char>(random());
  }
  return seed;
}

/// Forgets that it is two now: both come back, or one of them throws.
int fork_and_return(bool throws) {
  if (fork() == 0 && throws) throw std::runtime_error{"in the copy"};
  return getpid();
}
/// A copy that crashes, as the task can see.
int crash_in_a_copy() {
  const pid_t copy = fork();
  if (copy == 0) null_dereference(1);
  int status = 0;
  waitpid(copy, &status, 0);
  return WTERMSIG(status);
}
/// A copy that reports progress, as if it were the task.
int report_in_a_copy(baozi::Context& context) {
  const pid_t copy = fork();
  if (copy == 0) {
    context.update_state("COPY");
    _exit(0);
  }
  waitpid(copy, nullptr, 0);
  return 0;
}

/// Goes where a signal to its process group does not find it.
void leave_the_group() {
  if (setpgid(0, getpgid(getppid())) != 0) throw std::runtime_error{"cannot leave"};
  sleep(300);
}
/// As if a debugger were there.
void crash_when_traced() {
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  null_dereference(1);
}
int signal_parent(int number) {
  kill(getppid(), number);
  return number;
}

void crash_in_thread() {
  std::thread{[] { null_dereference(2); }}.join();
}

std::string wait_for_limit(baozi::Context& context) {
  try {
    while (true) {
      context.check();
      std::this_thread::sleep_for(1ms);
    }
  } catch (const baozi::SoftTimeLimitExceeded&) {
    return "cleaned up";
  }
}

void nap(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// A line in a file, once it has slept.
void mark(const std::string& file, int number, double seconds) {
  nap(seconds);
  const std::string line = std::to_string(number) + '\n';
  const int fd = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, line.data(), line.size()) < 0) throw std::runtime_error{"cannot write"};
  close(fd);
}

int report(baozi::Context& context) {
  for (int i = 0; i <= 1'000; ++i) context.progress(i / 1'000.0);
  context.update_state("UPLOADING", 17);
  return 1;
}

std::string enqueue_two(baozi::Context& context) {
  return context.enqueue("zoo.add", 1, 2) + ' ' +
         context.with({.queue = "other"}).enqueue("zoo.pid");
}

}  // namespace zoo

BAOZI_TASKS(registry) {
  registry.task("zoo.add", [](int a, int b) { return a + b; }, {"a", "b"});
  registry.task("zoo.noop", [] {});
  registry.task("zoo.pid", [] { return static_cast<int>(getpid()); });
  registry.task("zoo.environment", [](const std::string& name) {
    const char* const value = getenv(name.c_str());
    return std::string{value != nullptr ? value : "(none)"};
  });
  registry.task("zoo.nap", zoo::nap);
  registry.task("zoo.mark", zoo::mark);
  registry.task("zoo.text",
                [](int size) { return std::string(static_cast<std::size_t>(size), 'x'); });
  registry.task("zoo.length", [](const std::string& text) { return text.size(); });
  registry.task("zoo.report", zoo::report);
  registry.task("zoo.enqueue", zoo::enqueue_two);
  registry.task("zoo.wait_for_limit", zoo::wait_for_limit);
  registry.task("zoo.null", [] { return zoo::null_dereference(3); });
  registry.task("zoo.null_again", [] { return zoo::null_dereference(3); }).crash_retry();
  registry.task("zoo.abort", [] { std::abort(); });
  registry.task("zoo.exit", [](int code) { _exit(code); });
  registry.task("zoo.overflow", [] { return zoo::never_enough_stack(0); });
  registry.task("zoo.double_free", zoo::free_twice);
  registry.task("zoo.terabyte", zoo::a_terabyte);
  registry.task("zoo.bomb", zoo::bomb);
  registry.task("zoo.never_end", zoo::never_end);
  registry.task("zoo.throw_number", [] { throw 42; });
  registry.task("zoo.throw_odd", zoo::throw_odd);
  registry.task("zoo.throw_with_a_cause", zoo::throw_with_a_cause);
  registry.task("zoo.throw_where_none_may", zoo::throw_where_none_may);
  registry.task("zoo.close_everything", zoo::close_everything);
  registry.task("zoo.print", zoo::print);
  registry.task("zoo.leak", zoo::leak);
  registry.task("zoo.leave_somebody", zoo::leave_somebody);
  registry.task("zoo.scribble", zoo::scribble);
  registry.task("zoo.scribble_over_the_books", zoo::scribble_over_the_books);
  registry.task("zoo.fork_and_return", zoo::fork_and_return);
  registry.task("zoo.crash_in_a_copy", zoo::crash_in_a_copy);
  registry.task("zoo.report_in_a_copy", zoo::report_in_a_copy);
  registry.task("zoo.leave_the_group", zoo::leave_the_group);
  registry.task("zoo.stop_itself", [] { raise(SIGSTOP); });
  registry.task("zoo.crash_when_traced", zoo::crash_when_traced);
  registry.task("zoo.signal_parent", zoo::signal_parent);
  registry.task("zoo.crash_in_thread", zoo::crash_in_thread);
}
