/// \file top_model.hpp
/// What `baozi top` knows: workers, queues, rates, running tasks and the latest failures, put
/// together from events and from brokers' answers to "status". No clock of its own, no network.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <baozi/events.hpp>

#include "base/time.hpp"

namespace baozi::cli {

/// How often something happened in each of the last seconds.
class RateWindow {
 public:
  static constexpr std::int64_t seconds = 10;
  void add(WallTime when, std::uint64_t count = 1);
  /// In a second, over the last ten whole ones.
  [[nodiscard]] double per_second(WallTime now) const;

 private:
  struct Bucket {
    std::int64_t second = 0;
    std::uint64_t count = 0;
  };
  std::array<Bucket, 16> buckets_{};
};

struct TopWorker {
  std::string name;
  bool offline = false;
  std::int64_t heard_us = 0;  ///< wall clock of its latest event; 0: known from brokers only
  std::int64_t freq_us = 0;
  std::uint64_t concurrency = 0;
  std::uint64_t active = 0;
  std::uint64_t processed = 0;
  std::uint64_t leases = 0;  ///< at the brokers that answered last
  std::uint64_t failed = 0;  ///< told of since this began
  double load = 0;
  RateWindow ended;
};
struct TopQueue {
  std::string name;
  std::uint64_t ready = 0;
  std::uint64_t scheduled = 0;
  std::uint64_t leased = 0;
  std::uint64_t bytes = 0;
  std::uint64_t consumers = 0;
};
struct TopTask {
  std::string name;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;
  std::uint64_t runtime_us = 0;  ///< of those that ended, together
  std::uint64_t timed = 0;       ///< how many those were
  RateWindow ended;
};
struct TopRunning {
  std::string id;
  std::string name;
  std::string node;
  std::int64_t since_us = 0;
};
struct TopFailure {
  std::int64_t time_us = 0;
  std::string name;
  std::string node;
  std::string id;
  std::string exception;
};
struct TopTotals {
  std::uint64_t accepted = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t revoked = 0;
  std::uint64_t dead = 0;
  std::uint64_t queued = 0;
  std::uint64_t leased = 0;
};

class TopModel {
 public:
  void on_batch(const EventBatch& batch);
  void on_event(const Event& event);
  /// What the brokers answered to "status", and who did not.
  void on_status(const std::vector<std::pair<std::string, Value>>& answers, std::size_t silent,
                 WallTime now);
  void on_trouble(std::string text) { trouble_ = std::move(text); }

  struct Rates {
    double accepted = 0;
    double succeeded = 0;
    double failed = 0;
  };
  [[nodiscard]] Rates rates() const;
  [[nodiscard]] const TopTotals& totals() const { return totals_; }
  [[nodiscard]] const std::map<std::string, TopWorker>& workers() const { return workers_; }
  [[nodiscard]] const std::map<std::string, TopQueue>& queues() const { return queues_; }
  [[nodiscard]] const std::map<std::string, TopTask>& tasks() const { return tasks_; }
  [[nodiscard]] const std::map<std::string, TopRunning>& running() const { return running_; }
  [[nodiscard]] const std::deque<TopFailure>& failures() const {
    return failures_;
  }  ///< latest first
  [[nodiscard]] const RateWindow& events() const { return events_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  [[nodiscard]] std::size_t brokers() const { return brokers_; }
  [[nodiscard]] std::size_t silent() const { return silent_; }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] bool has_task_events() const { return has_task_events_; }
  /// Told nothing for three of its heartbeats.
  [[nodiscard]] static bool is_silent(const TopWorker& worker, WallTime now);

 private:
  static constexpr std::size_t running_max = 10'000;
  static constexpr std::size_t failures_max = 100;
  static constexpr std::size_t names_max = 10'000;
  struct Sample {
    std::int64_t at_us = 0;
    TopTotals totals;
  };
  void on_task(const Event& event);
  void on_worker(const Event& event);
  void forget_running_of(const std::string& node);

  TopTotals totals_;
  std::deque<Sample> samples_;
  std::map<std::string, TopWorker> workers_;
  std::map<std::string, TopQueue> queues_;
  std::map<std::string, TopTask> tasks_;
  std::map<std::string, TopRunning> running_;
  std::deque<TopFailure> failures_;
  RateWindow events_;
  std::uint64_t lost_ = 0;
  std::size_t brokers_ = 0;
  std::size_t silent_ = 0;
  std::string trouble_;
  bool has_task_events_ = false;
};

}  // namespace baozi::cli
