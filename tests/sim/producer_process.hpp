/// \file producer_process.hpp
/// ProducerCore as a process, and the application on top of it: it submits, waits, revokes,
/// watches.
#pragma once
#include <map>
#include <memory>

#include "client/producer_core.hpp"
#include "ledger.hpp"
#include "process.hpp"

namespace baozi::sim {

struct Appetite {
  PlanStyle style;
  std::uint32_t tasks = 100;     ///< in all, over all its starts
  Micros span{10'000'000};       ///< submitted within this time
  std::uint32_t batch_max = 10;  ///< handed in at once
  double revoking = 0;           ///< share of tasks that it revokes
  double impatient = 0;          ///< share of tasks with a short deadline
  double watching = 0;           ///< share of tasks that it watches by id as well
  std::uint64_t asking =
      0;  ///< it asks brokers and workers this and that; seeds what. 0: it does not
};

class ProducerProcess final : public Process {
 public:
  ProducerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                  client::ProducerOptions options, Appetite appetite, const Rules& rules);

  void drain() override {}
  void on_connected(actor::LinkId link, Now now) override {
    core_->on_connected(link, now, effects_), tell();
  }
  void on_disconnected(actor::LinkId link, Now now) override {
    core_->on_disconnected(link, now, effects_), tell();
  }
  using Process::on_frame;
  void on_frame(actor::LinkId link, BytesView frame, Now now) override {
    core_->on_frame(link, frame, now, effects_), tell();
  }
  [[nodiscard]] bool is_idle() const override;
  [[nodiscard]] std::string busy_with() const override;

 private:
  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }
  /// What the core said, at once: its views live only as long as the frame.
  void tell();
  void submit_some();
  void plan_next_submit();
  void revoke(const TaskId& id);
  void plan_next_question();
  void ask_something();
  /// What a broker answered to a question for its workers: everyone is named, with an answer or as
  /// silent.
  void check_answer(BytesView payload);

  Ledger& ledger_;
  client::ProducerOptions options_;
  Appetite appetite_;
  Rules rules_;
  std::unique_ptr<client::ProducerCore> core_;
  client::ProducerEffects effects_;
  std::uint32_t submitted_ = 0;
  std::uint64_t next_tag_ = 1;
  std::map<client::Tag, TaskId> tags_;  // of submissions
  std::map<client::Tag, TaskId> watches_;
  std::map<client::Tag, std::vector<TaskId>> questions_;
  Chance asking_{1};  // of its own, so that questions move nothing else
};

}  // namespace baozi::sim
