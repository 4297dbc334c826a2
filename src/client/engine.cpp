#include "client/engine.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "baozi/detail/local_runner.hpp"
#include "baozi/version.hpp"
#include "base/log.hpp"
#include "base/node_name.hpp"
#include "base/random.hpp"
#include "base/rendezvous.hpp"
#include "base/system_clock.hpp"
#include "base/task_scope.hpp"
#include "client/send_terms.hpp"
#include "net/endpoint.hpp"
#include "wire/call_options.hpp"

namespace baozi::client {

namespace {

constexpr std::size_t local_calls_max = 10'000;
constexpr const char* default_broker = "tcp://127.0.0.1:7170";
constexpr const char* closed_text = "the App was closed";
constexpr const char* forked_text =
    "it was called before this process was forked; its parent has the result";

// ---- forks

std::atomic<std::uint32_t> forks{0};

void count_forks() {
  [[maybe_unused]] static const bool once =
      pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_release); }) == 0;
}

// ---- ids

Random& chance() {
  thread_local Random random{entropy64()};
  thread_local std::uint32_t generation = forks.load(std::memory_order_acquire);
  if (const std::uint32_t now = forks.load(std::memory_order_acquire); generation != now) {
    generation = now;
    random = Random{entropy64()};
  }
  return random;
}

std::optional<MonoTime> deadline_of(detail::Span timeout) {
  if (timeout == detail::forever) return std::nullopt;
  return base::mono_now() + std::max(timeout, detail::Span{0});
}

std::vector<std::string> addresses(const std::string& given) {
  std::string list = given;
  if (list.empty()) {
    const char* const variable = std::getenv("BAOZI_BROKER");
    list = variable != nullptr && *variable != '\0' ? variable : default_broker;
  }
  const auto parsed = net::parse_endpoints(list, net::Purpose::connect);
  if (!parsed) throw std::invalid_argument{parsed.error().message};
  std::vector<std::string> texts;
  for (const net::Endpoint& endpoint : *parsed) texts.push_back(endpoint.to_string());
  return texts;
}

}  // namespace

Engine::Engine(AppOptions options)
    : options_{std::move(options)},
      brokers_{addresses(options_.broker)},
      terms_{default_terms(options_.submit_timeout, options_.connect_timeout)} {
  count_forks();
  generation_.store(forks.load());
}

Engine::~Engine() {
  close();
  // In a child of fork they stay behind: their threads are not here, and their locks may be held.
  if (generation_.load() == forks.load()) delete running_.load();
}

ProducerOptions Engine::producer_options() const {
  Random& random = chance();
  const Now now = base::system_now();
  ProducerOptions options;
  options.host = base::host_name();
  options.pid = static_cast<std::uint64_t>(getpid());
  options.name = base::expand_node_name(
      options_.name.empty()
          ? std::string{program_invocation_short_name} + "-" + std::to_string(getpid())
          : options_.name,
      options.host);
  options.origin = make_uuid7(now.wall, random.next(), random.next());
  options.incarnation = Incarnation{random.next() >> 1U};
  options.seed = random.next();
  options.brokers = brokers_;
  options.software = std::string{"baozi "} + version_text;
  options.durable_results = options_.durable_results;
  options.terms = terms_;
  options.open_tasks_max = options_.pending_tasks_max;
  options.open_bytes_max = options_.pending_bytes_max;
  return options;
}

Running& Engine::running() {
  const std::uint32_t generation = forks.load(std::memory_order_acquire);
  Running* const present = running_.load(std::memory_order_acquire);
  if (present != nullptr && generation_.load(std::memory_order_acquire) == generation)
    return *present;
  return start_running(generation);
}

Running& Engine::start_running(std::uint32_t generation) {
  const std::lock_guard lock{starting_};
  Running* const present = running_.load();
  if (present != nullptr && generation_.load() == generation) return *present;
  auto fresh = std::make_unique<Running>(
      producer_options(), Inbox::Limits{options_.pending_tasks_max, options_.pending_bytes_max});
  running_.store(fresh.get(), std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  return *fresh.release();
}

void Engine::refuse_blocking(bool may_block, bool would_block) {
  if (may_block && base::TaskScope::is_active() && !AllowGetInTask::is_given()) {
    throw WouldBlock{
        "waiting for another task inside a task can leave no worker to run it: use then, a "
        "follow-up, or "
        "baozi::AllowGetInTask"};
  }
  if (may_block && would_block && CallbackThread::is_this()) {
    throw WouldBlock{
        "waiting on the callback thread would hold up every other callback: use then or co_await"};
  }
}

// ---- calls

struct Engine::Prepared {
  TaskId id;
  Bytes options;
  std::string_view queue;
  std::shared_ptr<const Terms> terms;
  bool ignore_result = false;
  bool once = false;
  std::uint64_t key_hash = 0;
  std::uint64_t unique_hash = 0;
};

Engine::Prepared Engine::prepare(const Item& item) const {
  if (closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  if (!wire::is_valid_name(item.name)) {
    throw std::invalid_argument{"a task's name is 1 to 255 bytes without control characters"};
  }
  Prepared prepared;
  Random& random = chance();
  const WallTime now = base::wall_now();
  const CallOptions* const options = item.options;
  if (options == nullptr || options->task_id.empty()) {
    prepared.id = TaskId{make_uuid7(now, random.next(), random.next())};
  } else {
    if (!wire::is_valid_name(options->task_id)) {
      throw std::invalid_argument{"a task's id is 1 to 255 bytes without control characters"};
    }
    prepared.id = TaskId::from_text(options->task_id);
  }
  if (options == nullptr) return prepared;
  if (!options->queue.empty() && !wire::is_valid_name(options->queue)) {
    throw std::invalid_argument{"a queue's name is 1 to 255 bytes without control characters"};
  }
  auto packed = wire::pack_options(*options, now);
  if (!packed) throw std::invalid_argument{packed.error().message};
  prepared.options = *std::move(packed);
  prepared.queue = options->queue;
  prepared.ignore_result = options->ignore_result;
  prepared.once = options->once_until.has_value();
  prepared.unique_hash = apart_hash(*options);
  prepared.key_hash = home_hash(*options);
  if (auto terms = terms_of_call(*options, options_.submit_timeout, options_.connect_timeout)) {
    prepared.terms = std::make_shared<const Terms>(*terms);
  }
  return prepared;
}

namespace {

/// One submit with what stands around it, from the outermost middleware inwards.
class Outward {
 public:
  Outward(const std::vector<SubmitMiddleware>& middleware, OutgoingCall& call,
          std::function<void()> submit)
      : middleware_{middleware}, call_{call}, submit_{std::move(submit)} {}

  void run(std::size_t index) {
    if (index == middleware_.size()) {
      submit_();
      submitted_ = true;
      return;
    }
    const SubmitMiddleware& one = middleware_[index];
    bool called = false;
    try {
      one.around(call_, [&] {
        if (!std::exchange(called, true)) run(index + 1);
      });
    } catch (const MiddlewareError&) {
      throw;  // of one further inside, or of `submit` itself
    } catch (const std::exception& error) {
      std::throw_with_nested(MiddlewareError{one.name, error.what(), submitted_});
    } catch (...) {
      std::throw_with_nested(MiddlewareError{one.name, "(not a std::exception)", submitted_});
    }
    if (!called) throw MiddlewareError{one.name, "it did not hand the task in", false};
  }

 private:
  const std::vector<SubmitMiddleware>& middleware_;
  OutgoingCall& call_;
  std::function<void()> submit_;
  bool submitted_ = false;
};

}  // namespace

detail::CallHandle Engine::submit(const std::shared_ptr<Engine>& engine, const Item& item) {
  if (engine->options_.middleware.empty()) return submit_now(engine, item);
  OutgoingCall call{.name = item.name,
                    .body = item.body,
                    .options = item.options != nullptr ? *item.options : CallOptions{},
                    .id = {}};
  detail::CallHandle handle;
  std::exception_ptr own;  // what is thrown here is the caller's mistake, no middleware's
  Outward outward{engine->options_.middleware, call, [&] {
                    try {
                      handle = submit_now(engine, {item.name, item.body, &call.options});
                      call.id = handle.id();
                    } catch (...) {
                      own = std::current_exception();
                      throw;
                    }
                  }};
  try {
    outward.run(0);
  } catch (const MiddlewareError&) {
    if (own != nullptr) std::rethrow_exception(own);
    throw;
  }
  return handle;
}

detail::CallHandle Engine::submit_now(const std::shared_ptr<Engine>& engine, const Item& item) {
  const Prepared prepared = engine->prepare(item);
  Running* const running = engine->options_.runner ? nullptr : &engine->running();
  Call* const call = new Call{prepared.id, running, false};
  detail::CallHandle handle{call, engine};
  if (prepared.ignore_result) call->ignore_result();
  if (running == nullptr) {
    Bytes packed;
    Writer out{packed};
    wire::pack_task(out, wire::view_of(prepared.id), item.name, prepared.queue, prepared.options,
                    item.body);
    engine->run_here(*call, std::move(packed));
    return handle;
  }
  engine->hand_in(*running,
                  {.call = call,
                   .name = item.name,
                   .queue = prepared.queue,
                   .options = prepared.options,
                   .body = item.body,
                   .terms = prepared.terms,
                   .since = base::mono_now(),
                   .sync = engine->options_.commit_at_once,
                   .once = prepared.once,
                   .key_hash = prepared.key_hash,
                   .unique_hash = prepared.unique_hash},
                  prepared.terms ? *prepared.terms : engine->terms_);
  return handle;
}

void Engine::hand_in(Running& running, const Inbox::Task& task, const Terms& terms) {
  const auto fail = [&](Fate fate, wire::Reason reason, std::string text) {
    task.call->failed({task.call->tag(), fate, reason, std::move(text)}, running.callbacks);
  };
  if (task.body.size() > limits::frame_bytes_max) {
    return fail(Fate::rejected, wire::Reason::too_large,
                "its arguments have " + std::to_string(task.body.size()) + " bytes");
  }
  task.call->retain();  // for the submission
  const bool may_wait = !CallbackThread::is_this();
  while (true) {
    const Inbox::Put put = running.inbox.put(task, may_wait ? 1 : 2);
    switch (put) {
      case Inbox::Put::yes:
      case Inbox::Put::wake: return running.after(put);
      case Inbox::Put::closed:
        task.call->closed(closed_text, running.callbacks);
        return task.call->release();
      case Inbox::Put::full: break;
    }
    // The brokers are slower than we are: wait for them, as long as there are any.
    MonoTime until = task.since + terms.deadline;
    if (const auto unreachable = running.loop.unreachable_since()) {
      until = std::min(until, std::max(*unreachable, task.since - terms.patience) + terms.patience);
    }
    Waiter waiter{running.helm};
    const bool waits = may_wait && base::mono_now() < until;
    if (!waits || (running.inbox.add_waiter(waiter) &&
                   !running.helm.wait(waiter, until, Helm::Steering::no))) {
      running.inbox.remove_waiter(waiter);
      fail(Fate::not_sent, wire::Reason::none, "too many tasks are waiting to be sent");
      return task.call->release();
    }
    running.inbox.remove_waiter(waiter);
  }
}

detail::CallHandle Engine::foreign(const std::shared_ptr<Engine>& engine, const TaskId& id) {
  if (engine->closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  if (engine->options_.runner) {
    const std::lock_guard lock{engine->local_mutex_};
    const auto found = engine->local_calls_.find(id);
    if (found != engine->local_calls_.end()) {
      found->second->retain();
      found->second->add_interest();
      return {found->second, engine};
    }
    return {new Call{id, nullptr, true}, engine};
  }
  Running& running = engine->running();
  Call* const call = new Call{id, &running, true};
  detail::CallHandle handle{call, engine};
  call->retain();  // for the result that is waited for
  call->take_up();
  const Inbox::Put put =
      running.inbox.put([call, id](ProducerCore& core, Now now, ProducerEffects& out) {
        core.watch(call->tag(), id, now, out);
      });
  if (put == Inbox::Put::closed) {
    call->release();
    throw AppClosed{closed_text};
  }
  running.after(put);
  return handle;
}

void Engine::dropped(Call& call) {
  if (call.is_ended() || call.home() == nullptr || !call.is_taken()) return;
  if (call.home() != running_.load(std::memory_order_acquire) || generation_.load() != forks.load())
    return;
  call.retain();
  call.home()->inbox.put_dropped(call);
}

void Engine::check_home(Call& call) {
  if (call.is_ended() || options_.runner) return;
  const bool forked =
      generation_.load(std::memory_order_acquire) != forks.load(std::memory_order_acquire);
  if (!forked && call.home() == running_.load(std::memory_order_acquire)) return;
  call.closed(forked_text, running().callbacks);
}

// ---- waiting

bool Engine::wait(Call& call, Call::Event event, detail::Span timeout) {
  const auto happened = [&] {
    return event == Call::Event::ended ? call.is_ended() : call.is_submit_known();
  };
  refuse_blocking(timeout > detail::Span{0}, !happened());
  if (happened()) return true;
  check_home(call);
  if (options_.runner) return happened();
  Running& running = *call.home();
  Waiter waiter{running.helm};
  if (happened() || !call.add_waiter(waiter, event)) return true;
  const bool done = running.helm.wait(waiter, deadline_of(timeout));
  call.remove_waiter(waiter);
  return done;
}

bool Engine::wait_any(const std::vector<Call*>& calls, detail::Span timeout, std::size_t& index) {
  if (calls.empty()) throw std::invalid_argument{"when_any of nothing"};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    check_home(*calls[i]);
    if (calls[i]->is_ended()) return index = i, true;
  }
  refuse_blocking(timeout > detail::Span{0}, true);
  if (options_.runner) return false;
  Running& running = this->running();
  Waiter waiter{running.helm};
  std::size_t added = 0;
  bool done = false;
  for (; added < calls.size() && !done; ++added) {
    done = !calls[added]->add_waiter(waiter, Call::Event::ended, added);
    if (done) index = added;
  }
  if (!done && (done = running.helm.wait(waiter, deadline_of(timeout)))) index = waiter.index();
  for (std::size_t i = 0; i < added; ++i) calls[i]->remove_waiter(waiter);
  return done;
}

void Engine::when_ended(Call& call, std::function<void()> callback, Executor executor) {
  check_home(call);
  call.when_ended(std::move(callback), std::move(executor),
                  options_.runner ? local_callbacks_ : running().callbacks);
}

void Engine::when_submitted(Call& call, std::function<void()> callback, Executor executor) {
  check_home(call);
  call.when_submitted(std::move(callback), std::move(executor),
                      options_.runner ? local_callbacks_ : running().callbacks);
}

void Engine::when_told(Call& call, Call::OnState callback, Executor executor) {
  check_home(call);
  call.when_told(std::move(callback), std::move(executor),
                 options_.runner ? local_callbacks_ : running().callbacks);
}

// ---- questions

Answer Engine::ask(Question question) {
  refuse_blocking(true, true);
  if (closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  if (options_.runner) return {};
  struct Reply {
    std::mutex mutex;
    Waiter* waiter = nullptr;  // null: nobody waits any more
    Answer answer;
  };
  Running& running = this->running();
  Waiter waiter{running.helm};
  const auto reply = std::make_shared<Reply>();
  reply->waiter = &waiter;
  question.tag = Tag{next_question_.fetch_add(1)};
  question.patience = options_.answer_timeout;
  const Inbox::Put put = running.inbox.put(
      [&loop = running.loop, reply, question](ProducerCore& core, Now now, ProducerEffects&) {
        loop.expect_answer(question.tag, [reply](Answer&& answer) {
          const std::lock_guard lock{reply->mutex};
          reply->answer = std::move(answer);
          if (reply->waiter != nullptr) reply->waiter->tell(0);
        });
        core.ask(question, now);
      });
  if (put == Inbox::Put::closed) throw AppClosed{closed_text};
  running.after(put);
  running.helm.wait(waiter, std::nullopt);
  const std::lock_guard lock{reply->mutex};
  reply->waiter = nullptr;
  if (closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  return std::move(reply->answer);
}

// ---- events

Tag Engine::follow(EventWish wish, std::function<void(ArrivedEvents&&)> receiver) {
  if (options_.runner) {
    throw std::invalid_argument{"an eager App has no network, and so there are no events"};
  }
  if (closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  const Tag tag{next_question_.fetch_add(1)};
  Running& running = this->running();
  const Inbox::Put put = running.inbox.put(
      [&loop = running.loop, tag, wish = std::move(wish), receiver = std::move(receiver)](
          ProducerCore& core, Now, ProducerEffects&) {
        loop.expect_events(tag, receiver);
        core.follows().follow(tag, wish);
      });
  if (put == Inbox::Put::closed) throw AppClosed{closed_text};
  running.after(put);
  return tag;
}

void Engine::follow_more(Tag tag, const std::string& collector) {
  Running& running = this->running();
  running.after(running.inbox.put([tag, collector](ProducerCore& core, Now, ProducerEffects&) {
    core.follows().more(tag, collector);
  }));
}

void Engine::unfollow(Tag tag) {
  Running* const running = running_.load(std::memory_order_acquire);
  if (running == nullptr || closed_.load(std::memory_order_acquire)) return;
  running->after(
      running->inbox.put([&loop = running->loop, tag](ProducerCore& core, Now, ProducerEffects&) {
        core.follows().end(tag);
        loop.forget_events(tag);
      }));
}

bool Engine::wait_for_events(Waiter& waiter, std::optional<MonoTime> deadline) {
  refuse_blocking(true, true);
  if (closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  const bool told = running().helm.wait(waiter, deadline);
  if (closed_.load(std::memory_order_acquire)) throw AppClosed{closed_text};
  return told;
}

void Engine::look_up(Call& call) {
  if (call.is_ended() || !call.is_foreign() || call.was_looked_up()) return;
  Question question;
  question.kind = Question::Kind::fetch;
  question.ids = {call.id()};
  const Answer answer = ask(std::move(question));
  if (answer.found.empty()) return;
  const Answer::Found& found = answer.found.front();
  const std::string* worker = nullptr;
  if (!found.worker.empty()) {
    const std::lock_guard lock{names_mutex_};
    worker = &*worker_names_.insert(found.worker).first;
  }
  if (!found.record.empty()) {
    if (const auto record = wire::decode_record(found.record)) {
      call.ended(*record, worker, running().callbacks);
    }
  } else if (found.state != wire::TaskState::pending) {
    call.told_state(wire::to_string(found.state), {}, worker, running().callbacks);
  }
}

std::string Engine::trouble() {
  std::string text;
  Running& running = this->running();
  running.helm.alone([&] { text = running.loop.trouble(); });
  return text;
}

// ---- the end

bool Engine::flush(detail::Span timeout) {
  Running* const running = running_.load(std::memory_order_acquire);
  if (running == nullptr || generation_.load() != forks.load()) return true;
  refuse_blocking(timeout > detail::Span{0}, true);
  Waiter waiter{running->helm};
  if (!running->inbox.add_settle_waiter(waiter)) return true;
  const bool done = running->helm.wait(waiter, deadline_of(timeout));
  running->inbox.remove_waiter(waiter);
  return done;
}

void Engine::close() {
  if (closed_.exchange(true)) return;
  {
    const std::lock_guard lock{local_mutex_};
    for (const auto& [id, call] : local_calls_) call->release();
    local_calls_.clear();
  }
  local_callbacks_.stop();
  Running* const running = running_.load(std::memory_order_acquire);
  if (running == nullptr || generation_.load() != forks.load()) return;
  if (!CallbackThread::is_this()) {
    Waiter waiter{running->helm};
    if (running->inbox.add_settle_waiter(waiter)) {
      running->helm.wait(waiter, deadline_of(options_.close_timeout));
      running->inbox.remove_waiter(waiter);
    }
  }
  running->inbox.close();
  running->helm.alone([&] { running->loop.close(closed_text); });
  running->helm.stop();
  running->callbacks.stop();
}

// ---- eager

void Engine::run_here(Call& call, std::string packed_task) {
  call.confirmed(local_callbacks_);
  Call* present = &call;
  present->retain();
  std::deque<std::string> waiting;
  while (true) {
    const auto task = wire::decode_task(packed_task);
    if (!task) throw std::invalid_argument{task.error().message};
    const LocalRunner::Ended ended =
        options_.runner->run(packed_task, [&](std::string_view state, std::string_view meta) {
          present->told_state(state, meta, nullptr, local_callbacks_);
        });
    wire::RecordView record;
    record.id = task->id;
    record.name = task->name;
    record.state = static_cast<wire::TaskState>(ended.state);
    record.body = ended.body;
    record.started_us = ended.started_us;
    record.finished_us = ended.finished_us;
    record.retries = ended.retries;
    present->ended(record, nullptr, local_callbacks_);
    {
      const std::lock_guard lock{local_mutex_};
      Call*& kept = local_calls_[task->id.to_id()];
      if (kept != nullptr) kept->release();
      kept = present;
      if (local_calls_.size() > local_calls_max) {
        local_calls_.begin()->second->release();
        local_calls_.erase(local_calls_.begin());
      }
    }
    // What the task enqueued runs after it, as it would elsewhere; nobody holds a handle of it.
    for (const std::string& follow_up : ended.follow_ups) waiting.push_back(follow_up);
    if (waiting.empty()) return;
    packed_task = std::move(waiting.front());
    waiting.pop_front();
    const auto next = wire::decode_task(packed_task);
    if (!next) throw std::invalid_argument{next.error().message};
    present = new Call{next->id.to_id(), nullptr, false};
    present->confirmed(local_callbacks_);
  }
}

}  // namespace baozi::client
