/// \file worker_process.hpp
/// WorkerCore as a process, with a pool of virtual threads that do what each task's plan says. Now
/// and then its tasks are registered anew, as if their library had been replaced.
#pragma once
#include <deque>
#include <memory>
#include <vector>

#include "ledger.hpp"
#include "process.hpp"
#include "worker/worker_core.hpp"

namespace baozi::sim {

class WorkerProcess final : public Process {
 public:
  /// \param concurrency_limit  of the limited name, as its library says; 0: none.
  WorkerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                worker::WorkerOptions options, PlanStyle style, std::uint32_t concurrency_limit,
                const Rules& rules);

  void drain() override;
  void on_connected(actor::LinkId link, Now now) override {
    core_->on_connected(link, now, effects_);
  }
  void on_disconnected(actor::LinkId link, Now now) override {
    core_->on_disconnected(link, now, effects_);
  }
  using Process::on_frame;
  void on_frame(actor::LinkId link, BytesView frame, Now now) override {
    core_->on_frame(link, frame, now, effects_);
  }
  [[nodiscard]] bool is_idle() const override;
  [[nodiscard]] std::string busy_with() const override;

  [[nodiscard]] const worker::WorkerCounters& counters() const { return core_->counters(); }

  /// An operator paused it.
  [[nodiscard]] bool is_taking_nothing() const { return core_ != nullptr && core_->is_paused(); }
  [[nodiscard]] const actor::EventOutbox& events() const { return core_->events(); }

 private:
  class Policies final : public worker::TaskPolicies {
   public:
    explicit Policies(std::uint32_t concurrency_limit) : concurrency_limit_{concurrency_limit} {}
    [[nodiscard]] const worker::TaskFacts* find(std::string_view name) const override {
      return name == "sim.task" || name == limited_name ? &facts_ : nullptr;
    }
    [[nodiscard]] std::vector<BrokerLimit> broker_limits() const override {
      if (concurrency_limit_ == 0) return {};
      return {{.name = limited_name, .concurrency = concurrency_limit_}};
    }

   private:
    std::uint32_t concurrency_limit_;
    worker::TaskFacts facts_{.definition = this, .retry = {.max_retries = 0}};
  };
  struct Job {
    worker::Token token{};
    TaskId id;
    std::uint32_t retries = 0;
    bool running = false;
    bool interrupted = false;
    std::size_t execution = 0;
    std::int64_t began = 0;
    std::int64_t began_wall_us = 0;
  };

  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }
  /// Threads that are free take what waits.
  void run_jobs();
  void begin(Job& job);
  void finish(worker::Token token);
  /// Takes a job back that has not begun; false when it has, or is not there.
  bool cancel(worker::Token token);
  [[nodiscard]] Job* find(worker::Token token);

  Ledger& ledger_;
  worker::WorkerOptions options_;
  PlanStyle style_;
  Rules rules_;
  Policies policies_[2];
  std::unique_ptr<worker::WorkerCore> core_;
  worker::WorkerEffects effects_;
  std::uint64_t turns_ = 0;
  std::deque<Job> jobs_;
  std::uint32_t running_ = 0;
};

}  // namespace baozi::sim
