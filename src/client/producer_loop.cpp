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
      context_{net::Context::shared()},
      loop_{{.spin = spin_after_traffic}},
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

void ProducerLoop::hand_over() {
  for (auto& connector : connectors_) {
    if (connector) connector->hand_over();
  }
}

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
  // By index: a frame may bring new collectors, and with them new connectors.
  for (std::size_t i = 0; i < connectors_.size(); ++i) {
    const actor::LinkId link{static_cast<std::uint32_t>(i)};
    for (int n = 0;
         n < frames_per_turn_max && connectors_[i] && connectors_[i]->try_receive(received_); ++n) {
      switch (received_.kind) {
        case net::Received::Kind::frame:
          core_.on_frame(link, received_.frame, now, effects_);
          break;
        case net::Received::Kind::connected: core_.on_connected(link, now, effects_); break;
        case net::Received::Kind::gone: core_.on_disconnected(link, now, effects_); break;
      }
      tell_callers();  // while the frame that they point into is there
      carry_out();
    }
  }
}

void ProducerLoop::perform(Now now) {
  core_.turn(now, effects_);
  tell_callers();
  carry_out();
  const auto since = core_.unreachable_since();
  unreachable_since_.store(since ? micros(*since) : 0, std::memory_order_relaxed);
}

void ProducerLoop::connect(actor::LinkId link, const std::string& endpoint) {
  const auto index = static_cast<std::size_t>(link);
  if (connectors_.size() <= index) connectors_.resize(index + 1);
  const auto parsed = net::parse_endpoints(endpoint, net::Purpose::connect);
  if (!parsed || parsed->size() != 1) {
    log::warning("a broker named a collector at '{}', which is no address", endpoint);
    return;
  }
  try {
    connectors_[index] = std::make_unique<net::Connector>(context_, parsed->front());
    loop_.add(*connectors_[index]);
  } catch (const net::NetError& error) {
    log::error("{}", error.what());
  }
}

void ProducerLoop::carry_out() {
  actor::NetEffects& net = effects_.net;
  const auto connector = [&](actor::LinkId link) -> net::Connector* {
    const auto index = static_cast<std::size_t>(link);
    return index < connectors_.size() ? connectors_[index].get() : nullptr;
  };
  for (auto& [link, frame] : net.to_links) {
    if (net::Connector* const to = connector(link)) to->send(std::move(frame));
  }
  for (const actor::LinkId link : net.reset_links) {
    if (net::Connector* const broken = connector(link)) broken->reset();
  }
  for (const actor::LinkId link : net.close_links) {
    if (net::Connector* const closing = connector(link)) {
      loop_.remove(*closing);
      connectors_[static_cast<std::size_t>(link)].reset();
    }
  }
  for (const auto& [link, endpoint] : net.open_links) connect(link, endpoint);
  net.clear();
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
  for (const ArrivedResult& result : effects_.results) {
    Call& call = Call::of(result.tag);
    call.ended(result.record, interned(result.worker), callbacks_);
    call.release();
  }
  effects_.results.clear();
  for (const Tag tag : effects_.given_up) Call::of(tag).release();
  effects_.given_up.clear();
  for (const ArrivedState& state : effects_.states) {
    Call::of(state.tag).told_state(state.state, state.meta, interned(state.worker));
  }
  effects_.states.clear();
  for (Answer& answer : effects_.answers) {
    auto receiver = receivers_.extract(static_cast<std::uint64_t>(answer.tag));
    if (!receiver.empty()) receiver.mapped()(std::move(answer));
  }
  effects_.answers.clear();
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

void ProducerLoop::close(const char* why) {
  if (std::exchange(closed_, true)) return;
  const Now now = base::system_now();
  take_in(now);
  core_.close(now, effects_);
  for (const SubmitFailure& failure : effects_.failed)
    Call::of(failure.tag).closed(why, callbacks_);
  for (const Tag tag : effects_.given_up) Call::of(tag).closed(why, callbacks_);
  tell_callers();
  carry_out();
}

}  // namespace baozi::client
