/// \file operator_process.hpp
/// Somebody who steers the network while it is in trouble: pauses and resumes queues and workers,
/// purges queues, looks at dead letters, retries and drops them. One thing at a time, and the
/// ledger hears what was answered. When the trouble is over, whatever was paused is resumed, as
/// often as it takes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "baozi/value.hpp"
#include "client/producer_core.hpp"
#include "ledger.hpp"
#include "process.hpp"

namespace baozi::sim {

class OperatorProcess final : public Process {
 public:
  /// \param queues  how many there are, by their numbers in plans.
  OperatorProcess(World& world, Network& network, Ledger& ledger, std::string name,
                  client::ProducerOptions options, std::uint32_t queues, const Rules& rules);

  /// From now on it only resumes.
  void wind_up() { winding_up_ = true; }
  /// \param is_anyone_paused  of the workers, as they are.
  void watch(std::function<bool()> is_anyone_paused) {
    is_anyone_paused_ = std::move(is_anyone_paused);
  }

  void drain() override {}
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

 private:
  enum class Act : std::uint8_t {
    pause_queue,
    resume_queue,
    purge,
    pause_worker,
    resume_worker,
    dead_list,
    dead_show,
    dead_retry,
    dead_drop
  };

  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }

  void plan_next();
  void act();
  void ask(Act act, const std::string& command, Value arguments);
  void take(const client::Answer& answer);
  void take_dead(const client::Answer::Reply& reply);

  Ledger& ledger_;
  client::ProducerOptions options_;
  std::uint32_t queues_;
  Rules rules_;
  std::unique_ptr<client::ProducerCore> core_;
  client::ProducerEffects effects_;
  std::function<bool()> is_anyone_paused_;
  bool winding_up_ = false;
  std::uint32_t resumed_ = 0;  // queues, all brokers said so, since it winds up
  std::uint64_t next_tag_ = 1;
  bool asking_ = false;
  bool asked_last_ = false;  // the open question is one of those that resume everything
  Act act_{};
  std::uint8_t queue_ = 0;
  std::optional<TaskId> dead_;  // that it is about
  std::uint32_t dead_generation_ = 0;
  std::vector<TaskId> waiting_;     // of a purge
  std::vector<TaskId> known_dead_;  // of the last list
};

}  // namespace baozi::sim
