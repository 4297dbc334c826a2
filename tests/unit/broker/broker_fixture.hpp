/// \file broker_fixture.hpp
/// A broker core with a memory store that commits when the test says so, and peers that speak
/// frames.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "wire/codec.hpp"

namespace baozi::broker {

/// What is durable: survives the core.
struct TestStore {
  std::map<std::int64_t, Bytes> tasks;
  std::map<std::pair<store::Space, Bytes>, Bytes> records;

  void apply(const store::TaskBatch& batch) {
    for (const std::int64_t key : batch.erases) tasks.erase(key);
    for (const store::TaskRow& row : batch.puts) tasks[row.key] = row.rec;
    for (const store::Record& record : batch.records) {
      if (record.value) {
        records[{record.space, record.key}] = *record.value;
      } else {
        records.erase({record.space, record.key});
      }
    }
  }
  [[nodiscard]] Recovered recover() const {
    Recovered recovered;
    for (const auto& [key, value] : records) recovered.add({key.first, key.second, value});
    for (const auto& [key, rec] : tasks) {
      const std::int64_t prefix = key >> lane_shift;
      if (recovered.ranges.empty() || recovered.ranges.back().prefix != prefix) {
        recovered.ranges.push_back(
            {.prefix = prefix, .rows = 0, .bytes = 0, .key_min = key, .key_max = key});
      }
      ++recovered.ranges.back().rows;
      recovered.ranges.back().bytes += rec.size();
      recovered.ranges.back().key_max = key;
    }
    return recovered;
  }
};

/// A peer of the broker: remembers its session and what it was sent.
struct TestPeer {
  actor::PeerKey key{};
  std::uint64_t session = 0;
  std::uint64_t sent = 0;
  std::deque<Bytes> received;
};

class BrokerFixture : public testing::Test {
 protected:
  static constexpr std::int64_t second = 1'000'000;

  BrokerFixture() {
    options.heartbeats = {.interval_us = 2 * second, .liveness_us = 10 * second};
    options.reserve_bytes = 1000;
    now = {mono_time(1000 * second), wall_time(1'800'000'000 * second)};
  }

  void start() {
    core = std::make_unique<BrokerCore>(options, store.recover(), 1 + 1000 * ++starts, now);
    pending.clear();
    turn();
    commit();
  }
  /// kill -9: what was not committed is gone.
  void crash_and_start() {
    for (auto& [key, peer] : peers) peer->session = 0;
    start();
  }

  void turn() {
    core->turn(now, out);
    take_effects();
  }
  void take_effects() {
    for (auto& frame : out.net.to_peers) {
      if (const auto peer = peers.find(frame.peer); peer != peers.end()) {
        peer->second->received.push_back(std::move(frame.frame));
      }
    }
    for (auto& frame : out.net.to_links) to_links.push_back(std::move(frame));
    for (auto& opened : out.net.open_links) open_links.push_back(std::move(opened));
    for (std::string& warning : out.warnings) warnings.push_back(std::move(warning));
    for (auto& batch : out.commits) pending.push_back(std::move(batch));
    const auto loads = out.loads;
    const auto record_loads = out.record_loads;
    out.clear();
    if (reads_are_slow) return;
    for (const auto& load : record_loads) {
      commit();
      std::vector<store::Record> records;
      for (auto it = store.records.upper_bound({load.space, load.after});
           it != store.records.end() && it->first.first == load.space &&
           records.size() < load.rows_max;
           ++it) {
        records.push_back({load.space, it->first.second, it->second});
      }
      core->on_records(load.request, std::move(records), out);
      take_effects();
    }
    for (const auto& load : loads) {
      commit();  // a store reads after the commits that were asked before
      std::vector<store::TaskRow> rows;
      for (auto it = store.tasks.lower_bound(load.from);
           it != store.tasks.end() && it->first <= load.to && rows.size() < load.rows_max; ++it) {
        rows.push_back({it->first, it->second});
      }
      core->on_loaded(load.request, std::move(rows), now, out);
      take_effects();
    }
  }
  /// Everything handed over becomes durable.
  void commit() {
    while (!pending.empty()) {
      const store::TaskBatch batch = std::move(pending.front());
      pending.pop_front();
      store.apply(batch);
      core->on_persisted(batch.n, free_bytes, now, out);
      take_effects();
    }
  }
  /// Lets time pass in small steps, with turns and commits.
  void pass(std::int64_t us, std::int64_t step = 100'000) {
    for (std::int64_t t = 0; t < us; t += step) {
      now.mono += Micros{step};
      now.wall += Micros{step};
      keep_alive();
      turn();
      commit();
    }
  }
  void settle() { pass(100'000, 25'000); }

  TestPeer& connect(std::unique_ptr<TestPeer>& peer, wire::Hello hello) {
    if (peer != nullptr) peers.erase(peer->key);
    peer = std::make_unique<TestPeer>();
    peer->key = actor::PeerKey{++next_key};
    peers[peer->key] = peer.get();
    hello.nonce = ++nonce;
    core->on_frame(peer->key, wire::encode(0, 0, hello), now, out);
    turn();
    const auto welcome = next<wire::Welcome>(*peer, wire::Type::welcome);
    EXPECT_TRUE(welcome.has_value());
    return *peer;
  }
  TestPeer& connect_producer(const Uuid& id = make_uuid7(wall_time(5), 1, 2)) {
    producer_id = id;
    return connect(producer, {.role = wire::Role::producer,
                              .name = "p",
                              .incarnation = 7,
                              .origin = producer_id.view()});
  }
  TestPeer& connect_worker(std::unique_ptr<TestPeer>& worker, std::uint64_t incarnation,
                           std::uint64_t credit, std::vector<wire::HeldDelivery> holds = {},
                           std::uint32_t concurrency = 4) {
    const std::string name = "w" + std::to_string(incarnation);
    connect(worker, {.role = wire::Role::worker,
                     .name = name,
                     .incarnation = incarnation,
                     .queues = worker_queues,
                     .concurrency = concurrency,
                     .early = worker_early,
                     .limits = worker_limits,
                     .holds = std::move(holds)});
    commit();
    if (credit > 0)
      say(*worker,
          wire::Credit{.count = credit, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
    return *worker;
  }
  TestPeer& connect_collector() {
    return connect(collector, {.role = wire::Role::collector,
                               .name = "c",
                               .incarnation = 9,
                               .endpoints = {"tcp://127.0.0.1:1"}});
  }

  template <class Message>
  void say(TestPeer& peer, const Message& message) {
    core->on_frame(peer.key, wire::encode(peer.session, ++peer.sent, message), now, out);
    turn();
  }
  void keep_alive() {
    for (auto& [key, peer] : peers) {
      if (peer->session != 0)
        core->on_frame(key, wire::encode(peer->session, ++peer->sent, wire::Ping{}), now, out);
    }
  }
  void disconnect(std::unique_ptr<TestPeer>& peer) {
    peers.erase(peer->key);
    core->on_gone(peer->key, now);
    peer.reset();
  }

  /// The next frame of this type, skipping others; the views live until the next call.
  template <class Message>
  std::optional<Message> next(TestPeer& peer, wire::Type type) {
    while (!peer.received.empty()) {
      kept.push_back(std::move(peer.received.front()));
      peer.received.pop_front();
      auto frame = wire::open_frame(kept.back());
      EXPECT_TRUE(frame.has_value());
      if (frame->header.session != 0 && type == wire::Type::welcome)
        peer.session = frame->header.session;
      if (frame->header.type != type) continue;
      Message message;
      EXPECT_TRUE(wire::decode(*frame, message).has_value());
      return message;
    }
    return std::nullopt;
  }
  std::vector<wire::Delivery> deliveries(TestPeer& peer) {
    std::vector<wire::Delivery> all;
    while (const auto message = next<wire::Deliver>(peer, wire::Type::deliver)) {
      for (const auto& group : message->groups)
        all.insert(all.end(), group.deliveries.begin(), group.deliveries.end());
    }
    return all;
  }

  Bytes task(const std::string& id, std::string_view queue = {}, const Bytes& packed_options = {}) {
    Bytes bytes;
    Writer packed{bytes};
    wire::pack_task(packed, {false, id}, "c.add", queue, packed_options, "body");
    return bytes;
  }
  void submit(std::uint64_t number, const std::vector<Bytes>& tasks) {
    wire::Submit message;
    message.number = number;
    message.origin = producer_id.view();
    message.home = home;
    for (const Bytes& bytes : tasks) message.tasks.push_back(*wire::decode_task(bytes));
    say(*producer, message);
  }
  void done(TestPeer& worker, std::uint64_t number,
            wire::TaskState state = wire::TaskState::success, BytesView follow_ups = {}) {
    wire::Done message;
    message.first = 1;
    wire::Settlement entry;
    entry.number = number;
    entry.state = state;
    entry.raw_follow_ups = follow_ups;
    message.entries.push_back(entry);
    say(worker, message);
  }
  void expect_books_balance() {
    EXPECT_EQ(core->books().accepted, core->books().ended() + core->open_tasks());
    EXPECT_EQ(core->tasks_in_queues(), core->open_tasks());
  }

  // What the next worker says in its HELLO.
  std::vector<std::string_view> worker_queues;
  std::vector<std::string_view> worker_early;
  std::vector<wire::TaskLimit> worker_limits;
  BrokerOptions options;
  Now now;
  TestStore store;
  std::unique_ptr<BrokerCore> core;
  BrokerEffects out;
  std::deque<store::TaskBatch> pending;
  // To other brokers, and what an operator is told.
  std::vector<actor::NetEffects::ToLink> to_links;
  std::vector<actor::NetEffects::OpenLink> open_links;
  std::vector<std::string> warnings;
  std::deque<Bytes> kept;
  std::map<actor::PeerKey, TestPeer*> peers;
  std::unique_ptr<TestPeer> producer;
  std::unique_ptr<TestPeer> worker_a;
  std::unique_ptr<TestPeer> worker_b;
  std::unique_ptr<TestPeer> collector;
  Uuid producer_id;
  std::string home =
      "c";  ///< that the producer stamps into its batches; empty: it knows no collector
  std::uint64_t next_key = 0;
  std::uint64_t nonce = 0;
  std::uint64_t starts = 0;
  std::uint64_t free_bytes = 1 << 30;
  bool reads_are_slow = false;  // so slow that nothing is read any more
};

}  // namespace baozi::broker
