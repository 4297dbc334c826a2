/// \file ticker_process.hpp
/// Beat in small: one of several processes that submit the same ticks, each with an id that is made
/// of the tick and counts until an instant (delivery.md D26). It does not remember what it sent: a
/// restart, and chance, bring ticks again.
#pragma once
#include <map>
#include <memory>

#include "client/producer_core.hpp"
#include "ledger.hpp"
#include "process.hpp"

namespace baozi::sim {

/// What all tickers agree on.
struct Ticks {
  PlanStyle style;
  std::uint32_t count = 0;    ///< 0: nobody ticks
  Micros period{300'000};     ///< tick n is due at n periods
  Micros horizon{5'000'000};  ///< its id counts so long after that
  std::uint32_t entries = 1;  ///< of the schedule: each has its home
};

class TickerProcess final : public Process {
 public:
  TickerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                client::ProducerOptions options, const Ticks& ticks, const Rules& rules);

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
  struct Sent {
    TaskId id;
    bool wants_result = false;
    bool is_there = false;  ///< it was told that there is such a task
    bool told_result = false;
  };
  void boot(Now now) override;
  void halt() override;
  void turn(Now now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override {
    return core_->next_deadline();
  }
  void plan_next();
  void submit(std::uint32_t tick);
  void tell();
  [[nodiscard]] bool owes_result() const;

  Ledger& ledger_;
  client::ProducerOptions options_;
  const Ticks ticks_;
  Rules rules_;
  std::unique_ptr<client::ProducerCore> core_;
  client::ProducerEffects effects_;
  std::uint32_t next_tick_ = 0;
  std::uint32_t repeats_left_ = 10;  // when all ticks are over
  std::uint64_t next_tag_ = 1;
  std::map<client::Tag, Sent> sent_;
};

}  // namespace baozi::sim
