/// \file beat_process.hpp
/// A beat with its core, in front of the same producer core as an App's: one of two with the same
/// entries. What it recorded survives a crash, unless the write was under way (docs/beat.md).
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "beat/beat_core.hpp"
#include "client/producer_core.hpp"
#include "ledger.hpp"
#include "process.hpp"
#include "ticker_process.hpp"

namespace baozi::sim {

class BeatProcess final : public Process {
 public:
  /// The entries have their ticks in the first `ticks.count` periods of the world.
  BeatProcess(World& world, Network& network, Ledger& ledger, std::string name,
              client::ProducerOptions options, const Ticks& ticks, const Rules& rules);

  void drain() override {}
  void on_connected(actor::LinkId link, Now now) override {
    producer_->on_connected(link, now, producer_effects_), tell(now);
  }
  void on_disconnected(actor::LinkId link, Now now) override {
    producer_->on_disconnected(link, now, producer_effects_), tell(now);
  }
  using Process::on_frame;
  void on_frame(actor::LinkId link, BytesView frame, Now now) override {
    producer_->on_frame(link, frame, now, producer_effects_), tell(now);
  }
  [[nodiscard]] bool is_idle() const override;
  [[nodiscard]] std::string busy_with() const override;
  /// No tick was lost: it was there, or refused as too old.
  void check_end() const;

 private:
  struct Sent {
    beat::EntryHandle entry{};
    Uuid id;
  };
  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;
  void submit(const beat::BeatEffects::Submit& submit, Now now);
  void tell(Now now);
  void there(const Sent& sent, Now now);

  Ledger& ledger_;
  client::ProducerOptions options_;
  const Ticks ticks_;
  Rules rules_;
  std::vector<beat::Entry> entries_;
  std::map<std::string, beat::EntryRecord> disk_;
  std::set<Uuid> answered_;  // ids whose fate it was told, in any of its lives
  beat::BeatCore beat_;
  beat::BeatEffects beat_effects_;
  std::unique_ptr<client::ProducerCore> producer_;
  client::ProducerEffects producer_effects_;
  std::map<client::Tag, Sent> sent_;
  std::uint64_t next_tag_ = 1;
};

}  // namespace baozi::sim
