/// \file collector_process.hpp
/// CollectorCore as a process: its file and its store thread are a Disk.
#pragma once
#include <memory>

#include "collector/collector_core.hpp"
#include "disk.hpp"
#include "ledger.hpp"
#include "process.hpp"
#include "store/memory_result_store.hpp"

namespace baozi::sim {

class CollectorProcess final : public Process {
 public:
  CollectorProcess(World& world, Network& network, Ledger& ledger, std::string name,
                   collector::CollectorOptions options, const Rules& rules);

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
  void on_gone(actor::PeerKey peer, Now now) override { core_->on_gone(peer, now, effects_); }
  [[nodiscard]] bool is_idle() const override {
    return core_ != nullptr && disk_.is_idle() && !core_->has_pending();
  }
  [[nodiscard]] std::string busy_with() const override {
    return is_idle() ? "" : "results wait for their commit";
  }

  [[nodiscard]] Disk& disk() { return disk_; }

 private:
  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }

  Ledger& ledger_;
  collector::CollectorOptions options_;
  Rules rules_;
  store::MemoryResultStore file_;
  Disk disk_;
  std::unique_ptr<collector::CollectorCore> core_;
  collector::CollectorEffects effects_;
};

}  // namespace baozi::sim
