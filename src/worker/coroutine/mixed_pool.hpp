/// \file mixed_pool.hpp
/// MixedPool: functions in the slots of another pool, coroutines beside them.
#pragma once
#include <memory>

#include "worker/coroutine/coroutine_pool.hpp"
#include "worker/pool.hpp"

namespace baozi::worker {

class MixedPool final : public Pool {
 public:
  MixedPool(std::unique_ptr<Pool> slots, std::unique_ptr<CoroutinePool> coroutines)
      : slots_{std::move(slots)}, coroutines_{std::move(coroutines)} {}

  std::size_t submit(std::span<const Start> items) override;
  void take_events(PoolEvents& out) override;
  Cancelled cancel(Token token, bool interrupt) override;
  [[nodiscard]] std::size_t capacity() const override { return slots_->capacity(); }
  std::size_t resize(std::size_t slots) override { return slots_->resize(slots); }
  void restart() override;
  std::string reload() override { return slots_->reload(); }
  void abandon_reload() override { slots_->abandon_reload(); }
  [[nodiscard]] std::shared_ptr<const TaskTable> tasks() const override { return slots_->tasks(); }
  [[nodiscard]] std::vector<SlotStatus> status() const override { return slots_->status(); }
  [[nodiscard]] std::vector<SlotStatus> beside() const override { return coroutines_->status(); }
  [[nodiscard]] std::vector<ProcessStatus> processes_beside() const override {
    return coroutines_->processes();
  }
  Terminated terminate(Token token, int signal) override;
  void tick(MonoTime now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;
  [[nodiscard]] bool is_busy() const override {
    return slots_->is_busy() || coroutines_->is_busy();
  }
  [[nodiscard]] std::size_t in_hand() const override {
    return slots_->in_hand() + coroutines_->in_hand();
  }
  [[nodiscard]] std::size_t in_slots() const override { return slots_->in_hand(); }
  std::vector<Token> stop(StopMode mode) override;
  [[nodiscard]] int fd() const override { return slots_->fd(); }

 private:
  std::unique_ptr<Pool> slots_;
  std::unique_ptr<CoroutinePool> coroutines_;  // after the slots: it may use their fork server
};

}  // namespace baozi::worker
