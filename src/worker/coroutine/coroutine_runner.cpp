#include "worker/coroutine/coroutine_runner.hpp"

#include <algorithm>

#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/coroutine/coroutine_job.hpp"
#include "worker/kept_start.hpp"
#include "worker/signals_blocked.hpp"
#include "worker/time_limit.hpp"

namespace baozi::worker {

CoroutineRunner::CoroutineRunner(Options options, Pool::Notify notify)
    : options_{std::move(options)},
      inbox_{std::make_shared<Inbox>()},
      outbox_{std::make_unique<Outbox>(std::move(notify))},
      work_{std::make_unique<Work>(inbox_, *outbox_, options_.worker_name, options_.step)} {
  const SignalsBlocked blocked;
  thread_ = std::thread{[this] {
    if (options_.on_thread) options_.on_thread();
    work_->run();
  }};
}

CoroutineRunner::~CoroutineRunner() {
  inbox_->put([&] { inbox_->stopping = true; });
  thread_.join();
}

std::size_t CoroutineRunner::submit(std::span<const Start> items) {
  if (!accepting_ || items.empty()) return 0;
  std::vector<Job*> starts;
  starts.reserve(items.size());
  for (const Start& item : items) {
    auto job = std::make_unique<Job>(item, *work_,
                                     options_.began_at ? options_.began_at(item.token) : nullptr);
    if (item.time_limit > Micros{0}) keep_start(job->item, job->own);
    starts.push_back(job.get());
    jobs_.emplace(item.token, std::move(job));
  }
  in_hand_ += items.size();
  if (!look_at_) look_at_ = base::mono_now() + options_.patience;
  inbox_->put([&] { inbox_->starts.insert(inbox_->starts.end(), starts.begin(), starts.end()); });
  return items.size();
}

void CoroutineRunner::take_events(PoolEvents& out) {
  std::vector<Outbox::Done> done;
  {
    const std::lock_guard lock{outbox_->mutex};
    outbox_->armed = true;
    done.swap(outbox_->done);
    out.updates.insert(out.updates.end(), std::make_move_iterator(outbox_->updates.begin()),
                       std::make_move_iterator(outbox_->updates.end()));
    outbox_->updates.clear();
    ++outbox_->round;
  }
  for (Outbox::Done& one : done) {
    if (!one.job->given_up) {
      out.completions.push_back(std::move(one.ended));
      --in_hand_;
    }
    jobs_.erase(Token{one.job->item.token});
  }
  in_hand_ -= given_up_.size();
  for (Ended& ended : given_up_) out.completions.push_back(std::move(ended));
  given_up_.clear();
  for (std::string& warning : warnings_) out.warnings.push_back(std::move(warning));
  warnings_.clear();
}

Cancelled CoroutineRunner::cancel(Token token, bool interrupt) {
  const auto found = jobs_.find(token);
  if (found == jobs_.end() || found->second->given_up) return Cancelled::unknown;
  Job* const job = found->second.get();
  {
    const std::lock_guard lock{inbox_->mutex};
    if (std::erase(inbox_->starts, job) > 0) {
      --in_hand_;
      jobs_.erase(found);
      return Cancelled::taken_back;
    }
  }
  if (interrupt) {
    job->interrupted.store(true, std::memory_order_relaxed);
    inbox_->put([&] { inbox_->interrupts.push_back(token); });
  }
  return Cancelled::running;
}

std::vector<Token> CoroutineRunner::stop(StopMode mode) {
  accepting_ = false;
  std::vector<Token> given_back;
  if (mode == StopMode::drain) return given_back;
  std::vector<Token> all;
  all.reserve(jobs_.size());
  for (const auto& [token, job] : jobs_) all.push_back(token);
  std::sort(all.begin(), all.end());
  for (const Token token : all) {
    if (cancel(token, mode == StopMode::interrupt) == Cancelled::taken_back) {
      given_back.push_back(token);
    }
  }
  return given_back;
}

std::optional<MonoTime> CoroutineRunner::next_deadline() const { return look_at_; }

void CoroutineRunner::tick(MonoTime now) {
  if (!look_at_ || now < *look_at_) return;
  look_at_ = in_hand_ > 0 ? std::optional{now + options_.patience} : std::nullopt;
  const std::optional<CoroutineStep::Seen> step = work_->step().look();
  if (!step || now - step->since < options_.patience) return;
  const auto found = jobs_.find(step->token);
  if (found == jobs_.end() || found->second->given_up) return;
  Job& job = *found->second;
  if (step->number != std::exchange(warned_step_, step->number)) {
    warnings_.push_back(hog_warning(job.item, now - step->since));
  }
  const MonoTime began = mono_time(job.began_us.load());
  const Micros limit = job.item.time_limit;
  if (limit > Micros{0} && now - began >= limit + options_.patience) give_up(job, now);
}

std::string hog_warning(const Start& hog, Micros span) {
  return "coroutine task " + std::string{hog.name} + " has not awaited anything for " +
         base::to_text(span) + ": all other coroutines of this worker wait for it";
}

/// It has no point where it could be ended. Its end is told, and the thread left to it: it is the
/// only one.
void CoroutineRunner::give_up(Job& job, MonoTime now) {
  job.given_up = true;
  job.interrupted.store(true, std::memory_order_relaxed);  // it may look, and end, later
  given_up_.push_back(time_limit_exceeded(job.item, now - mono_time(job.began_us.load()),
                                          "it awaits nothing and cannot be ended"));
  warnings_.push_back("coroutine task " + std::string{job.item.name} +
                      " is still running after its time limit of " +
                      base::to_text(job.item.time_limit) +
                      ": it failed, and no coroutine runs here until it awaits or returns, or the "
                      "worker is started again");
}

std::vector<SlotStatus> CoroutineRunner::status() const {
  std::vector<SlotStatus> list;
  for (const auto& [token, job] : jobs_) {
    const std::int64_t began = job->began_us.load();
    if (began == 0 || job->given_up) continue;
    SlotStatus status;
    status.id = work_->thread_id();
    status.token = token;
    status.since = mono_time(began);
    list.push_back(status);
  }
  std::sort(list.begin(), list.end(),
            [](const SlotStatus& a, const SlotStatus& b) { return *a.token < *b.token; });
  return list;
}

}  // namespace baozi::worker
