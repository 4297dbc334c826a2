/// \file follower_process.hpp
/// Somebody who follows events, at its own pace, and goes on where it was when it starts again. It
/// checks what docs/events.md promises: offsets grow without a gap, or it is told how many are
/// missing.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "client/producer_core.hpp"
#include "process.hpp"

namespace baozi::sim {

class FollowerProcess final : public Process {
 public:
  FollowerProcess(World& world, Network& network, std::string name, client::ProducerOptions options,
                  const Rules& rules);

  void drain() override {}
  void on_connected(actor::LinkId link, Now now) override {
    core_->on_connected(link, now, effects_), take();
  }
  void on_disconnected(actor::LinkId link, Now now) override {
    core_->on_disconnected(link, now, effects_), take();
  }
  using Process::on_frame;
  void on_frame(actor::LinkId link, BytesView frame, Now now) override {
    core_->on_frame(link, frame, now, effects_), take();
  }
  /// The last piece was not a full one: whatever there is has been told, but for the heartbeats
  /// that go on and on.
  [[nodiscard]] bool is_idle() const override { return core_ != nullptr && !is_behind_; }
  [[nodiscard]] std::string busy_with() const override { return "it reads events"; }

  /// Everything that was told was seen, or counted as lost by its node.
  [[nodiscard]] bool has_missed_nothing() const { return missed_ == 0; }
  /// Events of a node, those that it had to drop included.
  [[nodiscard]] std::uint64_t heard_of(const std::string& node) const {
    const auto found = heard_.find(node);
    return found == heard_.end() ? 0 : found->second;
  }

 private:
  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }
  void take();
  void check(const client::ArrivedEvents& piece);

  client::ProducerOptions options_;
  Rules rules_;
  std::unique_ptr<client::ProducerCore> core_;
  client::ProducerEffects effects_;
  std::map<std::string, std::uint64_t> places_;  // by collector; kept over its own starts
  std::map<std::string, std::uint64_t> heard_;   // by node
  std::uint64_t missed_ = 0;                     // pieces that told of a loss, or of a new history
  std::uint64_t piece_max_ = 0;                  // events of one
  bool is_behind_ = false;
};

}  // namespace baozi::sim
