#include "actor/peer_outbox.hpp"

#include <gtest/gtest.h>

#include "frames.hpp"

namespace baozi::actor {
namespace {

using actor_test::at;

/// The other broker, as far as an outbox can tell: takes exactly the next number of a producer.
struct Peer {
  std::uint64_t accepted = 0;
  std::uint64_t committed = 0;
  bool known = true;
  std::uint64_t session = 0;
  std::uint64_t sent = 0;
  std::vector<std::string> tasks;  ///< bodies, in the order in which they were accepted
};

class PeerOutboxTest : public testing::Test {
 protected:
  static constexpr LinkId link{3};

  PeerOutboxTest() { make(1); }

  void make(std::uint64_t next, std::int64_t shift = 0, std::uint64_t rows = 0) {
    PeerOutbox::Lane lane{.origin = make_uuid7(wall_time(1), 1, 2), .next = next, .shift = shift};
    outbox = std::make_unique<PeerOutbox>("tcp://b:7170", link, lane, limits, at(now_us));
    if (rows > 0) outbox->restore(next - rows, rows, rows * 100);
  }
  static OutboxRow row(const std::string& id) {
    OutboxRow made{.origin = Bytes(16, 'o'), .home = "c1", .task = {}, .since_us = 5};
    Writer out{made.task};
    wire::pack_task(out, {false, id}, "t.task", {}, {}, "body");
    return made;
  }
  /// Pushes one, and makes it durable.
  void give(const std::string& id) {
    OutboxRow made = row(id);
    const std::size_t bytes = pack_outbox_row(made).size();
    outbox->push(std::move(made), bytes);
    commit();
  }
  void commit() {
    outbox->closed(++n);
    outbox->on_persisted(n);
  }
  void turn() { outbox->turn(at(now_us), net); }

  void connect() {
    outbox->on_connected({.role = wire::Role::broker, .name = "a", .incarnation = 1}, at(now_us),
                         net);
    ASSERT_EQ(net.to_links.size(), 1U);
    const auto frame = wire::open_frame(net.to_links[0].frame);
    wire::Hello hello;
    ASSERT_TRUE(wire::decode(*frame, hello));
    EXPECT_EQ(hello.role, wire::Role::broker);
    origin = Bytes{hello.origin};
    net.clear();
    wire::Welcome welcome;
    welcome.nonce = hello.nonce;
    welcome.name = "b";
    welcome.incarnation = 2;
    welcome.epoch = 1;
    welcome.heartbeat_us = actor_test::heartbeat_us;
    welcome.liveness_us = actor_test::liveness_us;
    if (is_broker) welcome.resume = wire::ProducerResume{peer.known, peer.accepted, peer.committed};
    peer.session = ++sessions;
    peer.sent = 0;
    outbox->on_frame(wire::encode(peer.session, 0, welcome), at(now_us), net);
    turn();
  }
  /// What came by now: (number, id of the task).
  std::vector<std::pair<std::uint64_t, std::string>> submits() {
    std::vector<std::pair<std::uint64_t, std::string>> all;
    for (const NetEffects::ToLink& sent : net.to_links) {
      const auto frame = wire::open_frame(sent.frame);
      if (frame->header.type != wire::Type::submit) continue;
      wire::Submit message;
      EXPECT_TRUE(wire::decode(*frame, message));
      EXPECT_EQ(message.tasks.size(), 1U);
      EXPECT_EQ(message.home, "c1");
      EXPECT_EQ(message.origin, BytesView{Bytes(16, 'o')}) << "whose result it is";
      all.emplace_back(message.number, message.tasks[0].id.bytes);
    }
    net.clear();
    return all;
  }
  void answer(const wire::Submitted& message) {
    outbox->on_frame(wire::encode(peer.session, ++peer.sent, message), at(now_us), net);
    turn();
  }
  void confirm(std::uint64_t upto) { answer({.upto = upto, .refusals = {}}); }
  void refuse(std::uint64_t number, wire::Reason reason, std::string_view text) {
    answer({.upto = number - 1,
            .refusals = {{.number = number,
                          .code = wire::Refusal::rejected,
                          .tasks = {{.index = 0, .reason = reason, .text = text}}}}});
  }
  void full(std::uint64_t number) {
    answer({.upto = number - 1,
            .refusals = {{.number = number,
                          .code = wire::Refusal::full,
                          .reason = wire::Reason::queue_full,
                          .retry_after_us = 20'000}}});
  }

  using Submits = std::vector<std::pair<std::uint64_t, std::string>>;
  OutboxLimits limits;
  std::int64_t now_us = 0;
  std::unique_ptr<PeerOutbox> outbox;
  NetEffects net;
  Peer peer;
  Bytes origin;
  std::uint64_t n = 0;
  std::uint64_t sessions = 0;
  bool is_broker = true;
};

TEST_F(PeerOutboxTest, ARowIsPackedAndReadBack) {
  const OutboxRow made = row("x");
  const auto read = unpack_outbox_row(pack_outbox_row(made));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->origin, made.origin);
  EXPECT_EQ(read->home, made.home);
  EXPECT_EQ(read->task, made.task);
  EXPECT_EQ(read->since_us, made.since_us);
  const Bytes packed = pack_outbox_row(made);
  for (std::size_t cut = 0; cut < packed.size(); ++cut)
    EXPECT_FALSE(unpack_outbox_row(BytesView{packed}.substr(0, cut)));
  EXPECT_FALSE(unpack_outbox_row(packed + "x"));
}

TEST_F(PeerOutboxTest, SendsWhatIsDurableAndNothingElse) {
  connect();
  outbox->push(row("a"), 100);
  turn();
  EXPECT_EQ(submits(), Submits{});
  outbox->closed(1);
  outbox->push(row("b"), 100);
  outbox->on_persisted(1);
  turn();
  EXPECT_EQ(submits(), (Submits{{1, "a"}}));
  outbox->closed(2);
  outbox->on_persisted(2);
  turn();
  EXPECT_EQ(submits(), (Submits{{2, "b"}}));
  EXPECT_EQ(outbox->rows(), 2U);
  confirm(2);
  EXPECT_EQ(outbox->rows(), 0U);
  EXPECT_EQ(outbox->first(), 3U);
  EXPECT_EQ(outbox->bytes(), 0U);
}

TEST_F(PeerOutboxTest, AfterALostSessionWhatThePeerHasIsNotSentAgain) {
  for (const char* id : {"a", "b", "c"}) give(id);
  connect();
  EXPECT_EQ(submits().size(), 3U);
  outbox->on_disconnected(at(now_us), net);
  EXPECT_EQ(net.reset_links, std::vector<LinkId>{link});
  EXPECT_FALSE(outbox->is_open());
  net.clear();
  peer.accepted = 2;  // the third one was lost with the connection
  peer.committed = 1;
  connect();
  EXPECT_EQ(submits(), (Submits{{3, "c"}}));
  EXPECT_EQ(outbox->rows(), 2U);
  EXPECT_EQ(outbox->counters().resent, 1U);
  confirm(3);
  EXPECT_EQ(outbox->rows(), 0U);
}

TEST_F(PeerOutboxTest, AfterARestartTheRowsAreReadAndSentUnderTheirNumbers) {
  make(12, 4, 2);  // rows 10 and 11, numbers 6 and 7
  peer.accepted = peer.committed = 6;
  const auto load = outbox->load();
  ASSERT_TRUE(load);
  EXPECT_EQ(load->after, 9U);
  connect();
  EXPECT_EQ(submits(), Submits{}) << "not read yet";
  std::vector<std::pair<std::uint64_t, Bytes>> stored;
  for (const std::uint64_t i : {10U, 11U}) stored.emplace_back(i, pack_outbox_row(row("x")));
  ASSERT_TRUE(outbox->on_loaded(std::move(stored)));
  turn();
  EXPECT_EQ(submits(), (Submits{{7, "x"}}));
  EXPECT_EQ(outbox->first(), 11U) << "the peer has the other one";
}

TEST_F(PeerOutboxTest, ReadsInPiecesAndKeepsNoMoreInMemoryThanItMay) {
  limits.memory_rows = limits.window_rows = 2;
  make(6, 0, 5);
  std::vector<std::pair<std::uint64_t, Bytes>> stored;
  for (std::uint64_t i = 1; i <= 5; ++i)
    stored.emplace_back(i, pack_outbox_row(row(std::to_string(i))));
  connect();
  std::uint64_t confirmed = 0;
  Submits all;
  for (int round = 0; round < 20 && confirmed < 5; ++round) {
    if (const auto load = outbox->load()) {
      EXPECT_FALSE(outbox->load()) << "one at a time";
      std::vector<std::pair<std::uint64_t, Bytes>> some;
      for (const auto& one : stored) {
        if (one.first > load->after && some.size() < std::min<std::size_t>(load->rows_max, 2))
          some.push_back(one);
      }
      ASSERT_TRUE(outbox->on_loaded(std::move(some)));
    }
    turn();
    for (auto& sent : submits()) all.push_back(sent);
    if (all.size() > confirmed) confirm(confirmed = all.size());
    for (auto& sent : submits()) all.push_back(sent);
  }
  EXPECT_EQ(all, (Submits{{1, "1"}, {2, "2"}, {3, "3"}, {4, "4"}, {5, "5"}}));
  EXPECT_EQ(outbox->rows(), 0U);
}

TEST_F(PeerOutboxTest, RowsThatAreNotWhereTheyShouldBeStopTheLane) {
  make(3, 0, 2);
  connect();
  ASSERT_TRUE(outbox->load());
  std::vector<std::pair<std::uint64_t, Bytes>> wrong;
  wrong.emplace_back(2, pack_outbox_row(row("2")));
  EXPECT_FALSE(outbox->on_loaded(std::move(wrong)));
  turn();
  EXPECT_EQ(submits(), Submits{});
  EXPECT_FALSE(outbox->load());
  EXPECT_EQ(outbox->rows(), 2U) << "they are kept";
}

TEST_F(PeerOutboxTest, WaitsWhileThePeerHasNoRoomAndThenAsksWithOne) {
  for (const char* id : {"a", "b", "c"}) give(id);
  connect();
  EXPECT_EQ(submits().size(), 3U);
  full(1);
  for (const std::uint64_t number : {2U, 3U})
    answer(
        {.upto = 0,
         .refusals = {{.number = number, .code = wire::Refusal::out_of_sequence, .expected = 1}}});
  EXPECT_TRUE(outbox->is_refused());
  EXPECT_EQ(submits(), Submits{});
  ASSERT_TRUE(outbox->next_deadline());
  now_us += 20'000;
  EXPECT_LE(*outbox->next_deadline(), at(now_us).mono);
  turn();
  EXPECT_EQ(submits(), (Submits{{1, "a"}}));
  confirm(1);
  EXPECT_EQ(submits(), (Submits{{2, "b"}, {3, "c"}}));
  EXPECT_FALSE(outbox->is_refused());
}

TEST_F(PeerOutboxTest, ARefusalForGoodLeavesAtTheFrontAndItsNumberGoesToTheNext) {
  for (const char* id : {"a", "b", "c"}) give(id);
  connect();
  EXPECT_EQ(submits().size(), 3U);
  // The first is accepted and not committed yet, so the second cannot leave now.
  answer({.upto = 0,
          .refusals = {
              {.number = 2,
               .code = wire::Refusal::rejected,
               .tasks = {{.index = 0, .reason = wire::Reason::too_large, .text = "too large"}}}}});
  EXPECT_TRUE(outbox->take_refused().empty());
  confirm(1);
  EXPECT_EQ(submits(), (Submits{{2, "b"}, {3, "c"}}));
  refuse(2, wire::Reason::too_large, "too large");
  const auto refused = outbox->take_refused();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].text, "too large");
  EXPECT_EQ(refused[0].reason, wire::Reason::too_large);
  EXPECT_EQ(wire::decode_task(refused[0].row.task)->id.bytes, "b");
  EXPECT_EQ(outbox->first(), 3U);
  EXPECT_TRUE(outbox->is_lane_dirty());
  turn();
  EXPECT_EQ(submits(), Submits{}) << "a crash would give the number to another row";
  commit();
  turn();
  EXPECT_EQ(submits(), (Submits{{2, "c"}}));
  EXPECT_EQ(outbox->lane().shift, 1);
}

TEST_F(PeerOutboxTest, WhatThePeerCannotReadIsRefusedAndHoldsUpNobody) {
  for (const char* id : {"a", "b", "c", "d"}) give(id);
  connect();
  const auto frames = [&] {
    std::vector<std::uint64_t> all;
    for (const auto& sent : net.to_links) all.push_back(wire::open_frame(sent.frame)->header.seq);
    return all;
  };
  const auto first = frames();
  ASSERT_EQ(submits().size(), 4U);
  const auto cannot_read = [&](std::uint64_t about) {
    outbox->on_frame(wire::encode(peer.session, 0,
                                  wire::ErrorMessage{.code = wire::ErrorCode::malformed,
                                                     .text = "SUBMIT: a task has six fields",
                                                     .about = about}),
                     at(now_us), net);
    turn();
  };
  cannot_read(first[1]);
  cannot_read(first[2]);
  EXPECT_TRUE(outbox->take_refused().empty()) << "the first one is not confirmed yet";
  confirm(1);
  auto refused = outbox->take_refused();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(wire::decode_task(refused[0].row.task)->id.bytes, "b");
  EXPECT_EQ(refused[0].text, "SUBMIT: a task has six fields");
  answer({.upto = 1,
          .refusals = {{.number = 4, .code = wire::Refusal::out_of_sequence, .expected = 2}}});
  EXPECT_EQ(submits(), Submits{});
  commit();
  turn();
  const auto second = frames();
  EXPECT_EQ(submits(), (Submits{{2, "c"}}));
  cannot_read(first[2]);  // of the frame before: it says nothing of this one
  EXPECT_TRUE(outbox->take_refused().empty());
  ASSERT_EQ(second.size(), 1U);
  cannot_read(second[0]);
  EXPECT_EQ(outbox->take_refused().size(), 1U);
  commit();
  turn();
  EXPECT_EQ(submits(), (Submits{{2, "d"}}));
  confirm(2);
  EXPECT_EQ(outbox->rows(), 0U);
}

TEST_F(PeerOutboxTest, APeerThatHasForgottenGetsWhatStillWaitsUnderItsNextNumbers) {
  for (const char* id : {"a", "b"}) give(id);
  connect();
  submits();
  confirm(1);
  outbox->on_disconnected(at(now_us), net);
  net.clear();
  peer = {.known = false};  // its store is a new one
  connect();
  EXPECT_EQ(submits(), Submits{});
  commit();
  turn();
  EXPECT_EQ(submits(), (Submits{{1, "b"}}));
  EXPECT_EQ(outbox->counters().renumbered, 1U);
}

TEST_F(PeerOutboxTest, APeerThatTookMoreThanWeKnowLosesNothingOfOurs) {
  give("a");  // in a store that was put back to an earlier day
  peer.accepted = peer.committed = 7;
  connect();
  commit();
  turn();
  EXPECT_EQ(submits(), (Submits{{8, "a"}}));
}

TEST_F(PeerOutboxTest, IsFullAtItsCapsAndNotBefore) {
  limits.rows_max = 2;
  make(1);
  give("a");
  EXPECT_FALSE(outbox->is_full());
  give("b");
  EXPECT_TRUE(outbox->is_full());
  limits = {};
  limits.bytes_max = 150;
  make(1);
  outbox->push(row("a"), 100);
  EXPECT_FALSE(outbox->is_full());
  outbox->push(row("b"), 100);
  EXPECT_TRUE(outbox->is_full());
}

TEST_F(PeerOutboxTest, AGoodbyeEndsTheSendingUntilItIsBack) {
  connect();
  outbox->on_frame(wire::encode(peer.session, ++peer.sent, wire::Goodbye{.reason = "draining"}),
                   at(now_us), net);
  give("a");
  turn();
  EXPECT_EQ(submits(), Submits{});
  EXPECT_FALSE(outbox->is_open());
  outbox->on_disconnected(at(now_us), net);
  net.clear();
  connect();
  EXPECT_EQ(submits(), (Submits{{1, "a"}}));
}

TEST_F(PeerOutboxTest, WhoIsNoBrokerGetsNothing) {
  give("a");
  is_broker = false;
  connect();
  EXPECT_EQ(submits(), Submits{});
  EXPECT_FALSE(outbox->is_open());
  EXPECT_EQ(outbox->trouble(), "it is no broker");
  EXPECT_EQ(outbox->rows(), 1U);
  EXPECT_FALSE(outbox->is_lane_dirty());
}

TEST_F(PeerOutboxTest, ASilentPeerIsGivenUpAndGreetedAnew) {
  connect();
  now_us += static_cast<std::int64_t>(actor_test::liveness_us);
  turn();
  EXPECT_EQ(net.reset_links, std::vector<LinkId>{link});
  EXPECT_FALSE(outbox->is_open());
}

}  // namespace
}  // namespace baozi::actor
