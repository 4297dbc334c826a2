// Tasks with keys: their home broker, and duplicates (delivery.md D27).
#include "base/rendezvous.hpp"
#include "unit/client/producer_bench.hpp"

namespace baozi::client {
namespace {

class ProducerKeys : public ProducerBench {
 protected:
  void submit_keyed(std::uint64_t first, std::uint64_t last, std::string_view key,
                    bool unique = false) {
    TaskPile tasks = pile(first, last);
    for (Submission& task : tasks.tasks) {
      task.key_hash = base::key_hash(key);
      if (unique) task.unique_hash = task.key_hash;
    }
    core->submit(std::move(tasks), now, out);
    for (const Duplicate& one : out.duplicates) duplicates.push_back(one);
    turn();
  }
  /// A key that is at home at one of two brokers.
  std::string key_of(std::size_t broker) const {
    const std::vector<std::uint64_t> nodes{base::key_hash("tcp://a"), base::key_hash("tcp://b")};
    for (int i = 0;; ++i) {
      const std::string key = "key " + std::to_string(i);
      if (base::rendezvous(nodes, base::key_hash(key)) == broker) return key;
    }
  }
  void refuse_duplicate(std::uint64_t number, std::uint32_t index, const std::string& first) {
    Peer& peer = peers[broker_a];
    const wire::Submitted message{0,
                                  {{number,
                                    wire::Refusal::rejected,
                                    wire::Reason::none,
                                    0,
                                    0,
                                    {{index, wire::Reason::duplicate, first}}}}};
    const Bytes frame = wire::encode(peer.session, ++peer.sent, message);
    core->on_frame(broker_a, frame, now, out);
    for (const Duplicate& one : out.duplicates) duplicates.push_back(one);
    pump();
    turn();
  }
  std::vector<Duplicate> duplicates;
};

TEST_F(ProducerKeys, AKeyHasOneHomeAndItsTasksGoNowhereElse) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  open(broker_b);
  submit_keyed(1, 3, key_of(1));
  submit_keyed(4, 4, key_of(0));
  EXPECT_EQ(next_submit(broker_b).names, names(1, 3));
  EXPECT_EQ(next_submit(broker_a).names, names(4, 4));
}

TEST_F(ProducerKeys, WhileTheHomeIsAwayItsTasksWaitAndOthersGoOn) {
  options.terms.patience = 1s;
  options.terms.deadline = 60s;
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  submit_keyed(1, 2, key_of(1));
  submit(3, 3);
  EXPECT_EQ(next_submit(broker_a).names, names(3, 3));
  submitted(broker_a, 1);
  run_alive(20s, {broker_a});
  EXPECT_TRUE(failed.empty());
  open(broker_b);
  turn();
  EXPECT_EQ(next_submit(broker_b).names, names(1, 2));
}

TEST_F(ProducerKeys, TheirDeadlineEndsTheWaiting) {
  options.terms.deadline = 5s;
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  submit_keyed(1, 1, key_of(1));
  run_alive(6s, {broker_a});
  EXPECT_EQ(fate(1), Fate::not_sent);
  EXPECT_NE(failed.at(1).text.find("tcp://b"), std::string::npos);
}

TEST_F(ProducerKeys, WhatTheHomeRefusedIsNotGivenToAnother) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  open(broker_b);
  submit_keyed(1, 2, key_of(0));
  const SentSubmit first = next_submit(broker_a);
  refuse(broker_a, first.number, wire::Refusal::full, wire::Reason::queue_full);
  EXPECT_TRUE(next_submit(broker_b).names.empty());
  run_alive(3s, {broker_a, broker_b});
  EXPECT_EQ(next_submit(broker_a).names, names(1, 2));
  EXPECT_TRUE(next_submit(broker_b).names.empty());
}

TEST_F(ProducerKeys, NoBatchHoldsTwoTasksOfOneUniqueKey) {
  start();
  open(broker_a);
  submit_keyed(1, 2, "k", true);
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
  EXPECT_EQ(next_submit(broker_a).names, names(2, 2));
}

TEST_F(ProducerKeys, ADuplicateIsToldTheFirstAndWaitsForItsResult) {
  wants_results = true;
  start();
  const actor::LinkId collector = open_with_collector();
  submit_keyed(1, 2, "k");
  EXPECT_EQ(next_submit(broker_a).names, names(1, 2));
  const TaskId first = id_of_tag(77);
  refuse_duplicate(1, 0, first.to_string());
  ASSERT_EQ(duplicates.size(), 1u);
  EXPECT_EQ(static_cast<std::uint64_t>(duplicates[0].tag), 1u);
  EXPECT_EQ(duplicates[0].first, first);
  EXPECT_TRUE(duplicates[0].awaited);
  EXPECT_TRUE(failed.empty());
  const SentSubmit rest = next_submit(broker_a);  // under the same number
  EXPECT_EQ(rest.number, 1u);
  EXPECT_EQ(rest.names, names(2, 2));
  EXPECT_NE(std::find(peers[collector].received.begin(), peers[collector].received.end(),
                      wire::Type::watch),
            peers[collector].received.end());
  push_result(collector, first, "\x05");
  EXPECT_EQ(results.at(1), "\x05");
  submitted(broker_a, 1);
  EXPECT_TRUE(core->is_settled());
}

TEST_F(ProducerKeys, TheResultOfAnIdThatOthersMaySubmitIsAskedForByTheIdOnceItIsConfirmed) {
  wants_results = true;
  start();
  const actor::LinkId collector = open_with_collector();
  TaskPile tasks = pile(1, 1);
  tasks.tasks.front().once = true;
  core->submit(std::move(tasks), now, out);
  turn();
  const auto watches = [&] {
    const auto& received = peers[collector].received;
    return std::count(received.begin(), received.end(), wire::Type::watch);
  };
  EXPECT_EQ(watches(), 0);
  submitted(broker_a, 1);
  turn();
  EXPECT_EQ(watches(), 1);
  push_result(collector, id_of_tag(1), "\x05");
  EXPECT_EQ(results.at(1), "\x05");
  EXPECT_TRUE(core->is_settled());
}

TEST_F(ProducerKeys, ADuplicateOfItsOwnIdIsNoDoubtEvenAfterItsBrokerWasRestarted) {
  wants_results = true;
  start();
  const actor::LinkId collector = open_with_collector();
  submit_keyed(1, 1, "k");
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
  disconnect(broker_a);
  epoch = 2;
  open(broker_a, {false, 0, 0}, {{"c1", {"tcp://c1"}}});  // it may have been taken before
  turn();
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
  refuse_duplicate(1, 0, id_of_tag(1).to_string());
  ASSERT_EQ(duplicates.size(), 1u);
  EXPECT_EQ(duplicates[0].first, id_of_tag(1));
  EXPECT_TRUE(failed.empty());
  push_result(collector, id_of_tag(1), "\x05");
  EXPECT_EQ(results.at(1), "\x05");
  EXPECT_TRUE(core->is_settled());
}

}  // namespace
}  // namespace baozi::client
