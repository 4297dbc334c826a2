// A collector with a clock that a test moves, a store in a map, and peers that speak BZP/1 to it.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actor/link.hpp"
#include "collector/collector_core.hpp"

namespace baozi::collector::test {

using namespace std::chrono_literals;

inline TaskId id_of(int n) { return TaskId::from_text("task-" + std::to_string(n)); }
inline Bytes origin_of(char c) { return Bytes(16, c); }

inline Bytes record_of(int n, wire::TaskState state = wire::TaskState::success,
                       std::size_t body_bytes = 3) {
  Bytes bytes;
  Writer out{bytes};
  const TaskId id = id_of(n);
  const Bytes body(body_bytes, 'b');
  wire::pack_record(out, {.id = wire::view_of(id),
                          .name = "c.add",
                          .state = state,
                          .body = body,
                          .started_us = 1,
                          .finished_us = 2});
  return bytes;
}

struct Row {
  int task = 0;
  std::uint64_t number = 0;
  wire::TaskState state = wire::TaskState::success;
  std::size_t body_bytes = 3;
  Bytes follow_ups = {};
};

class CollectorTest : public testing::Test {
 protected:
  /// The connecting side of one peer.
  struct Peer {
    actor::PeerKey key{};
    wire::Hello hello;
    std::string name;
    Bytes origin;
    actor::Link link;
    std::vector<Bytes> got;  // every frame after WELCOME
    std::uint64_t entries = 0;
  };

  void start() {
    core_.emplace(options_, 7, rules_);
    core_->start(now_, out_);
  }

  Peer& connect(wire::Role role, std::string name, Bytes origin = {}, bool durable = false) {
    Peer& peer = peers_.emplace_back();
    peer.key = actor::PeerKey{next_key_++};
    peer.name = std::move(name);
    peer.origin = std::move(origin);
    peer.hello.role = role;
    peer.hello.name = peer.name;
    peer.hello.incarnation = 100 + next_key_;
    peer.hello.origin = peer.origin;
    peer.hello.durable_results = durable;
    core_->on_frame(peer.key, peer.link.greet(peer.hello, now_), now_, out_);
    turn();
    return peer;
  }

  template <class Message>
  void say(Peer& peer, const Message& message) {
    core_->on_frame(peer.key, peer.link.frame(message, now_), now_, out_);
    turn();
  }

  void report(Peer& worker, BytesView origin, const std::vector<Row>& rows) {
    std::vector<Bytes> records;
    records.reserve(rows.size());
    wire::ResultMessage message;
    message.first = worker.entries + 1;
    message.groups.push_back({.origin = origin, .worker = worker.name, .entries = {}});
    for (const Row& row : rows) {
      records.push_back(record_of(row.task, row.state, row.body_bytes));
      wire::ResultEntry& entry = message.groups[0].entries.emplace_back();
      entry.number = row.number;
      entry.record.raw = records.back();
      entry.raw_follow_ups = row.follow_ups;
    }
    worker.entries += rows.size();
    say(worker, message);
  }

  /// One turn of the loop, then what it sent is handed to the peers.
  void turn() {
    core_->turn(now_, out_);
    for (auto& [peer, frame] : out_.net.to_peers) {
      for (Peer& candidate : peers_) {
        if (candidate.key != peer) continue;
        wire::OpenFrame open{.header = {}, .reader = Reader{{}}, .fields = 0};
        if (candidate.link.on_frame(frame, now_, open) != actor::Link::Event::welcome)
          candidate.got.push_back(frame);
      }
    }
    out_.net.to_peers.clear();
    for (auto& [link, frame] : out_.net.to_links) to_brokers_.push_back(frame);
    out_.net.to_links.clear();
    for (auto& commit : out_.commits) commits_.push_back(std::move(commit));
    for (auto& find : out_.finds) finds_.push_back(std::move(find));
    for (auto& erase : out_.erases) erases_.push_back(std::move(erase));
    out_.commits.clear();
    out_.finds.clear();
    out_.erases.clear();
  }

  void pass(Micros time) {
    now_.mono += time;
    now_.wall += time;
    turn();
  }

  /// The store works off everything that it was asked for so far, commits first.
  void store_works() {
    while (!commits_.empty()) store_commits_one();
    while (!finds_.empty()) {
      const CollectorEffects::Find find = std::move(finds_.front());
      finds_.pop_front();
      std::vector<store::ResultRow> rows;
      for (const TaskId& id : find.ids) {
        if (const auto found = stored_.find(id); found != stored_.end())
          rows.push_back(found->second);
      }
      core_->on_found(find.request, std::move(rows), now_, out_);
      turn();
    }
    while (!erases_.empty()) {
      std::size_t erased = 0;
      for (const TaskId& id : erases_.front().ids) erased += stored_.erase(id);
      core_->on_erased(erases_.front().request, erased, now_, out_);
      erases_.pop_front();
      turn();
    }
  }

  void store_commits_one() {
    const CommitQueue::Commit commit = std::move(commits_.front());
    commits_.pop_front();
    std::vector<store::Loss> losses;
    for (std::size_t i = 0; i < commit.rows.size(); ++i) {
      const store::ResultRow& row = commit.rows[i];
      const auto [at, fresh] = stored_.try_emplace(row.id, row);
      if (fresh || (at->second.number == row.number && at->second.incarnation == row.incarnation))
        continue;
      losses.push_back({i, at->second});
    }
    core_->on_committed(commit.seq, std::move(losses), now_, out_);
    turn();
  }

  template <class Message>
  static std::vector<Message> of(const std::vector<Bytes>& frames, wire::Type type) {
    std::vector<Message> messages;
    for (const Bytes& bytes : frames) {
      auto frame = wire::open_frame(bytes);
      if (!frame || frame->header.type != type) continue;
      Message message;
      EXPECT_TRUE(wire::decode(*frame, message));
      messages.push_back(std::move(message));
    }
    return messages;
  }
  template <class Message>
  static std::vector<Message> of(const Peer& peer, wire::Type type) {
    return of<Message>(peer.got, type);
  }
  static std::vector<wire::Stored> stored(const Peer& peer) {
    return of<wire::Stored>(peer, wire::Type::stored);
  }
  static std::vector<wire::ErrorMessage> errors(const Peer& peer) {
    return of<wire::ErrorMessage>(peer, wire::Type::error);
  }
  struct Seen {
    std::string id;
    std::uint64_t number = 0;
    bool durable = false;
    std::string worker;
    std::size_t follow_up_bytes = 0;
  };
  static std::vector<Seen> seen(const Peer& peer) {
    std::vector<Seen> all;
    for (const auto& message : of<wire::ResultMessage>(peer, wire::Type::result)) {
      EXPECT_EQ(message.first, 0U);
      for (const auto& group : message.groups) {
        for (const auto& entry : group.entries) {
          all.push_back({entry.record.id.to_id().to_string(), entry.number,
                         (entry.flags & wire::flag::result_durable) != 0, std::string{group.worker},
                         entry.raw_follow_ups.size()});
        }
      }
    }
    return all;
  }

  CollectorOptions options_;
  Rules rules_;
  Now now_{mono_time(1'000'000), wall_time(1'700'000'000'000'000)};
  std::optional<CollectorCore> core_;
  CollectorEffects out_;
  std::deque<Peer> peers_;
  std::uint64_t next_key_ = 1;
  std::deque<CommitQueue::Commit> commits_;
  std::deque<CollectorEffects::Find> finds_;
  std::deque<CollectorEffects::Erase> erases_;
  std::map<TaskId, store::ResultRow> stored_;
  std::vector<Bytes> to_brokers_;
};

}  // namespace baozi::collector::test
