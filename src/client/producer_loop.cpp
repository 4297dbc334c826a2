#include "client/producer_loop.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/system_clock.hpp"
#include "net/error.hpp"

namespace baozi::client {

namespace {
constexpr int frames_per_turn_max = 256;
constexpr std::size_t workers_max = 10'000;  // names kept; then results say no worker
constexpr Micros spin_after_traffic{50};
}  // namespace

ProducerLoop::ProducerLoop(const ProducerOptions& options, Inbox& inbox, CallbackThread& callbacks)
    : inbox_{inbox},
      callbacks_{callbacks},
      loop_{{.spin = spin_after_traffic}},
      links_{loop_},
      core_{options} {
  core_.start(base::system_now(), effects_);
  carry_out();
}

ProducerLoop::~ProducerLoop() = default;

void ProducerLoop::turn() {
  const Now now = base::system_now();
  receive(now);
  take_in(now);
  perform(now);
}

void ProducerLoop::wait_and_turn(std::optional<MonoTime> until) {
  std::optional<MonoTime> deadline = core_.next_deadline();
  if (until && (!deadline || *until < *deadline)) deadline = until;
  if (!inbox_.may_sleep()) deadline = base::mono_now();
  loop_.wait(deadline);
  turn();
}

void ProducerLoop::hand_over() { links_.hand_over(); }

void ProducerLoop::take_in(Now now) {
  inbox_.take(taken_, core_.open_tasks(), core_.open_bytes());
  for (Submission& task : taken_.pile.tasks) {
    // A reference goes with the submission, and another with the result that is waited for.
    Call& call = Call::of(task.tag);
    call.take_up();
    task.wants_result = call.is_wanted() && !call.ignores_result();
    if (task.wants_result) call.retain();
  }
  if (!taken_.pile.empty()) {
    const std::size_t likely = taken_.pile.packed.size();
    core_.submit(std::exchange(taken_.pile, {}), now, effects_);
    taken_.pile.packed.reserve(
        std::min(likely, std::size_t{64} << 10U));  // for those that come next
  }
  for (Inbox::Request& request : taken_.requests) request(core_, now, effects_);
  taken_.requests.clear();
  for (Call* call : taken_.dropped) {
    if (core_.drop_interest(call->tag(), call->id())) call->release();
    call->release();
  }
  taken_.dropped.clear();
}

void ProducerLoop::receive(Now now) {
  links_.receive(
      frames_per_turn_max,
      {.connected = [&](actor::LinkId link) { core_.on_connected(link, now, effects_); },
       .disconnected = [&](actor::LinkId link) { core_.on_disconnected(link, now, effects_); },
       .frame =
           [&](actor::LinkId link, BytesView frame) {
             core_.on_frame(link, frame, now, effects_);
             tell_callers();  // while the frame that they point into is there
           }});
}

void ProducerLoop::perform(Now now) {
  core_.turn(now, effects_);
  tell_callers();
  carry_out();
  const auto since = core_.unreachable_since();
  unreachable_since_.store(since ? micros(*since) : 0, std::memory_order_relaxed);
}

void ProducerLoop::carry_out() {
  try {
    links_.perform(effects_.net);
  } catch (const net::NetError& error) {
    log::error("{}", error.what());  // no file descriptor left, say: the link stays down
  }
  effects_.net.clear();
}

void ProducerLoop::tell_callers() {
  for (const Tag tag : effects_.confirmed) {
    Call& call = Call::of(tag);
    call.confirmed(callbacks_);
    call.release();
  }
  effects_.confirmed.clear();
  for (const SubmitFailure& failure : effects_.failed) {
    Call& call = Call::of(failure.tag);
    call.failed(failure, callbacks_);
    if (failure.awaited) call.release();
    call.release();
  }
  effects_.failed.clear();
  for (const Duplicate& one : effects_.duplicates) {
    Call& call = Call::of(one.tag);
    call.duplicate_of(one.first, callbacks_);
    call.release();
  }
  effects_.duplicates.clear();
  for (const ArrivedResult& result : effects_.results) {
    Call& call = Call::of(result.tag);
    call.ended(result.record, interned(result.worker), callbacks_);
    call.release();
  }
  effects_.results.clear();
  for (const Tag tag : effects_.given_up) Call::of(tag).release();
  effects_.given_up.clear();
  for (const ArrivedState& state : effects_.states) {
    Call::of(state.tag).told_state(state.state, state.meta, interned(state.worker), callbacks_);
  }
  effects_.states.clear();
  for (Answer& answer : effects_.answers) {
    auto receiver = receivers_.extract(static_cast<std::uint64_t>(answer.tag));
    if (!receiver.empty()) receiver.mapped()(std::move(answer));
  }
  effects_.answers.clear();
  for (ArrivedEvents& events : effects_.events) {
    const auto receiver = event_receivers_.find(static_cast<std::uint64_t>(events.tag));
    if (receiver != event_receivers_.end()) receiver->second(std::move(events));
  }
  effects_.events.clear();
}

const std::string* ProducerLoop::interned(std::string_view worker) {
  const auto found = workers_.find(worker);
  if (found != workers_.end()) return &*found;
  if (worker.empty() || workers_.size() >= workers_max) return nullptr;
  return &*workers_.emplace(worker).first;
}

void ProducerLoop::expect_answer(Tag tag, std::function<void(Answer&&)> receiver) {
  receivers_[static_cast<std::uint64_t>(tag)] = std::move(receiver);
}

void ProducerLoop::expect_events(Tag tag, std::function<void(ArrivedEvents&&)> receiver) {
  event_receivers_[static_cast<std::uint64_t>(tag)] = std::move(receiver);
}

void ProducerLoop::close(const char* why) {
  if (std::exchange(closed_, true)) return;
  const Now now = base::system_now();
  take_in(now);
  core_.close(now, effects_);
  for (const SubmitFailure& failure : effects_.failed)
    Call::of(failure.tag).closed(why, callbacks_);
  for (const Tag tag : effects_.given_up) Call::of(tag).closed(why, callbacks_);
  tell_callers();
  const auto closing = std::exchange(effects_.net.close_links, {});  // after the last words
  carry_out();
  effects_.net.close_links = closing;
  carry_out();
}

}  // namespace baozi::client
