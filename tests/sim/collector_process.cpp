#include "collector_process.hpp"

#include <utility>

namespace baozi::sim {

CollectorProcess::CollectorProcess(World& world, Network& network, Ledger& ledger, std::string name,
                                   collector::CollectorOptions options, const Rules& rules)
    : Process{world, network, name, "sim://" + name},
      ledger_{ledger},
      options_{std::move(options)},
      rules_{rules},
      disk_{world, *this} {
  options_.name = name;
  options_.endpoints = {endpoint()};
  disk_.report_each = true;
  disk_.on_stalled = [this] { post([this](Now) { core_->on_store_stalled(); }); };
  disk_.on_resumed = [this] { post([this](Now) { core_->on_store_resumed(); }); };
}

void CollectorProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  core_ = std::make_unique<collector::CollectorCore>(options_, world_.chance.next(), rules_);
  core_->start(now, effects_);
}

void CollectorProcess::halt() {
  core_.reset();
  effects_.clear();
  disk_.crash();
}

void CollectorProcess::drain() {
  post([this](Now now) { core_->drain(now, effects_); });
}

void CollectorProcess::turn(Now now) {
  core_->turn(now, effects_);
  perform(effects_.net);
  for (collector::CommitQueue::Commit& commit : effects_.commits) {
    const auto shared = std::make_shared<collector::CommitQueue::Commit>(std::move(commit));
    const auto losses = std::make_shared<std::vector<store::Loss>>();
    disk_.commit(
        [this, shared, losses] {
          auto done = file_.commit(shared->rows);
          if (!done) world_.violation("the simulated file failed");
          *losses = std::move(*done);
          if (world_.logging) {
            world_.say(name(), "    " + std::to_string(shared->rows.size()) +
                                   " results are on disk, " + std::to_string(losses->size()) +
                                   " lost");
          }
          ledger_.results_committed(*this, shared->rows, *losses);
        },
        [this, shared, losses] {
          post([this, shared, losses](Now later) {
            core_->on_committed(shared->seq, std::move(*losses), later, effects_);
          });
        });
  }
  for (collector::CollectorEffects::Find& find : effects_.finds) {
    disk_.request([this, find = std::move(find)] {
      auto rows = std::make_shared<std::vector<store::ResultRow>>(*file_.find(find.ids));
      post([this, request = find.request, rows](Now later) {
        core_->on_found(request, std::move(*rows), later, effects_);
      });
    });
  }
  for (collector::CollectorEffects::Erase& erase : effects_.erases) {
    disk_.request([this, erase = std::move(erase)] {
      const std::size_t erased = *file_.erase(erase.ids);
      post([this, request = erase.request, erased](Now later) {
        core_->on_erased(request, erased, later, effects_);
      });
    });
  }
  for (const collector::CollectorEffects::Expire& expire : effects_.expiries) {
    disk_.request([this, expire] {
      const store::Sweep sweep = *file_.expire(expire.finished_before_us, expire.rows_max);
      post([this, sweep](Now later) { core_->on_expired(sweep, later); });
    });
  }
  effects_.clear();
  if (core_->is_drained()) end();
}

}  // namespace baozi::sim
