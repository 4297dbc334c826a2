/// \file broker_process.hpp
/// BrokerCore as a process: its file and its store thread are a Disk.
#pragma once
#include <map>
#include <memory>

#include "broker/broker_core.hpp"
#include "disk.hpp"
#include "ledger.hpp"
#include "process.hpp"
#include "store/memory_task_store.hpp"

namespace baozi::sim {

class BrokerProcess final : public Process {
 public:
  BrokerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                broker::BrokerOptions options, const Rules& rules);

  void drain() override;
  void on_connected(actor::LinkId link, Now now) override {
    core_->on_connected(link, now, effects_);
  }
  void on_disconnected(actor::LinkId link, Now now) override {
    core_->on_disconnected(link, now, effects_);
  }
  void on_frame(actor::LinkId link, BytesView frame, Now now) override {
    core_->on_frame(link, frame, now, effects_);
  }
  void on_frame(actor::PeerKey peer, BytesView frame, Now now) override {
    core_->on_frame(peer, frame, now, effects_);
  }
  void on_gone(actor::PeerKey peer, Now now) override { core_->on_gone(peer, now); }
  [[nodiscard]] bool is_idle() const override;
  [[nodiscard]] std::string busy_with() const override;

  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] const broker::Books& books() const { return core_->books(); }
  [[nodiscard]] const broker::BrokerCounters& counters() const { return core_->counters(); }

  [[nodiscard]] const actor::EventOutbox& events() const { return core_->events(); }

 private:
  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }
  [[nodiscard]] std::uint64_t free_bytes() const;
  void check_books() const;
  void check_limits();
  /// After every commit, as a restart would find them.
  void check_file(const store::TaskBatch& batch);

  Ledger& ledger_;
  broker::BrokerOptions options_;
  // As of the turn before.
  std::uint64_t submits_ = 0;
  std::uint64_t excused_ = 0;
  std::uint64_t dead_ = 0;
  bool reading_ = false;                                 // tasks with keys, after a restart
  std::map<std::uint32_t, std::uint64_t> tasks_before_;  // by queue
  Rules rules_;
  store::MemoryTaskStore file_;
  Disk disk_;
  std::unique_ptr<broker::BrokerCore> core_;
  broker::BrokerEffects effects_;
};

}  // namespace baozi::sim
