// Group commit: what changed since the last batch, and the answers that wait for it (delivery.md D9
// to D12).
#include <algorithm>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {
constexpr std::uint64_t sequence_block = 1U
                                         << 22U;  // sequences reserved ahead by one durable record
constexpr std::uint64_t commits_in_flight_max = 2;
constexpr std::size_t answers_exceptions_max = 5'000;
}  // namespace

void BrokerCore::touch(Now now) {
  if (open_dirty_) return;
  open_dirty_ = true;
  open_since_ = now.mono;
}

void BrokerCore::note_insert(Slot slot) { open_inserts_.push_back({slot, tasks_[slot].key}); }

void BrokerCore::note_update(Slot slot) {
  Task& task = tasks_[slot];
  touch(last_now_);
  if (task.dirty) return;
  task.dirty = true;
  open_updates_.push_back({slot, task.key});
}

void BrokerCore::note_erase(const Task& task) {
  touch(last_now_);
  if (task.position == open_) {
    ++counters_.cancelled_pairs;  // D12: its row was never written, and never will be
  } else {
    open_erases_.push_back(task.key);
    if (!loads_.empty()) {  // they may still bring the row: it is old by then
      gone_order_.push_back({loads_.rbegin()->first, task.key});
      gone_.insert(task.key);
    }
  }
}

void BrokerCore::note_record(store::Space space, Bytes key, std::optional<Bytes> value) {
  touch(last_now_);
  open_records_.push_back({space, std::move(key), std::move(value)});
}

void BrokerCore::commit_if_due(Now now, BrokerEffects& out) {
  if (!open_dirty_) return;
  // A task that nobody will take within the commit delay gains nothing by waiting for its DONE.
  if (!urgent_) {
    const std::uint64_t soon = std::max(delivered_before_, delivered_lately_) * 2;
    for (const SlotRef& ref : taken_this_turn_) {
      if (!alive(ref)) continue;
      const Task& task = tasks_[ref.slot];
      const bool waits =
          task.stage == Stage::scheduled || task.stage == Stage::paged ||
          task.stage == Stage::blocked ||
          (task.stage == Stage::ready && (task.home_chosen || queues_[task.queue].ready > soon));
      if (waits) {
        urgent_ = true;
        break;
      }
    }
  }
  taken_this_turn_.clear();
  if (in_flight_ >= commits_in_flight_max) return;
  const std::size_t rows = open_inserts_.size() + open_updates_.size() + open_erases_.size();
  const bool due = urgent_ || rows >= options_.commit_rows ||
                   now.mono - open_since_ >= Micros{options_.commit_delay_us};
  // While one commit is under way the next one gathers; a second is handed over only when it is
  // worth it.
  if (due && (in_flight_ == 0 || rows >= options_.commit_rows)) close_batch(now, out);
}

void BrokerCore::close_batch(Now now, BrokerEffects& out) {
  static_cast<void>(now);
  if (!open_dirty_) return;
  store::TaskBatch batch;
  batch.n = open_;
  batch.erases = std::move(open_erases_);
  const auto put = [&](const SlotRef& ref) {
    Task& task = tasks_[ref.slot];
    task.dirty = false;
    batch.puts.push_back({ref.key, pack_row(task, tasks_.origin(task.origin))});
  };
  batch.puts.reserve(open_inserts_.size());
  for (const SlotRef& ref : open_inserts_) {
    if (alive(ref) && tasks_[ref.slot].position == open_) put(ref);
  }
  const bool cancelled = batch.puts.size() < open_inserts_.size();
  for (const SlotRef& ref : open_updates_) {
    if (alive(ref) && tasks_[ref.slot].dirty) put(ref);
  }
  if (!peers_.empty()) close_outboxes();
  batch.records = std::move(open_records_);
  for (Producer* const producer : open_producers_) {
    producer->dirty = false;
    if (!rules_.d12_sequence_of_cancelled && cancelled) continue;  // the seeded bug
    Bytes row;
    Writer packed{row};
    packed.array(producer->of_broker ? 3 : 2);
    packed.uinteger(producer->accepted);
    packed.integer(producer->used_us);
    if (producer->of_broker) packed.boolean(true);
    batch.records.push_back({store::Space::producers, Bytes{producer->id.view()}, std::move(row)});
    producer->known = true;
  }
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    Queue& queue = queues_[number];
    if (!queue.changed) continue;
    queue.changed = false;
    Bytes row;
    Writer packed{row};
    packed.array(5);
    packed.str(QueueTable::key_of(queue));
    packed.uinteger(queue.timed);
    packed.uinteger(queue.bytes);
    packed.boolean(queue.paused);
    packed.uinteger(queue.purged_before);
    batch.records.push_back({store::Space::queues, key_bytes(number), std::move(row)});
  }
  if (sequence_ + sequence_block / 2 > sequence_reserved_) {
    sequence_reserved_ = sequence_ + sequence_block;
    batch.records.push_back({store::Space::meta, "sequence", key_bytes(sequence_reserved_)});
  }
  if (!(books_ == committed_books_)) {
    committed_books_ = books_;
    batch.records.push_back({store::Space::meta, "books", pack_books(books_)});
  }
  batch.records.push_back({store::Space::epochs, key_bytes(epoch_), key_bytes(open_)});
  out.commits.push_back(std::move(batch));
  open_erases_.clear();
  open_inserts_.clear();
  open_updates_.clear();
  open_records_.clear();
  open_producers_.clear();
  open_dirty_ = urgent_ = false;
  ++open_;
  ++in_flight_;
}

void BrokerCore::on_persisted(std::uint64_t n, std::uint64_t free_bytes, Now now,
                              BrokerEffects& out) {
  last_now_ = now;
  committed_ = std::max(committed_, n);
  in_flight_ = open_ - 1 - committed_;
  free_bytes_ = free_bytes;
  store_full_ = false;
  for (auto& peer : peers_) peer->outbox.on_persisted(committed_);
  leave_memory();
  send_marked();
  while (!ending_marks_.empty() && ending_marks_.front().n <= committed_) {
    const SlotRef ref = ending_marks_.front().task;
    ending_marks_.pop_front();
    if (alive(ref) && tasks_[ref.slot].stage == Stage::ending) {
      endings_ready_[tasks_.origin(tasks_[ref.slot].origin).home].push_back(ref);
    }
  }
  answer_committed(now, out);
}

void BrokerCore::on_store_full(Now now, BrokerEffects& out) {
  last_now_ = now;
  if (!store_full_)
    out.warnings.emplace_back("the store is full: new tasks are refused until there is space");
  store_full_ = true;
}

void BrokerCore::answer_committed(Now now, BrokerEffects& out) {
  static_cast<void>(now);
  if (!late_refusals_.empty()) refuse_late(out);
  std::vector<Producer*> confirmed;
  while (!confirms_.empty() && confirms_.front().n <= committed_) {
    const Confirm confirm = confirms_.front();
    confirms_.pop_front();
    confirm.producer->committed = std::max(confirm.producer->committed, confirm.number);
    if (std::find(confirmed.begin(), confirmed.end(), confirm.producer) == confirmed.end()) {
      confirmed.push_back(confirm.producer);
    }
  }
  for (Producer* const producer : confirmed) {
    if (actor::Session* const session = sessions_.find(producer->session)) {
      send(*session, wire::Submitted{.upto = producer->committed, .refusals = {}}, out);
    }
  }
  for (; !replies_.empty() && replies_.front().n <= committed_; replies_.pop_front()) {
    reply(replies_.front().session, replies_.front().request, replies_.front().payload, out);
  }
  for (auto& worker : workers_) {
    if (worker == nullptr || (worker->answers.empty() && worker->held.empty())) continue;
    actor::Session* const session = sessions_.find(worker->session);
    if (session == nullptr) continue;
    wire::DoneOk message;
    message.upto = worker->answered;
    std::erase_if(worker->held, [&](const Answer& entry) {
      if (entry.n > committed_) return false;
      message.exceptions.push_back(
          {entry.upto, entry.stale ? wire::Settled::stale : wire::Settled::ok});
      return true;
    });
    while (!worker->answers.empty() && message.exceptions.size() < answers_exceptions_max) {
      const Answer& first = worker->answers.front();
      if (first.n == blocked) {
        // An orphan may wait for long: those behind it are not made to wait, it is named instead.
        const auto behind = std::find_if(worker->answers.begin(), worker->answers.end(),
                                         [](const Answer& entry) { return entry.n != blocked; });
        if (behind == worker->answers.end() || behind->n > committed_) break;
        message.exceptions.push_back({first.upto, wire::Settled::held});
        worker->held.push_back(first);
      } else if (first.n > committed_) {
        break;
      } else if (first.stale) {
        message.exceptions.push_back({first.upto, wire::Settled::stale});
      }
      message.upto = first.upto;
      worker->answers.pop_front();
    }
    if (message.upto == worker->answered && message.exceptions.empty()) continue;
    worker->answered = message.upto;
    send(*session, message, out);
  }
}

}  // namespace baozi::broker
