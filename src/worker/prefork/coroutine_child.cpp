#include "worker/prefork/coroutine_child.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/system_clock.hpp"
#include "worker/coroutine/coroutine_runner.hpp"
#include "worker/coroutine/descriptor_watch.hpp"
#include "worker/prefork/child_process.hpp"
#include "worker/prefork/coroutine_notes.hpp"
#include "worker/prefork/coroutine_segment.hpp"
#include "worker/prefork/crash.hpp"
#include "worker/prefork/messages.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr int look_ms = 1'000;  // at the memory, while nothing ends
constexpr std::size_t bytes_per_turn = std::size_t{1} << 20U;

class CoroutineChild {
 public:
  explicit CoroutineChild(const ChildSetup& setup)
      : setup_{setup}, segment_{setup.memory}, socket_{setup.events}, event_{wake_.fd()} {}

  [[noreturn]] void run() {
    watch_for_crashes(segment_->crash);
    runner_ = std::make_unique<CoroutineRunner>(
        CoroutineRunner::Options{
            .worker_name = setup_.worker_name,
            .on_thread =
                [this] {
                  give_crash_stack();
                  leave_addresses(setup_.is_fork);
                },
            .step = &segment_->step,
            .began_at =
                [this](Token token) { return &segment_->began_us[kept_.at(token)->place]; }},
        [this] { wake_.set(); });
    append_note(out_, Note::up);
    while (true) {
      say();
      if (leaves_ && runner_->in_hand() == 0) leave(Leaving::asked);
      look_at_memory();
      pollfd news[2] = {{socket_.fd(), POLLIN, 0}, {event_.fd(), POLLIN, 0}};
      const int ready = poll(news, 2, look_ms);
      if (!socket_.is_intact() || !event_.is_intact()) leave(Leaving::descriptors);
      if (ready <= 0) continue;
      if (news[1].revents != 0) wake_.clear();
      if (news[0].revents != 0) listen();
      gather();
    }
  }

 private:
  /// What the views of a Start point to.
  struct Kept {
    Bytes bytes;
    std::uint32_t place = 0;
  };

  void listen() {
    const NoteReader::Stream stream = notes_.read(socket_.fd(), bytes_per_turn);
    Note kind{};
    BytesView payload;
    while (notes_.next(kind, payload) == NoteReader::Got::note) hear(kind, payload);
    submit();
    if (stream == NoteReader::Stream::ended) leave(Leaving::asked);  // the worker has gone
  }

  void hear(Note kind, BytesView payload) {
    switch (kind) {
      case Note::start: return take(payload);
      case Note::recall:
      case Note::interrupt: {
        submit();  // it may be among them
        const Token token = token_in(payload).value_or(Token{});
        if (runner_->cancel(token, kind == Note::interrupt) != Cancelled::taken_back) return;
        kept_.erase(token);
        return append_note(out_, Note::returned, token);
      }
      case Note::leave: leaves_ = true; return;
      default: return;
    }
  }

  void take(BytesView payload) {
    auto kept = std::make_unique<Kept>();
    std::memcpy(&kept->place, payload.data(), sizeof kept->place);
    kept->bytes = payload.substr(sizeof kept->place);
    Start start = read_start(kept->bytes);
    const TaskDefinition* const task = setup_.tasks->definition(start.name);
    if (task == nullptr || !task->is_coroutine()) {
      segment_->began_us[kept->place].store(micros(base::mono_now()));
      return append_note(out_, Note::ended, pack_ended(not_registered(start.token)));
    }
    start.definition = task;
    kept_[start.token] = std::move(kept);
    starts_.push_back(start);
  }

  void submit() {
    runner_->submit(starts_);
    starts_.clear();
  }

  /// What the runner has to say.
  void gather() {
    events_.clear();
    runner_->take_events(events_);
    for (const StateUpdate& one : events_.updates) {
      pack_update(one.token, one.state, one.meta, update_);
      if (update_.size() <= update_bytes) append_note(out_, Note::update, update_);
    }
    for (const Ended& one : events_.completions) {
      append_note(out_, Note::ended, pack_ended(one));
      kept_.erase(one.token);
    }
    if (!events_.completions.empty()) {
      has_ended_one_ = true;
      std::fflush(stdout);
      std::fflush(stderr);
    }
  }

  /// The worker reads whenever its loop turns, and never waits for us.
  void say() {
    std::size_t at = 0;
    while (at < out_.size()) {
      if (!socket_.is_intact()) leave(Leaving::descriptors);
      const ssize_t size = send(socket_.fd(), out_.data() + at, out_.size() - at, MSG_NOSIGNAL);
      if (size > 0) {
        at += static_cast<std::size_t>(size);
      } else if (errno == EAGAIN) {
        pollfd room{socket_.fd(), POLLOUT, 0};
        poll(&room, 1, look_ms);
      } else if (errno != EINTR) {
        leave(Leaving::asked);  // the worker has gone
      }
    }
    out_.clear();
  }

  void look_at_memory() {
    const MonoTime now = base::mono_now();
    // Before its first task has ended there is nothing that another process would do better.
    if (setup_.memory_max == 0 || full_ || !has_ended_one_ || now < check_memory_at_) return;
    check_memory_at_ = now + memory_check;
    if (resident_bytes() <= setup_.memory_max) return;
    full_ = true;
    segment_->leaving.store(Leaving::memory);
    append_note(out_, Note::full);
    say();
  }

  /// Without destructors and exit handlers: they are the fork server's, and the task library's.
  [[noreturn]] void leave(Leaving why) {
    if (why == Leaving::descriptors || segment_->leaving.load() == Leaving::no) {
      segment_->leaving.store(why);
    }
    _exit(exit_done);
  }

  const ChildSetup& setup_;
  SharedMemory<CoroutineSegment> segment_;
  const OwnDescriptor socket_;
  WakeEvent wake_;  // of the runner, for this thread
  const OwnDescriptor event_;
  std::unique_ptr<CoroutineRunner> runner_;
  NoteReader notes_;
  Bytes out_, update_;
  std::vector<Start> starts_;
  std::unordered_map<Token, std::unique_ptr<Kept>> kept_;
  PoolEvents events_;
  bool leaves_ = false;
  bool full_ = false;
  bool has_ended_one_ = false;
  MonoTime check_memory_at_{};
};

}  // namespace

void run_coroutine_child(const ChildSetup& setup) {
  CoroutineChild child{setup};
  close(setup.memory);
  child.run();
}

}  // namespace baozi::worker::prefork
