// Which tasks are registered, and what becomes of a change of that while deliveries are held.
#include <algorithm>
#include <set>
#include <string>

#include "base/limits.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

void WorkerCore::read_policies() {
  std::vector<TaskPolicies::BrokerLimit> limits = policies_->broker_limits();
  // A broker keeps what it was told of a name until it is told otherwise.
  std::set<std::string> limited;
  for (const TaskPolicies::BrokerLimit& limit : limits) limited.insert(limit.name);
  for (const TaskPolicies::BrokerLimit& before : limits_) {
    if (!limited.contains(before.name)) limits.push_back({before.name, 0, Micros{0}});
  }
  limits_ = std::move(limits);
  early_ = policies_->at_most_once();
  has_coroutines_ = policies_->has_coroutines();
  if (limits_.size() > limits::queues_per_worker_max) limits_.resize(limits::queues_per_worker_max);
  if (early_.size() > limits::queues_per_worker_max) early_.resize(limits::queues_per_worker_max);
}

void WorkerCore::set_policies(const TaskPolicies& policies, Now now, WorkerEffects& out) {
  events_.at(now);
  policies_ = &policies;
  last_facts_ = nullptr;
  const auto limits_before = limits_;
  const auto early_before = early_;
  read_policies();
  if (limits_ != limits_before || early_ != early_before) {
    ++policies_version_;
    for (const auto& broker : brokers_) {
      if (broker->link.is_open()) tell_tasks(*broker, now, out);
    }
  }
  rates_.reconsider(
      [this](std::string_view task) {
        const TaskFacts* const facts = policies_->find(task);
        return facts == nullptr ? 0.0 : facts->rate;
      },
      now.mono);
  rest_no_more({});
  sort_ready();
  recall_to_start_again(out);
}

bool WorkerCore::needs(const TaskPolicies& policies) const {
  bool found = false;
  table_.for_each([&](Slot, const Held& held) { found = found || held.policies == &policies; });
  return found;
}

void WorkerCore::tell_tasks(BrokerPeer& broker, Now now, WorkerEffects& out) {
  wire::Tasks message;
  message.early.assign(early_.begin(), early_.end());
  for (const TaskPolicies::BrokerLimit& limit : limits_) {
    message.limits.push_back(
        {limit.name, limit.concurrency, static_cast<std::uint64_t>(limit.interval.count())});
  }
  broker.policies_version = policies_version_;
  send(broker.id, broker.link, message, now, out);
}

/// A function may have become a coroutine, or the other way round.
void WorkerCore::sort_ready() {
  std::vector<Token> all{ready_.begin(), ready_.end()};
  all.insert(all.end(), ready_coroutines_.begin(), ready_coroutines_.end());
  ready_.clear();
  ready_coroutines_.clear();
  for (const Token token : all) {
    Held* const held = table_.find(token);
    if (held == nullptr || held->phase != Phase::ready) continue;
    const TaskFacts* const facts = policies_->find(held->name());
    held->coroutine = facts != nullptr && facts->coroutine;
    list_of(*held).push_back(token);
  }
}

/// What has not begun comes back, the latest first, so that each goes before the ones behind it.
void WorkerCore::recall_to_start_again(WorkerEffects& out) {
  std::vector<std::pair<std::uint64_t, Token>> pooled;
  table_.for_each([&](Slot slot, Held& held) {
    if (held.phase != Phase::pooled) return;
    held.recall = std::max(held.recall, Held::Recall::again);
    pooled.emplace_back(held.number, table_.token_of(slot));
  });
  std::sort(pooled.begin(), pooled.end());
  for (auto one = pooled.rbegin(); one != pooled.rend(); ++one) out.cancels.push_back(one->second);
}

/// As if it had not left its list.
void WorkerCore::start_again(Slot slot) {
  Held& held = table_[slot];
  BrokerPeer& broker = *brokers_[held.broker];
  --broker.pooled;
  ++broker.ready;
  if (held.coroutine) {
    --broker.coroutines;
    broker.coroutine_bytes -= held.task_bytes;
  }
  if (const auto total = totals_.find(held.name()); total != totals_.end()) --total->second;
  // It has had its turn.
  if (rates_.rate(held.name(), held.facts->rate) > 0) held.rate_granted = true;
  held.phase = Phase::ready;
  held.recall = Held::Recall::none;
  held.facts = nullptr;
  held.policies = nullptr;
  const auto call_says = [&](wire::Option option) {
    return has_option(held.raw_options(), static_cast<std::uint64_t>(option));
  };
  held.ignore_result = call_says(wire::Option::ignore_result);
  held.acks_early = call_says(wire::Option::acks_early);
  const TaskFacts* const facts = policies_->find(held.name());
  held.coroutine = facts != nullptr && facts->coroutine;
  table_.renew_token(slot);
  list_of(held).push_front(table_.token_of(slot));
}

}  // namespace baozi::worker
