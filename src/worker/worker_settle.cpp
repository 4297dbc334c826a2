// Results to collectors, settlements to brokers, and their answers (delivery.md D11, D18, D23).
#include <algorithm>

#include "wire/codec.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

void WorkerCore::send_result(Slot slot) {
  Held& held = table_[slot];
  if (held.home == nullptr) {
    // A task without a home was delivered because nobody wants its result (D20). What it has to
    // report all the same meets what other deliveries of it report at the home that the broker
    // chooses.
    if (held.ignore_result) return carry_result(slot);
    held.home = any_open_collector();
    if (held.home == nullptr) return homeless_.push_back(slot);
    ++held.home->users;
  }
  held.home->results.push(slot);
}

void WorkerCore::carry_result(Slot slot) {
  ++counters_.results_carried;
  table_[slot].carries_record = true;
  settle(slot);
}

void WorkerCore::settle(Slot slot) {
  Held& held = table_[slot];
  held.phase = Phase::settle;
  brokers_[held.broker]->settlements.push(slot);
}

void WorkerCore::count_settling(const Held& held, bool more) {
  if (more) {
    ++settling_;
    settling_bytes_ += held.bytes();
  } else {
    --settling_;
    settling_bytes_ -= held.bytes();
  }
}

void WorkerCore::on_stored(CollectorPeer& collector, wire::Stored& message, Now now,
                           WorkerEffects& out) {
  std::sort(message.losses.begin(), message.losses.end(),
            [](const auto& a, const auto& b) { return a.entry < b.entry; });
  const bool known =
      collector.results.on_stored(message, [&](Slot slot, const wire::ResultLoss* loss) {
        ++counters_.results_stored;
        if (loss == nullptr) return settle(slot);
        Held& held = table_[slot];
        if (loss->code == wire::Lost::refused) {
          ++counters_.results_refused;
          if (held.refused_once)
            return settle(slot);  // not even the FAILURE: the state alone must do
          held.refused_once = true;
          std::string why{"the collector refused the result"};
          if (!loss->text.empty()) why.append(": ").append(loss->text);
          replace_result(slot, why);
          return collector.results.push(slot);
        }
        ++counters_.results_lost;
        const auto winner = wire::decode_record(loss->record);
        if (!winner) {
          ++counters_.malformed;
        } else if (rules_.d18_winner_decides) {
          count_settling(held, false);
          held.state = winner->state;
          held.exhausted = winner->exhausted;
          held.record.assign(loss->record);
          held.follow_ups.assign(loss->raw_follow_ups);
          count_settling(held, true);
        }
        settle(slot);
      });
  if (!known) break_session({nullptr, &collector}, now, out);
}

void WorkerCore::replace_result(Slot slot, std::string_view why) {
  Held& held = table_[slot];
  count_settling(held, false);
  std::int64_t started_us = 0;
  std::int64_t finished_us = 0;
  if (const auto old = wire::decode_record(held.record)) {
    started_us = old->started_us;
    finished_us = old->finished_us;
  }
  held.state = wire::TaskState::failure;
  held.exhausted = false;
  held.follow_ups.clear();
  write_record(held, wire::pack_failure("ResultRefused", why, {}), started_us, finished_us);
  count_settling(held, true);
}

void WorkerCore::on_done_ok(BrokerPeer& broker, const wire::DoneOk& message, Now now,
                            WorkerEffects& out) {
  const bool known = broker.settlements.on_done_ok(message, [&](Slot slot, wire::Settled code) {
    ++(code == wire::Settled::stale ? counters_.stale : counters_.settled);
    forget(slot);
  });
  if (!known) break_session({&broker, nullptr}, now, out);
}

void WorkerCore::flush_broker(BrokerPeer& broker, Now now, WorkerEffects& out) {
  broker.flush_at.reset();
  counters_.settlements_sent += broker.settlements.unsent();
  broker.settlements.flush(
      table_, [&](const auto& message) { send(broker.id, broker.link, message, now, out); });
  if (!rules_.d11_done_answered) {
    broker.settlements.forget_sent([&](Slot slot, wire::Settled) { forget(slot); });
  }
  if (!credit_changed(broker)) return;
  broker.told = true;
  broker.told_ceiling = broker.ceiling;
  broker.told_returned = broker.returned;
  send(broker.id, broker.link,
       wire::Credit{.count = broker.ceiling,
                    .bytes = broker.bytes_ceiling,
                    .returned = broker.returned,
                    .returned_bytes = broker.returned_bytes},
       now, out);
}

void WorkerCore::forget(Slot slot) {
  Held& held = table_[slot];
  BrokerPeer& broker = *brokers_[held.broker];
  broker.numbers.erase(held.number);
  --broker.entries;
  if (held.home != nullptr && --held.home->users == 0 && !held.home->listed) {
    collectors_changed_ = true;
  }
  if (held.phase == Phase::result || held.phase == Phase::settle) count_settling(held, false);
  if (held.in_pool) {
    held.phase = Phase::zombie;  // its bytes are being read
    return;
  }
  table_.remove(slot);
}

}  // namespace baozi::worker
