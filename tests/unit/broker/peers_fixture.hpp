/// \file peers_fixture.hpp
/// A broker that knows one other, which the test plays.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "base/rendezvous.hpp"
#include "broker_fixture.hpp"

namespace baozi::broker {

inline const std::string self = "tcp://a:7170";
inline const std::string other = "tcp://b:7170";

class BrokerPeers : public BrokerFixture {
 protected:
  BrokerPeers() {
    options.brokers = {self, other};
    options.address = self;
    options.outbox_id = make_uuid7(wall_time(9 * second), 7, 7);
    options.incarnation = Incarnation{11};
  }
  void open() {
    start();
    connect_producer();
    connect_worker(worker_a, 1, 100);
    connect_collector();
  }
  /// Where a key, or the limit of a name, is at home.
  [[nodiscard]] const std::string& home_of(const std::string& key) const {
    std::vector<std::uint64_t> hashes;
    for (const std::string& broker : options.brokers) hashes.push_back(base::key_hash(broker));
    return options.brokers[base::rendezvous(hashes, base::key_hash(key))];
  }
  /// A key that is at home at this endpoint.
  std::string key_at(const std::string& endpoint) {
    for (int i = 0;; ++i) {
      std::string key = "key " + std::to_string(i);
      if (home_of(key) == endpoint) return key;
    }
  }
  static Bytes option(wire::Option option, const std::string& value) {
    Bytes bytes;
    Writer packed{bytes};
    packed.map(1);
    packed.uinteger(static_cast<std::uint64_t>(option));
    packed.str(value);
    return bytes;
  }
  static Bytes list(const std::vector<Bytes>& tasks) {
    Bytes bytes;
    Writer packed{bytes};
    packed.array(tasks.size());
    for (const Bytes& one : tasks) packed.raw(one);
    return bytes;
  }
  Bytes ordered(const std::string& id, const std::string& endpoint) {
    return task(id, {}, option(wire::Option::ordering_key, key_at(endpoint)));
  }
  /// Runs a new task, whose success brings these.
  void succeed_with(const std::vector<Bytes>& follow_ups) {
    const std::string id = "parent " + std::to_string(++batches);
    submit(batches, {task(id)});
    commit();
    turn();
    const auto given = deliveries(*worker_a);
    ASSERT_EQ(given.size(), 1U);
    done(*worker_a, given[0].number, wire::TaskState::success, list(follow_ups));
  }
  std::size_t rows(store::Space space) const {
    return static_cast<std::size_t>(
        std::count_if(store.records.begin(), store.records.end(),
                      [&](const auto& record) { return record.first.first == space; }));
  }

  // ---- the other broker
  void connect_peer(std::uint64_t accepted = 0) {
    core->on_connected(actor::LinkId{0}, now, out);
    take_effects();
    ASSERT_FALSE(to_links.empty());
    wire::Hello hello;
    const auto frame = wire::open_frame(to_links.back().frame);
    ASSERT_EQ(frame->header.type, wire::Type::hello);
    ASSERT_TRUE(wire::decode(*frame, hello));
    EXPECT_EQ(hello.role, wire::Role::broker);
    peer_sees_origin = Uuid::from_bytes(hello.origin);
    to_links.clear();
    wire::Welcome welcome;
    welcome.nonce = hello.nonce;
    welcome.name = "b";
    welcome.incarnation = 3;
    welcome.epoch = 1;
    welcome.heartbeat_us = 2 * second;
    welcome.liveness_us = 10 * second;
    welcome.resume = wire::ProducerResume{accepted > 0, accepted, accepted};
    peer_session += 1;
    peer_sent = 0;
    core->on_frame(actor::LinkId{0}, wire::encode(peer_session, 0, welcome), now, out);
    turn();
  }
  /// The other broker's own connection, by which it passes tasks on to this one.
  void connect_broker(std::unique_ptr<TestPeer>& peer) {
    const Uuid id = make_uuid7(wall_time(11 * second), 8, 9);
    connect(peer, {.role = wire::Role::broker, .name = "b", .incarnation = 5, .origin = id.view()});
  }
  void hand_over(TestPeer& peer, std::uint64_t number, const Bytes& bytes) {
    wire::Submit message;
    message.number = number;
    message.origin = producer_id.view();
    message.home = "c";
    message.tasks.push_back(*wire::decode_task(bytes));
    say(peer, message);
    settle();
  }
  struct Submitted {
    std::uint64_t number;
    std::string id;
    std::string home;
    bool operator==(const Submitted&) const = default;
  };
  std::vector<Submitted> passed() {
    std::vector<Submitted> all;
    for (const auto& sent : to_links) {
      kept.push_back(sent.frame);
      const auto frame = wire::open_frame(kept.back());
      if (frame->header.type != wire::Type::submit) continue;
      wire::Submit message;
      EXPECT_TRUE(wire::decode(*frame, message));
      EXPECT_EQ(message.origin, producer_id.view()) << "its result is the parent's producer's";
      for (const wire::TaskView& one : message.tasks)
        all.push_back({message.number, one.id.to_id().to_string(), std::string{message.home}});
    }
    to_links.clear();
    return all;
  }
  void peer_says(const wire::Submitted& message) {
    core->on_frame(actor::LinkId{0}, wire::encode(peer_session, ++peer_sent, message), now, out);
    turn();
    commit();
  }
  void peer_refuses(std::uint64_t number, wire::Reason reason, std::string_view text) {
    peer_says({.upto = number - 1,
               .refusals = {{.number = number,
                             .code = wire::Refusal::rejected,
                             .tasks = {{.index = 0, .reason = reason, .text = text}}}}});
  }

  std::uint64_t batches = 0;
  std::uint64_t peer_session = 100;
  std::uint64_t peer_sent = 0;
  Uuid peer_sees_origin;
};

}  // namespace baozi::broker
