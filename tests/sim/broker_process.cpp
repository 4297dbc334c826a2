#include "broker_process.hpp"

#include <array>
#include <utility>

#include "broker/queue_table.hpp"

namespace baozi::sim {

BrokerProcess::BrokerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                             broker::BrokerOptions options, const Rules& rules)
    : Process{world, network, name, "sim://" + name},
      ledger_{ledger},
      options_{std::move(options)},
      rules_{rules},
      disk_{world, *this} {
  options_.name = name;
  disk_.on_stalled = [this] { post([this](Now now) { core_->on_store_full(now, effects_); }); };
}

std::uint64_t BrokerProcess::free_bytes() const {
  return disk_.full ? options_.reserve_bytes / 2 : std::uint64_t{1} << 40U;
}

void BrokerProcess::boot(Now now) {
  broker::Recovered recovered;
  for (std::size_t i = 0; i < store::space_count; ++i) {
    auto records = file_.records(static_cast<store::Space>(i));
    for (store::Record& record : *records) recovered.add(std::move(record));
  }
  recovered.ranges = *file_.count_by_prefix(broker::lane_shift);
  options_.incarnation = Incarnation{world_.chance.next()};
  if (!options_.brokers.empty())
    options_.outbox_id = make_uuid7(now.wall, world_.chance.next(), world_.chance.next());
  core_ = std::make_unique<broker::BrokerCore>(options_, recovered, world_.chance.next() >> 40U,
                                               now, rules_);
  ledger_.broker_started(*this);
  submits_ = excused_ = 0;
  reading_ = core_->is_reading_keys();
  dead_ = core_->books().dead;
  tasks_before_.clear();
  for (std::uint32_t number = 0; number < core_->queues().size(); ++number)
    tasks_before_[number] = core_->queues()[number].tasks();
}

void BrokerProcess::halt() {
  ledger_.broker_ended(*this);
  core_.reset();
  effects_.clear();
  disk_.crash();
}

void BrokerProcess::drain() {
  post([this](Now now) { core_->begin_drain(now); });
}

void BrokerProcess::turn(Now now) {
  core_->turn(now, effects_);
  check_books();
  check_limits();
  if (world_.logging) {
    for (const std::string& warning : effects_.warnings) world_.say(name(), "warns: " + warning);
  }
  perform(effects_.net);
  for (store::TaskBatch& batch : effects_.commits) {
    const auto shared = std::make_shared<store::TaskBatch>(std::move(batch));
    if (world_.logging) {
      world_.say(name(), "    commit " + std::to_string(shared->n) + ": " +
                             std::to_string(shared->puts.size()) + " puts, " +
                             std::to_string(shared->erases.size()) + " erases, " +
                             std::to_string(shared->records.size()) + " records");
    }
    disk_.commit(
        [this, shared] {
          if (world_.logging)
            world_.say(name(), "    commit " + std::to_string(shared->n) + " is on disk");
          const std::array batches{*shared};
          if (!file_.commit(batches)) world_.violation("the simulated file failed");
          check_file(*shared);
          ledger_.tasks_committed(*this, *shared);
        },
        [this, n = shared->n] {
          post([this, n](Now later) { core_->on_persisted(n, free_bytes(), later, effects_); });
        });
  }
  for (const broker::BrokerEffects::Load& load : effects_.loads) {
    disk_.request([this, load] {
      auto rows = std::make_shared<std::vector<store::TaskRow>>(
          *file_.load(load.from, load.to, load.rows_max, load.bytes_max));
      post([this, request = load.request, rows](Now later) {
        core_->on_loaded(request, std::move(*rows), later, effects_);
      });
    });
  }
  for (const broker::BrokerEffects::RecordLoad& load : effects_.record_loads) {
    disk_.request([this, load] {
      auto records = std::make_shared<std::vector<store::Record>>(
          *file_.records_after(load.space, load.after, load.rows_max));
      post([this, request = load.request, records](Now) {
        core_->on_records(request, std::move(*records), effects_);
      });
    });
  }
  effects_.clear();
  if (core_->is_drained() && disk_.is_idle()) end();
}

void BrokerProcess::check_file(const store::TaskBatch& batch) {
  broker::Books books;
  const auto records = file_.records(store::Space::meta);
  for (const store::Record& record : *records) {
    if (record.key == "books") books = broker::unpack_books(*record.value);
  }
  std::uint64_t rows = 0;
  const auto ranges = file_.count_by_prefix(broker::lane_shift);
  for (const store::PrefixCount& range : *ranges) rows += range.rows;
  if (books.accepted != books.ended() + rows) {
    world_.violation("D32: " + name() + "'s books do not add up with its rows after commit " +
                     std::to_string(batch.n) + ": accepted " + std::to_string(books.accepted) +
                     ", ended " + std::to_string(books.ended()) + ", rows " + std::to_string(rows));
  }
}

/// D25: what makes a queue grow that is at its hard limit is a producer's batch, which is taken
/// whole, or follow-ups that waited in vain or that a collector's word let in, or a dead letter
/// that is tried again.
void BrokerProcess::check_limits() {
  constexpr std::uint64_t follow_ups_most = 3;  // of one task
  const broker::BrokerCounters& counters = core_->counters();
  const std::uint64_t hard = options_.queue_defaults.tasks_hard();
  const bool submitted = counters.submits != submits_;
  const bool read = std::exchange(reading_, core_->is_reading_keys());
  const std::uint64_t excused =
      follow_ups_most * (counters.done_overdue + counters.winners + counters.carried);
  const std::uint64_t dead = core_->books().dead;
  const std::uint64_t more = excused - excused_ + dead_ - std::min(dead, dead_);
  submits_ = counters.submits;
  excused_ = excused;
  dead_ = dead;
  for (std::uint32_t number = 0; number < core_->queues().size(); ++number) {
    const std::uint64_t tasks = core_->queues()[number].tasks();
    std::uint64_t& before = tasks_before_[number];
    const std::uint64_t most =
        std::max(before, hard - 1 + follow_ups_most);  // it may have had room for a moment
    if (tasks > most + more && !submitted && !read) {
      world_.violation("D25: queue " + core_->queues()[number].name + " of " + name() +
                       " grows from " + std::to_string(before) + " to " + std::to_string(tasks) +
                       " tasks, its hard limit is " + std::to_string(hard));
    }
    before = tasks;
  }
}

void BrokerProcess::check_books() const {
  const broker::Books& books = core_->books();
  if (books.accepted != books.ended() + core_->open_tasks()) {
    world_.violation("D32: " + name() + "'s books: accepted " + std::to_string(books.accepted) +
                     ", ended " + std::to_string(books.ended()) + ", open " +
                     std::to_string(core_->open_tasks()));
  }
  if (core_->tasks_in_queues() != core_->open_tasks()) {
    world_.violation("D32: the queues of " + name() + " count " +
                     std::to_string(core_->tasks_in_queues()) + " tasks, open are " +
                     std::to_string(core_->open_tasks()));
  }
  const broker::BrokerCounters& counters = core_->counters();
  if (counters.books_mismatch != 0)
    world_.violation("D32: " + name() + "'s books did not add up at its start");
  if (counters.corrupt_rows != 0) world_.violation(name() + " finds a row that it cannot read");
}

bool BrokerProcess::is_idle() const {
  return core_ != nullptr && core_->open_tasks() == 0 && core_->tasks_for_peers() == 0 &&
         disk_.is_idle();
}

std::string BrokerProcess::busy_with() const {
  if (core_ == nullptr) return "it is down";
  return std::to_string(core_->open_tasks()) + " open tasks, " +
         std::to_string(core_->tasks_for_peers()) + " for other brokers" +
         (core_->is_holding() ? ", holding" : "");
}

}  // namespace baozi::sim
