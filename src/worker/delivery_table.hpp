/// \file delivery_table.hpp
/// Every delivery that a worker holds, from DELIVER until its settlement was answered. A slab:
/// entries never move while they live, and their strings keep their room for the next one, so that
/// a steady flow allocates nothing. Threading: owned by one core. The pool reads the task bytes of
/// a running entry; nobody writes them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "wire/message.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

struct CollectorPeer;
struct TaskFacts;
class TaskPolicies;
using Slot = std::uint32_t;

/// A state that a task reported while it runs (STARTED, PROGRESS, its own words).
struct ToldState {
  std::string state;
  Bytes meta;  ///< packed value
};

struct Held {
  enum class Phase : std::uint8_t {
    free,
    ready,    ///< queued here
    pooled,   ///< with the pool, started or not
    result,   ///< ended; its RESULT waits for STORED
    settle,   ///< its DONE or NACK waits for DONE_OK
    dropped,  ///< D3: given up unstarted while its broker was not heard
    zombie,   ///< forgotten by all but the pool, which still runs it
  };
  /// Why the pool was asked for it. What is stronger stands later.
  enum class Recall : std::uint8_t {
    none,
    again,  ///< to be started again, by what is registered by now
    hand_back,
    revoke,
  };

  // Where it came from.
  std::uint64_t number = 0;
  std::int64_t key = 0;
  std::uint64_t position = 0;
  std::uint32_t count = 1;
  std::uint32_t retries = 0;
  std::int64_t since_us = 0;
  std::uint32_t generation = 0;
  std::uint32_t broker = 0;
  CollectorPeer* home = nullptr;  ///< by name, or the one that its result was sent to
  Uuid origin{};
  bool has_origin = false;
  bool redelivered = false;
  bool alone = false;
  bool ignore_result = false;
  bool acks_early = false;
  bool coroutine = false;   ///< takes no slot of the pool
  bool start_owed = false;  ///< with the pool, and the event of its start is not told yet
  std::uint8_t priority = 4;
  std::int64_t expires_us = 0;  ///< 0: never

  // Where it stands.
  Phase phase = Phase::free;
  const TaskFacts* facts = nullptr;        ///< by which it was started; null before
  const TaskPolicies* policies = nullptr;  ///< they are of
  Recall recall = Recall::none;
  bool in_pool = false;
  bool revoked = false;
  bool refused_once = false;  ///< D23: its result was refused; a second refusal ends it without one
  bool is_nack = false;
  bool uncharged = false;       ///< of a NACK: not counted as a retry
  bool rate_granted = false;    ///< its turn under its rate limit has come
  bool resting = false;         ///< waits here for that turn
  bool carries_record = false;  ///< D23: DONE brings the result to the broker
  bool exhausted = false;
  wire::NackKind nack{};
  wire::TaskState state{};
  std::uint32_t incarnation = 0;  ///< of this slot; makes old tokens worthless
  std::uint64_t delay_us = 0;

  Bytes task;                       ///< `[id, name, queue, options, body]`
  Bytes record;                     ///< the packed result; of a NACK its reason
  Bytes follow_ups;                 ///< packed array of tasks, or empty
  std::uint32_t task_bytes = 0;     ///< as it was delivered; what credit counts
  std::unique_ptr<ToldState> told;  ///< what it said last of how far it is; most tasks say nothing

  [[nodiscard]] wire::IdView id() const { return {uuid_, part(id_at_, id_size_)}; }
  [[nodiscard]] std::string_view name() const { return part(name_at_, name_size_); }
  [[nodiscard]] std::string_view queue() const { return part(queue_at_, queue_size_); }
  [[nodiscard]] BytesView raw_options() const { return part(options_at_, options_size_); }
  [[nodiscard]] BytesView body() const { return part(body_at_, body_size_); }
  [[nodiscard]] BytesView origin_view() const { return has_origin ? origin.view() : BytesView{}; }
  [[nodiscard]] std::uint64_t bytes() const {
    return task.size() + record.size() + follow_ups.size();
  }

  void take_task(const wire::TaskView& view);
  /// Lets go of the arguments of a large task that has ended; id and name stay. Not while the pool
  /// reads it.
  void shed_body();

 private:
  [[nodiscard]] BytesView part(std::uint32_t at, std::uint32_t size) const {
    return BytesView{task}.substr(at, size);
  }
  bool uuid_ = true;
  std::uint32_t id_at_ = 0, id_size_ = 0, name_at_ = 0, name_size_ = 0, queue_at_ = 0,
                queue_size_ = 0;
  std::uint32_t options_at_ = 0, options_size_ = 0, body_at_ = 0, body_size_ = 0;
};

class DeliveryTable {
 public:
  /// A fresh entry in phase `ready`; everything else is as `Held` begins, strings empty.
  Slot add();
  void remove(Slot slot);
  /// It is to be handed over once more: its token up to now is worth nothing any more.
  void renew_token(Slot slot) { ++(*this)[slot].incarnation; }
  [[nodiscard]] Held& operator[](Slot slot) {
    return blocks_[slot / block_size][slot % block_size];
  }
  [[nodiscard]] const Held& operator[](Slot slot) const {
    return blocks_[slot / block_size][slot % block_size];
  }
  [[nodiscard]] Token token_of(Slot slot) const {
    return Token{std::uint64_t{(*this)[slot].incarnation} << 32U | slot};
  }
  [[nodiscard]] static Slot slot_of(Token token) {
    return static_cast<Slot>(static_cast<std::uint64_t>(token));
  }
  /// nullptr when that delivery has gone.
  [[nodiscard]] Held* find(Token token);
  [[nodiscard]] const Held* find(Token token) const {
    return const_cast<DeliveryTable*>(this)->find(token);
  }

  [[nodiscard]] std::size_t size() const { return used_ - free_.size(); }
  /// In the order of slots, which is the same in every run.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (Slot slot = 0; slot < used_; ++slot) {
      if (Held& held = (*this)[slot]; held.phase != Held::Phase::free) visit(slot, held);
    }
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (Slot slot = 0; slot < used_; ++slot) {
      if (const Held& held = (*this)[slot]; held.phase != Held::Phase::free) visit(slot, held);
    }
  }

 private:
  static constexpr std::size_t block_size = 64;
  std::vector<std::unique_ptr<Held[]>> blocks_;
  std::vector<Slot> free_;
  std::uint32_t used_ = 0;
};

}  // namespace baozi::worker
