/// \file beat_fixture.hpp
/// A BeatCore under a clock that is moved by hand, and a broker that answers as a test says.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "beat/beat_core.hpp"
#include "beat/schedule/instant.hpp"
#include "beat/tick_id.hpp"

namespace baozi::beat {

using namespace std::chrono_literals;

inline WallTime at(const std::string& text) { return *parse_instant(text); }

/// An entry named `name` from JSON: R"({"every": 3, "task": "t"})".
inline Entry entry_of(const std::string& name, const std::string& json) {
  Result<Entry> entry = Entry::parse(name, Value::from_json(json));
  if (!entry) throw std::runtime_error{entry.error().message};
  return *entry;
}

class BeatTest : public testing::Test {
 protected:
  enum class Broker { takes, refuses, is_away, is_silent };

  struct Sent {
    std::string entry;
    WallTime tick;
    Uuid id;
    WallTime when;
  };

  void SetUp() override { now = {mono_time(1'000'000'000), at("2026-01-01T00:00:00Z")}; }

  void load(const std::vector<Entry>& entries) {
    std::vector<store::StoredEntry> stored;
    for (const Entry& entry : entries) {
      stored.push_back({entry, kept[entry.name].record, requests[entry.name]});
      if (kept[entry.name].disable) stored.back().entry.enabled = false;
    }
    core.set_entries(std::move(stored), now);
    turn();
  }
  /// As a process that was killed and started anew: only what was recorded is left.
  void restart(const std::vector<Entry>& entries) {
    core = BeatCore{options};
    unanswered.clear();
    load(entries);
  }

  void turn() {
    for (bool again = true; again;) {
      core.turn(now, out);
      again = !out.submits.empty();
      for (const store::EntryProgress& progress : out.records) {
        kept[progress.name].record = progress.record;
        kept[progress.name].disable |= progress.disable;
      }
      for (const auto& watch : out.watches) watched.push_back(watch.task_id);
      for (const std::string& text : out.warnings) warnings.push_back(text);
      const std::vector<BeatEffects::Submit> submits = std::move(out.submits);
      out.clear();
      for (const auto& submit : submits) answer(submit);
    }
  }

  void answer(const BeatEffects::Submit& submit) {
    const Entry* const entry = core.find(submit.entry);
    ASSERT_NE(entry, nullptr);
    ++asked;
    switch (broker) {
      case Broker::takes:
        if (taken.insert(submit.id).second)
          sent.push_back({entry->name, submit.tick, submit.id, now.wall});
        handles[to_string(submit.id)] = submit.entry;
        return core.on_accepted(submit.entry, submit.id, now);
      case Broker::refuses: return core.on_refused(submit.entry, submit.id, "no", now);
      case Broker::is_away: return core.on_not_sent(submit.entry, submit.id, now);
      case Broker::is_silent: unanswered.push_back(submit);
    }
  }

  /// Time goes on; the core is woken when it asked for it, and never between.
  void run_for(Micros span) {
    const MonoTime end = now.mono + span;
    while (true) {
      const auto next = core.next_deadline(now);
      if (!next || *next > end) break;
      ++wakes;
      pass(std::max(*next - now.mono, Micros{0}));
      turn();
    }
    pass(end - now.mono);
    turn();
  }
  void pass(Micros span) {
    now.mono += span;
    now.wall += span;
  }
  void ended(const std::string& task_id) { core.on_ended(handles.at(task_id), task_id, now); }

  [[nodiscard]] std::vector<std::string> ticks(const std::string& entry = {}) const {
    std::vector<std::string> all;
    for (const Sent& one : sent) {
      if (entry.empty() || one.entry == entry) all.push_back(to_text(one.tick));
    }
    return all;
  }

  BeatOptions options{.name_space = beat_namespace("")};
  BeatCore core{options};
  Now now;
  BeatEffects out;
  Broker broker = Broker::takes;
  std::set<Uuid> taken;  // the broker's memory of ids (D26)
  std::vector<Sent> sent;
  std::vector<BeatEffects::Submit> unanswered;
  std::map<std::string, EntryHandle> handles;
  std::map<std::string, store::EntryProgress> kept;
  std::map<std::string, std::uint64_t> requests;
  std::vector<std::string> watched;
  std::vector<std::string> warnings;
  int asked = 0;
  int wakes = 0;
};

}  // namespace baozi::beat
