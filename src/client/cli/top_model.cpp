#include "client/cli/top_model.hpp"

#include <algorithm>

namespace baozi::cli {

namespace {

constexpr std::int64_t samples_us = 10'000'000;  // rates of brokers' books are taken over so long

std::uint64_t number(const Value& object, std::string_view field) {
  const Value* const value = object.find(field);
  if (value == nullptr || !value->is_integer()) return 0;
  if (const auto* whole = std::get_if<std::int64_t>(&value->held())) {
    return *whole < 0 ? 0 : static_cast<std::uint64_t>(*whole);
  }
  return std::get<std::uint64_t>(value->held());
}

std::string text(const Value& object, std::string_view field) {
  const Value* const value = object.find(field);
  return value != nullptr && value->is_string() ? value->as_string() : std::string{};
}

const Value::Array& list(const Value& object, std::string_view field) {
  static const Value::Array none;
  const Value* const value = object.find(field);
  return value != nullptr && value->is_array() ? value->as_array() : none;
}

WallTime time_of(const Event& event) { return wall_time(event.time.time_since_epoch().count()); }

}  // namespace

void RateWindow::add(WallTime when, std::uint64_t count) {
  const std::int64_t second = micros(when) / 1'000'000;
  Bucket& bucket = buckets_[static_cast<std::size_t>(second) % buckets_.size()];
  if (bucket.second > second) return;  // older than what is kept
  if (bucket.second != second) bucket = {second, 0};
  bucket.count += count;
}

double RateWindow::per_second(WallTime now) const {
  const std::int64_t present = micros(now) / 1'000'000;
  std::uint64_t sum = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.second < present && bucket.second >= present - seconds) sum += bucket.count;
  }
  return static_cast<double>(sum) / static_cast<double>(seconds);
}

void TopModel::on_batch(const EventBatch& batch) {
  lost_ += batch.lost;
  if (batch.lost > 0 || batch.anew) running_.clear();  // their ends may be among what was missed
  for (const Event& event : batch.events) on_event(event);
}

void TopModel::on_event(const Event& event) {
  events_.add(time_of(event));
  if (event.type == "events-lost") {
    lost_ += number(event.fields, "count");
    forget_running_of(event.node);
  } else if (event.type.starts_with("task-")) {
    on_task(event);
  } else if (event.type.starts_with("worker-")) {
    on_worker(event);
  }
}

void TopModel::on_worker(const Event& event) {
  if (workers_.size() >= names_max && !workers_.contains(event.node)) return;
  TopWorker& worker = workers_[event.node];
  worker.name = event.node;
  worker.heard_us = event.time.time_since_epoch().count();
  worker.offline = event.type == "worker-offline";
  worker.freq_us = static_cast<std::int64_t>(number(event.fields, "freq_us"));
  worker.concurrency = number(event.fields, "concurrency");
  worker.active = worker.offline ? 0 : number(event.fields, "active");
  worker.processed = number(event.fields, "processed");
  const Value::Array& loads = list(event.fields, "loadavg");
  if (!loads.empty() && loads.front().is_number()) worker.load = loads.front().to<double>();
  if (event.type != "worker-heartbeat") forget_running_of(event.node);
}

void TopModel::forget_running_of(const std::string& node) {
  std::erase_if(running_, [&](const auto& entry) { return entry.second.node == node; });
}

void TopModel::on_task(const Event& event) {
  has_task_events_ = true;
  if (event.type == "task-sent" || event.type == "task-received") return;
  if (event.type == "task-started") {
    if (running_.size() < running_max) {
      running_[event.task_id] = {event.task_id, event.task, event.node,
                                 event.time.time_since_epoch().count()};
    }
    return;
  }
  running_.erase(event.task_id);
  if (tasks_.size() >= names_max && !tasks_.contains(event.task)) return;
  TopTask& task = tasks_[event.task];
  task.name = event.task;
  const bool failed = event.type == "task-failed";
  if (event.type == "task-retried") ++task.retried;
  if (!failed && event.type != "task-succeeded") return;
  ++(failed ? task.failed : task.succeeded);
  task.ended.add(time_of(event));
  if (event.fields.find("runtime_us") != nullptr) {
    task.runtime_us += number(event.fields, "runtime_us");
    ++task.timed;
  }
  if (const auto worker = workers_.find(event.node); worker != workers_.end()) {
    worker->second.ended.add(time_of(event));
    worker->second.failed += failed ? 1U : 0U;
  }
  if (!failed) return;
  failures_.push_front({event.time.time_since_epoch().count(), event.task, event.node,
                        event.task_id, text(event.fields, "exception")});
  if (failures_.size() > failures_max) failures_.pop_back();
}

void TopModel::on_status(const std::vector<std::pair<std::string, Value>>& answers,
                         std::size_t silent, WallTime now) {
  brokers_ = answers.size();
  silent_ = silent;
  trouble_.clear();
  totals_ = {};
  queues_.clear();
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>>
      seen;  // worker: leases, concurrency
  for (const auto& [name, status] : answers) {
    if (const Value* const books = status.find("books")) {
      totals_.accepted += number(*books, "accepted");
      totals_.succeeded += number(*books, "succeeded");
      totals_.failed += number(*books, "failed");
      totals_.dead += number(*books, "dead");
      totals_.queued += number(*books, "queued");
      totals_.leased += number(*books, "leased");
      if (const Value* const revoked = books->find("revoked")) {
        for (const char* why : {"asked", "expired", "dropped", "purged"})
          totals_.revoked += number(*revoked, why);
      }
    }
    for (const Value& peer : list(status, "peers")) {
      if (text(peer, "role") != "worker") continue;
      auto& [leases, concurrency] = seen[text(peer, "name")];
      leases += number(peer, "leases");
      concurrency = number(peer, "concurrency");
    }
    for (const Value& entry : list(status, "queues")) {
      TopQueue& queue = queues_[text(entry, "name")];
      queue.name = text(entry, "name");
      queue.ready += number(entry, "ready");
      queue.scheduled += number(entry, "scheduled");
      queue.leased += number(entry, "leased");
      queue.bytes += number(entry, "bytes");
      queue.consumers += number(entry, "consumers");
    }
  }
  for (auto& [name, worker] : workers_) worker.leases = 0;
  for (const auto& [name, facts] : seen) {
    TopWorker& worker = workers_[name];
    worker.name = name;
    worker.leases = facts.first;
    if (worker.concurrency == 0) worker.concurrency = facts.second;
  }
  // Workers that are gone for good leave the list after a while.
  std::erase_if(workers_, [&](const auto& entry) {
    const TopWorker& worker = entry.second;
    if (seen.contains(entry.first)) return false;
    return worker.heard_us == 0 || micros(now) - worker.heard_us > 600'000'000;
  });
  for (const auto& [name, worker] : workers_) {
    if (is_silent(worker, now)) forget_running_of(name);
  }
  const bool restarted = !samples_.empty() && totals_.accepted < samples_.back().totals.accepted;
  if (restarted) samples_.clear();
  samples_.push_back({micros(now), totals_});
  while (samples_.size() > 2 && micros(now) - samples_.front().at_us > samples_us)
    samples_.pop_front();
}

bool TopModel::is_silent(const TopWorker& worker, WallTime now) {
  return !worker.offline && worker.heard_us != 0 && worker.freq_us > 0 &&
         micros(now) - worker.heard_us > 3 * worker.freq_us;
}

TopModel::Rates TopModel::rates() const {
  if (samples_.size() < 2) return {};
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  const double span = static_cast<double>(last.at_us - first.at_us) / 1e6;
  if (span <= 0) return {};
  const auto rate = [&](std::uint64_t TopTotals::*part) {
    const std::uint64_t now = last.totals.*part;
    const std::uint64_t then = first.totals.*part;
    return now > then ? static_cast<double>(now - then) / span : 0.0;
  };
  return {rate(&TopTotals::accepted), rate(&TopTotals::succeeded), rate(&TopTotals::failed)};
}

}  // namespace baozi::cli
