#include "worker/prefork/child.hpp"

#include <cstdio>
#include <cstring>

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "worker/failure.hpp"
#include "worker/invoke.hpp"
#include "worker/prefork/child_process.hpp"
#include "worker/prefork/coroutine_child.hpp"
#include "worker/prefork/crash.hpp"
#include "worker/prefork/messages.hpp"
#include "worker/prefork/own_process.hpp"
#include "worker/prefork/segment.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr Micros spin{20};              // looking for more costs less than a wake
constexpr int sleep_ms = 1'000;         // and even a lost wake is no more than a delay
constexpr Micros memory_check{10'000};  // reading it costs some microseconds

/// Wakes the worker.
class Wake {
 public:
  explicit Wake(int fd) : event_{fd} {}
  /// False: it is not ours any more.
  bool ring() const {
    if (!event_.is_intact()) return false;
    const std::uint64_t one = 1;
    static_cast<void>(!write(event_.fd(), &one, sizeof one));
    return true;
  }
  [[nodiscard]] bool is_intact() const { return event_.is_intact(); }

 private:
  const OwnDescriptor event_;
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
    watch_for_crashes(segment_->crash, setup_.events);
    leave_addresses(setup_.is_fork);
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
      if (!is_own_process()) end_copy(start.name);
    } else {
      ended = not_registered(start.token);
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
    // Before its first task there is nothing that another process would do better.
    if (setup_.memory_max == 0 || executed_ == 0) return;
    const MonoTime now = base::mono_now();
    if (now < check_memory_at_) return;
    check_memory_at_ = now + memory_check;
    if (resident_bytes() > setup_.memory_max) leave(Leaving::memory);
  }

  /// Without destructors and exit handlers: they are the fork server's, and the task library's.
  [[noreturn]] void leave(Leaving why) {
    segment_->leaving.store(why);
    announce();
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
  enter_child(
      setup.server, setup.output,
      setup.coroutines ? std::string{"bz-coroutines"} : "bz-child-" + std::to_string(setup.slot));
  try {
    mark_own_process();
    if (setup.coroutines) run_coroutine_child(setup);
    Child child{setup};
    // Out of the way of what tasks open, and of those that close the first few.
    close(setup.memory);
    child.run();
  } catch (...) {
    leave_unable(current_failure(false));
  }
}

}  // namespace baozi::worker::prefork
