#include "worker/prefork/child.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "worker/failure.hpp"
#include "worker/invoke.hpp"
#include "worker/prefork/crash.hpp"
#include "worker/prefork/messages.hpp"
#include "worker/prefork/own_process.hpp"
#include "worker/prefork/segment.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr Micros spin{20};              // looking for more costs less than a wake
constexpr int sleep_ms = 1'000;         // and even a lost wake is no more than a delay
constexpr Micros memory_check{10'000};  // reading it costs some microseconds
constexpr int exit_done = 0;
constexpr int exit_unable = 3;

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

/// The descriptor that wakes the worker, as long as it is that one still: a task may have closed
/// it, and another file may have got its number.
class Wake {
 public:
  explicit Wake(int fd) : fd_{fd} { fstat(fd_, &was_); }
  /// False: it is not ours any more.
  bool ring() const {
    if (!is_intact()) return false;
    const std::uint64_t one = 1;
    static_cast<void>(!write(fd_, &one, sizeof one));
    return true;
  }
  [[nodiscard]] bool is_intact() const {
    struct stat now {};
    return fstat(fd_, &now) == 0 && now.st_dev == was_.st_dev && now.st_ino == was_.st_ino &&
           now.st_mode == was_.st_mode;
  }

 private:
  int fd_;
  struct stat was_ {};
};

class Child final : public ExecutionPort {
 public:
  explicit Child(const ChildSetup& setup)
      : setup_{setup},
        segment_{setup.memory},
        replies_{*segment_},
        wake_{setup.events},
        random_{entropy64()} {}

  [[noreturn]] void run() {
    watch_for_crashes(segment_->crash);
    segment_->up.store(1);
    announce();
    while (true) {
      Request& request = segment_->requests[head_ % ring_slots];
      Place ready = Place::ready;
      if (segment_->leave.load(std::memory_order_relaxed) != 0) leave(Leaving::asked);
      if (request.place.compare_exchange_strong(ready, Place::taken)) {
        execute(request);
        segment_->head.store(++head_, std::memory_order_release);
        announce();
        leave_if_spent();
      } else if (ready == Place::taken_back) {
        segment_->head.store(++head_, std::memory_order_release);
      } else {
        wait(request);
      }
    }
  }

  // ---- for the task's Context

  void update_state(std::string_view state, Bytes meta) override {
    if (!is_own_process()) return;  // a copy that the task has made speaks for nobody
    pack_update(token_, state, meta, update_);
    if (update_.size() > update_bytes) return;
    Segment& segment = *segment_;
    segment.update_version.fetch_add(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    segment.update_size = static_cast<std::uint32_t>(update_.size());
    std::memcpy(segment.update, update_.data(), update_.size());
    segment.update_version.fetch_add(1);
    announce();
  }
  [[nodiscard]] bool revoked() const override {
    return segment_->interrupted.load(std::memory_order_relaxed) ==
           static_cast<std::uint64_t>(token_);
  }

 private:
  void execute(Request& request) {
    request.began_us.store(micros(base::mono_now()), std::memory_order_relaxed);
    Start start = read_start({segment_->arena + request.offset, request.size});
    token_ = start.token;
    start.definition = setup_.tasks->definition(start.name);
    Ended ended;
    if (start.definition != nullptr) {
      ended = invoke(start, setup_.worker_name, *this, random_);
      if (!is_own_process()) end_copy(start);
    } else {  // the worker knows a task that this process does not: another version of the library
      ended.token = start.token;
      ended.permanent = true;
      ended.value = Failure{"NotRegistered",
                            "the process that was to run it has no task of this name; the library "
                            "has changed since the worker began",
                            ""}
                        .packed();
    }
    std::fflush(stdout);
    std::fflush(stderr);
    replies_.write(pack_ended(ended), [this] { announce(); });
    // A signal for this task is on its way, or was sent: nothing else may be begun meanwhile.
    Place taken = Place::taken;
    while (!request.place.compare_exchange_strong(taken, Place::done)) {
      if (taken != Place::claimed) return;  // scribbled over; the worker will see
      announce();
      const timespec moment{0, 1'000'000};
      nanosleep(&moment, nullptr);
      taken = Place::taken;
    }
    ++executed_;
  }

  void announce() {
    if (segment_->armed.load() != 0 && segment_->armed.exchange(0) != 0 && !wake_.ring()) {
      deaf_ = true;
    }
  }

  void leave_if_spent() {
    if (setup_.tasks_max != 0 && executed_ >= setup_.tasks_max) leave(Leaving::tasks);
    if (deaf_) leave(Leaving::descriptors);
    if (setup_.memory_max == 0) return;
    const MonoTime now = base::mono_now();
    if (now < check_memory_at_) return;
    check_memory_at_ = now + memory_check;
    if (resident_bytes() > setup_.memory_max) leave(Leaving::memory);
  }

  /// A task has called `fork`, and its copy came back as if it were the task. It would answer for
  /// it, and take others: two processes in the memory of one.
  [[noreturn]] static void end_copy(const Start& start) {
    const std::string name{start.name};
    dprintf(STDERR_FILENO,
            "a copy of this process, made by fork() in task %s, came back from the task and ends "
            "here: it should call _exit() itself\n",
            name.c_str());
    _exit(exit_done);
  }

  /// Without destructors and exit handlers: they are the fork server's, and the task library's.
  [[noreturn]] void leave(Leaving why) {
    segment_->leaving.store(why);
    _exit(exit_done);
  }

  void wait(const Request& request) {
    // Before a rest it is looked closer at what short tasks had no time for.
    if (!wake_.is_intact()) leave(Leaving::descriptors);
    check_memory_at_ = {};
    leave_if_spent();
    const auto has_news = [&] {
      const Place place = request.place.load();
      return place == Place::ready || place == Place::taken_back || segment_->leave.load() != 0;
    };
    if (executed_ != 0) {
      const MonoTime until = base::mono_now() + spin;
      while (base::mono_now() < until) {
        if (has_news()) return;
        sched_yield();
      }
    }
    segment_->sleeping.store(1);
    const std::uint32_t bell = segment_->bell.load();
    if (!has_news()) futex_wait(segment_->bell, bell, sleep_ms);
    segment_->sleeping.store(0);
  }

  const ChildSetup& setup_;
  Mapping segment_;
  ReplyWriter replies_;
  Wake wake_;
  Random random_;
  std::uint64_t head_ = 0;
  std::uint64_t executed_ = 0;
  Token token_{};
  bool deaf_ = false;
  MonoTime check_memory_at_{};
  Bytes update_;
};

}  // namespace

void run_child(const ChildSetup& setup) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != setup.server) _exit(exit_unable);  // it died before that
  const std::string title = "bz-child-" + std::to_string(setup.slot);
  prctl(PR_SET_NAME, title.substr(0, 15).c_str());
  set_up_signals();
  offer_to_oom_killer();
  dup2(setup.output, STDOUT_FILENO);
  dup2(setup.output, STDERR_FILENO);
  if (setup.output > STDERR_FILENO) close(setup.output);
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  try {
    mark_own_process();
    Child child{setup};
    // Out of the way of what tasks open, and of those that close the first few.
    close(setup.memory);
    child.run();
  } catch (...) {
    const Failure failure = current_failure(false);
    std::fprintf(stderr, "cannot start: %s: %s\n", failure.type.c_str(), failure.message.c_str());
    std::fflush(stderr);
    _exit(exit_unable);
  }
}

}  // namespace baozi::worker::prefork
