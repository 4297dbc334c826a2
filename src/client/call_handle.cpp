// The public face of a call: baozi::detail::CallHandle, ManyCalls, and the errors they throw.
#include "baozi/detail/call_handle.hpp"

#include <utility>

#include "baozi/codec.hpp"
#include "client/engine.hpp"
#include "client/requests.hpp"

namespace baozi {

namespace {
thread_local int allowed = 0;

}  // namespace

AllowGetInTask::AllowGetInTask() { ++allowed; }
AllowGetInTask::~AllowGetInTask() { --allowed; }
bool AllowGetInTask::is_given() { return allowed > 0; }

const char* to_string(SubmitState state) {
  switch (state) {
    case SubmitState::pending: return "pending";
    case SubmitState::confirmed: return "confirmed";
    case SubmitState::not_sent: return "not_sent";
    case SubmitState::rejected: return "rejected";
    case SubmitState::unknown: return "unknown";
  }
  return "";
}

namespace detail {

using client::Call;

CallHandle::CallHandle(Call* call, std::shared_ptr<client::Engine> engine) noexcept
    : call_{call}, engine_{std::move(engine)} {}

CallHandle::CallHandle(const CallHandle& other) noexcept
    : call_{other.call_}, engine_{other.engine_} {
  if (call_ == nullptr) return;
  call_->retain();
  call_->add_interest();
}

CallHandle::CallHandle(CallHandle&& other) noexcept
    : call_{std::exchange(other.call_, nullptr)}, engine_{std::move(other.engine_)} {}

CallHandle& CallHandle::operator=(CallHandle other) noexcept {
  std::swap(call_, other.call_);
  std::swap(engine_, other.engine_);
  return *this;
}

CallHandle::~CallHandle() {
  if (call_ == nullptr) return;
  if (call_->drop_interest()) engine_->dropped(*call_);
  call_->release();
}

std::string CallHandle::id() const { return call_->id().to_string(); }

bool CallHandle::is_duplicate() const { return call_->is_duplicate(); }

std::string CallHandle::name() const {
  return call_->is_ended() ? call_->ending().name : std::string{};
}

// ---- waiting

bool CallHandle::wait_for(Span timeout) const {
  return engine_->wait(*call_, Call::Event::ended, timeout);
}

void CallHandle::confirm_within(Span timeout) const {
  if (!engine_->wait(*call_, Call::Event::submitted, timeout))
    throw Timeout{"not confirmed in time"};
  throw_trouble();
}

void CallHandle::throw_trouble() const {
  const Call::Trouble* const trouble = call_->trouble();
  if (trouble == nullptr) return;
  switch (trouble->problem) {
    case Call::Problem::none: return;
    case Call::Problem::not_sent: throw NotSent{"the task was not sent: " + trouble->text};
    case Call::Problem::rejected: throw Rejected{wire::to_string(trouble->reason), trouble->text};
    case Call::Problem::unknown:
      throw SubmitUnknown{"whether the task " + id() + " was taken is not known: " + trouble->text};
    case Call::Problem::closed: throw AppClosed{trouble->text};
  }
}

void CallHandle::require_success(Span timeout) const {
  if (!wait_for(timeout)) throw Timeout{"no result in time"};
  (void)require_no_error();
}

bool CallHandle::require_no_error() const {
  if (!ready()) return false;
  if (const char* const why = call_->closed_because()) throw AppClosed{why};
  if (call_->is_ended_by_trouble()) throw_trouble();
  switch (call_->ending().state) {
    case State::success: return true;
    case State::ignored:
      throw TaskError{"baozi::ResultIgnored",
                      "called with ignore_result, or the task asked to be ignored"};
    case State::revoked: {
      const TaskError error = client::unpack_error(call_->ending().body);
      throw TaskRevoked{error.type(), error.message(), error.traceback()};
    }
    default: throw client::unpack_error(call_->ending().body);
  }
}

std::string_view CallHandle::packed_value() const { return call_->ending().body; }

std::string CallHandle::value_label() const {
  const std::string& name = call_->ending().name;
  return name.empty() ? std::string{"result"} : "result of " + name;
}

// ---- looking

bool CallHandle::ready() const {
  engine_->check_home(*call_);
  return call_->is_ended();
}

bool CallHandle::successful() const {
  const State now = ready() ? outcome_state() : State::pending;
  return now == State::success || now == State::ignored;
}

bool CallHandle::failed() const { return ready() && outcome_state() == State::failure; }

State CallHandle::outcome_state() const {
  if (call_->closed_because() != nullptr) return State::pending;
  if (!call_->is_ended_by_trouble()) return call_->ending().state;
  const Call::Problem problem = call_->trouble()->problem;
  return problem == Call::Problem::not_sent || problem == Call::Problem::rejected ? State::failure
                                                                                  : State::pending;
}

std::optional<TaskError> CallHandle::outcome_error() const {
  if (!call_->is_ended()) return std::nullopt;
  if (const char* const why = call_->closed_because()) return TaskError{"baozi::AppClosed", why};
  if (call_->is_ended_by_trouble()) {
    const Call::Trouble& trouble = *call_->trouble();
    switch (trouble.problem) {
      case Call::Problem::none: return std::nullopt;
      case Call::Problem::not_sent: return TaskError{"baozi::NotSent", trouble.text};
      case Call::Problem::rejected:
        return TaskError{"baozi::Rejected",
                         std::string{wire::to_string(trouble.reason)} + ": " + trouble.text};
      case Call::Problem::unknown: return TaskError{"baozi::SubmitUnknown", trouble.text};
      case Call::Problem::closed: return TaskError{"baozi::AppClosed", trouble.text};
    }
  }
  const State state = call_->ending().state;
  if (state == State::success || state == State::ignored) return std::nullopt;
  return client::unpack_error(call_->ending().body);
}

State CallHandle::state() const {
  if (!ready()) engine_->look_up(*call_);
  return call_->is_ended() ? outcome_state() : call_->progress().state;
}

std::string CallHandle::state_name() const {
  const State now = state();
  if (is_final(now)) return to_string(now);
  const Call::Progress progress = call_->progress();
  return progress.word.empty() ? to_string(now) : progress.word;
}

std::string CallHandle::traceback() const {
  if (!ready() || outcome_state() == State::success) return {};
  const auto error = outcome_error();
  return error ? error->traceback() : std::string{};
}

Value CallHandle::info() const {
  if (!ready()) engine_->look_up(*call_);
  if (call_->is_ended()) return {};
  const std::string meta = call_->progress().meta;
  return meta.empty() ? Value{} : unpack<Value>(meta);
}

std::string CallHandle::worker() const {
  const std::string* const name =
      call_->is_ended() ? call_->ending().worker : call_->progress().worker;
  return name != nullptr ? *name : std::string{};
}

std::uint32_t CallHandle::retries() const {
  return call_->is_ended() ? call_->ending().retries : 0;
}

namespace {
std::optional<Instant> instant(std::int64_t us) {
  if (us == 0) return std::nullopt;
  return Instant::from_micros(us);
}
}  // namespace

std::optional<Instant> CallHandle::started() const {
  return call_->is_ended() ? instant(call_->ending().started_us) : std::nullopt;
}
std::optional<Instant> CallHandle::finished() const {
  return call_->is_ended() ? instant(call_->ending().finished_us) : std::nullopt;
}

SubmitState CallHandle::submit_state() const { return call_->submit_state(); }

void CallHandle::when_ready(std::function<void()> callback, Executor executor) const {
  // The callback may run, on another thread, before this returns, and end the life of this handle.
  const CallHandle kept = *this;
  kept.engine_->when_ended(*kept.call_, std::move(callback), std::move(executor));
}

void CallHandle::when_submitted(std::function<void()> callback, Executor executor) const {
  const CallHandle kept = *this;
  kept.engine_->when_submitted(*kept.call_, std::move(callback), std::move(executor));
}

void CallHandle::when_told(std::function<void(const std::string&, const std::string&)> callback,
                           Executor executor) const {
  engine_->when_told(*call_, std::move(callback), std::move(executor));
}

// ---- asking

bool CallHandle::forget() const { return client::forget(*engine_, {call_->id()}) > 0; }

Revocation CallHandle::revoke(bool terminate, std::string_view signal) const {
  return client::revoke(*engine_, {call_->id()}, terminate, signal).front();
}

// ---- many

std::optional<std::size_t> ManyCalls::wait_any(Span timeout) const {
  if (calls_.empty()) return std::nullopt;
  std::vector<Call*> calls;
  calls.reserve(calls_.size());
  for (const CallHandle& handle : calls_) calls.push_back(handle.call_);
  std::size_t index = 0;
  if (!calls_.front().engine_->wait_any(calls, timeout, index)) return std::nullopt;
  return index;
}

bool ManyCalls::wait_all(Span timeout) const {
  const auto end = std::chrono::steady_clock::now() + (timeout == forever ? Span{0} : timeout);
  for (const CallHandle& handle : calls_) {
    const Span left =
        timeout == forever
            ? forever
            : std::max(Span{0},
                       std::chrono::duration_cast<Span>(end - std::chrono::steady_clock::now()));
    if (!handle.wait_for(left)) return false;
  }
  return true;
}

void ManyCalls::when_any(std::function<void(std::size_t)> callback, Executor executor) const {
  struct First {
    std::atomic<bool> taken{false};
    std::function<void(std::size_t)> callback;
  };
  const auto first = std::make_shared<First>();
  first->callback = std::move(callback);
  const std::vector<CallHandle> calls =
      calls_;  // the first one that is ready may end our life, on another thread
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i].when_ready(
        [first, i] {
          if (!first->taken.exchange(true)) std::exchange(first->callback, {})(i);
        },
        executor);
  }
}

void ManyCalls::when_all(std::function<void()> callback, Executor executor) const {
  struct Rest {
    std::atomic<std::size_t> left;
    std::function<void()> callback;
    Executor executor;
  };
  const auto rest = std::make_shared<Rest>();
  rest->left = calls_.size() + 1;
  rest->callback = std::move(callback);
  const auto one_less = [rest] {
    if (--rest->left == 0) std::exchange(rest->callback, {})();
  };
  for (const CallHandle& handle : calls_) handle.when_ready(one_less, executor);
  if (calls_.empty()) return one_less();
  calls_.front().when_ready(one_less, std::move(executor));
}

}  // namespace detail
}  // namespace baozi
