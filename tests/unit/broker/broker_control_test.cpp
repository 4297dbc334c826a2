// Remote control: questions to workers, pauses, revocations that last, labels.
#include <baozi/value.hpp>

#include "broker/labels.hpp"
#include "broker_fixture.hpp"

namespace baozi::broker {
namespace {

class BrokerControl : public BrokerFixture {
 protected:
  void ask(TestPeer& peer, std::string_view command, const Value& arguments = Value::object()) {
    const Bytes packed = pack(arguments);
    say(peer, wire::Control{.request = ++request, .command = command, .arguments = packed});
  }
  /// The next REPLY; its code must be `code`.
  Value reply(TestPeer& peer, std::uint64_t code = 0) {
    const auto message = next<wire::Reply>(peer, wire::Type::reply);
    if (!message) return "there is no reply";
    EXPECT_EQ(message->request, request);
    EXPECT_EQ(message->code, code);
    return unpack<Value>(message->payload);
  }
  TestPeer& connect_labelled(std::unique_ptr<TestPeer>& worker, std::uint64_t incarnation,
                             std::vector<std::string_view> labels) {
    connect(worker, {.role = wire::Role::worker,
                     .name = "w",
                     .incarnation = incarnation,
                     .concurrency = 4,
                     .labels = std::move(labels)});
    commit();
    say(*worker, wire::Credit{.count = 10, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
    return *worker;
  }
  Bytes labelled_task(const std::string& id, const std::vector<std::string>& labels) {
    Bytes map;
    Writer packed{map};
    packed.map(1);
    packed.uinteger(static_cast<std::uint64_t>(wire::Option::labels));
    packed.array(labels.size());
    for (const std::string& label : labels) packed.str(label);
    return task(id, {}, map);
  }
  Value queue_row(std::string_view name, bool labelled) {
    ask(*producer, "queues");
    const Value queues = reply(*producer);
    for (const Value& row : queues.as_array()) {
      if (row.at("name").as_string() == name && (row.find("labels") != nullptr) == labelled)
        return row;
    }
    return {};
  }
  void revoke(const std::string& id, std::uint64_t flags = 0, std::string_view signal = {}) {
    wire::Revoke message;
    message.request = ++request;
    message.flags = flags;
    message.ids.push_back({false, id});
    message.signal = signal;
    say(*producer, message);
  }
  void stored(TestPeer& peer) {
    const auto result = next<wire::ResultMessage>(peer, wire::Type::result);
    ASSERT_TRUE(result.has_value());
    say(peer, wire::Stored{.upto = result->first, .losses = {}});
  }

  std::uint64_t request = 0;
};

TEST_F(BrokerControl, ItSaysWhereTasksStandInMemoryAndOnDisk) {
  options.window_tasks = 2;
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 1);
  Bytes later;
  Writer packed{later};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::eta));
  const std::int64_t eta_us = micros(now.wall) + 3'600 * second;
  packed.integer(eta_us);
  submit(1, {task("out"), task("waits"), task("waits-2"), task("on-disk"), task("on-disk-2"),
             task("later", {}, later)});
  settle();
  ASSERT_EQ(deliveries(*worker_a).size(), 1u);
  ask(*producer, "query_task",
      Value::object({{"ids", Value::array({"out", "waits", "on-disk-2", "later", "nonsense"})}}));
  settle();
  const Value found = reply(*producer);
  ASSERT_EQ(found.size(), 4u) << found.to_json();
  const auto state = [&](const char* id) { return found.at(id).at(std::size_t{0}).as_string(); };
  EXPECT_EQ(state("out"), "leased");
  EXPECT_EQ(found.at("out").at(1).at("worker"), Value{"w1"});
  EXPECT_EQ(state("waits"), "queued");
  EXPECT_EQ(state("on-disk-2"), "queued");
  EXPECT_EQ(found.at("on-disk-2").at(1).at("id"), Value{"on-disk-2"});
  EXPECT_EQ(found.at("on-disk-2").at(1).at("delivery_info").at("routing_key"), Value{"default"});
  EXPECT_EQ(state("later"), "scheduled");
  EXPECT_EQ(found.at("later").at(1).at("eta_us").to<std::int64_t>(), eta_us);
  connect_worker(worker_b, 2, 10);  // nothing was moved by the question
  settle();
  EXPECT_EQ(deliveries(*worker_b).size(), 4u);
  ask(*producer, "query_task", Value::object({{"ids", Value::array()}}));
  EXPECT_EQ(reply(*producer).size(), 0u);
}

TEST_F(BrokerControl, QuestionsForTasksAreBounded) {
  start();
  connect_producer();
  Value::Array many(501, Value{"x"});
  ask(*producer, "query_task", Value::object({{"ids", Value{many}}}));
  EXPECT_EQ(reply(*producer, static_cast<std::uint64_t>(wire::ErrorCode::too_large)),
            Value{"more than 500 ids"});
}

TEST_F(BrokerControl, TaskEventsAreSwitchedOnAndOff) {
  start();
  connect_producer();
  ask(*producer, "events.enable");
  EXPECT_EQ(reply(*producer), Value::object({{"changed", true}, {"task_events", true}}));
  EXPECT_TRUE(core->has_task_events());
  ask(*producer, "events.enable");
  EXPECT_EQ(reply(*producer), Value::object({{"changed", false}, {"task_events", true}}));
  ask(*producer, "events.disable");
  EXPECT_EQ(reply(*producer), Value::object({{"changed", true}, {"task_events", false}}));
  EXPECT_FALSE(core->has_task_events());
}

TEST_F(BrokerControl, AProducerThatOnlySaidHelloIsNotRemembered) {
  start();
  connect_producer();
  submit(1, {task("a")});
  const auto remembered = [&] {
    ask(*producer, "status");
    return reply(*producer).at("kept").at("producers").to<int>();
  };
  const Uuid other = make_uuid7(wall_time(6), 3, 4);
  std::unique_ptr<TestPeer> visitor;
  connect(
      visitor,
      {.role = wire::Role::producer, .name = "visitor", .incarnation = 8, .origin = other.view()});
  std::unique_ptr<TestPeer> twin;  // takes the id over, and leaves; the first one still talks
  connect(twin,
          {.role = wire::Role::producer, .name = "twin", .incarnation = 9, .origin = other.view()});
  EXPECT_EQ(remembered(), 2);
  disconnect(twin);
  pass(2'000'000);
  EXPECT_EQ(remembered(), 1);
  say(*visitor,
      wire::Submit{.number = 1, .origin = other.view(), .home = {}, .flags = 0, .tasks = {}});
  EXPECT_TRUE(next<wire::ErrorMessage>(*visitor, wire::Type::error).has_value());
  EXPECT_EQ(remembered(), 1);
}

TEST_F(BrokerControl, AQuestionToTheWorkersNamesEveryoneThatMustAnswer) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 0);
  connect_worker(worker_b, 2, 0);
  disconnect(worker_b);
  ask(*producer, "inspect.ping");
  const auto asked = next<wire::Control>(*worker_a, wire::Type::control);
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->command, "inspect.ping");
  Bytes pong;
  Writer{pong}.str("pong");
  say(*worker_a, wire::Reply{.request = asked->request, .code = 0, .payload = pong});
  EXPECT_FALSE(next<wire::Reply>(*producer, wire::Type::reply).has_value());
  pass(1'100'000);
  const Value answer = reply(*producer);
  ASSERT_EQ(answer.at("workers").size(), 2u);
  EXPECT_EQ(answer.at("workers").at(std::size_t{0}).at("answer").as_string(), "pong");
  EXPECT_EQ(answer.at("workers").at(std::size_t{1}).at("silent").as_string(),
            "it is not connected");
}

TEST_F(BrokerControl, ADestinationIsANameOrAPattern) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 0);
  connect_worker(worker_b, 2, 0);
  ask(*producer, "worker.pool_grow",
      Value::object(
          {{"n", 2}, {"destination", Value::array({"w[2-9]", "nobody"})}, {"timeout_us", 50'000}}));
  EXPECT_FALSE(next<wire::Control>(*worker_a, wire::Type::control).has_value());
  const auto asked = next<wire::Control>(*worker_b, wire::Type::control);
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(unpack<Value>(asked->arguments).at("n"), Value{2});
  pass(100'000);
  const Value answer = reply(*producer);
  ASSERT_EQ(answer.at("workers").size(), 1u);
  EXPECT_EQ(answer.at("workers").at(std::size_t{0}).at("name").as_string(), "w2");
  EXPECT_EQ(answer.at("missing"), Value::array({"nobody"}));
}

TEST_F(BrokerControl, AnIncarnationThatWasReplacedIsNotWaitedFor) {
  start();
  connect_producer();
  connect(worker_a, {.role = wire::Role::worker, .name = "w", .incarnation = 1, .concurrency = 1});
  disconnect(worker_a);
  connect(worker_b, {.role = wire::Role::worker, .name = "w", .incarnation = 2, .concurrency = 1});
  ask(*producer, "inspect.ping", Value::object({{"timeout_us", 1'000}}));
  pass(100'000);
  EXPECT_EQ(reply(*producer).at("workers").size(), 1u);
}

TEST_F(BrokerControl, AWorkerThatIsTakenForLostIsNamedAsSilentUntilItIsBackOrForgotten) {
  start();
  connect_producer();
  connect(worker_a, {.role = wire::Role::worker, .name = "w", .incarnation = 1, .concurrency = 1});
  disconnect(worker_a);
  pass(60'000'000);
  const auto asked = [&] {
    ask(*producer, "inspect.ping", Value::object({{"destination", Value::array({"w"})}}));
    return reply(*producer);  // at once: there is nobody to wait for
  };
  const Value answer = asked();
  ASSERT_EQ(answer.at("workers").size(), 1u);
  EXPECT_EQ(answer.at("workers").at(std::size_t{0}).at("name").as_string(), "w");
  EXPECT_NE(answer.at("workers").at(std::size_t{0}).at("silent").as_string().find("taken for lost"),
            std::string::npos);
  EXPECT_EQ(answer.at("missing").size(), 0u);
  connect(worker_b, {.role = wire::Role::worker, .name = "w", .incarnation = 2, .concurrency = 1});
  ask(*producer, "inspect.ping", Value::object({{"timeout_us", 1'000}}));
  pass(100'000);
  EXPECT_EQ(reply(*producer).at("workers").size(), 1u);
  disconnect(worker_b);
  pass(60'000'000);
  EXPECT_EQ(asked().at("workers").size(), 1u);
  pass(600'000'000);
  EXPECT_EQ(asked().at("missing"), Value::array({"w"}));
}

TEST_F(BrokerControl, AWorkerMayNotAskOthersAndAnUnknownCommandIsRefused) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 0);
  ask(*worker_a, "inspect.ping");
  EXPECT_EQ(next<wire::ErrorMessage>(*worker_a, wire::Type::error)->code,
            wire::ErrorCode::not_allowed);
  ask(*producer, "bake");
  EXPECT_EQ(reply(*producer, 10).as_string(), "unknown command 'bake'");
}

TEST_F(BrokerControl, APausedQueueDeliversNothingUntilItIsResumedAlsoAfterARestart) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  ask(*producer, "queue.pause", Value::object({{"queue", "default"}}));
  EXPECT_FALSE(next<wire::Reply>(*producer, wire::Type::reply).has_value());  // not durable yet
  commit();
  EXPECT_EQ(reply(*producer).at("paused"), Value{true});
  submit(1, {task("a")});
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  EXPECT_EQ(queue_row("default", false).at("paused"), Value{true});

  crash_and_start();
  connect_producer(producer_id);
  connect_worker(worker_a, 1, 10);
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  ask(*producer, "queue.resume", Value::object({{"queue", "default"}}));
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
}

TEST_F(BrokerControl, AQueueThatNobodyKnowsCannotBePaused) {
  start();
  connect_producer();
  ask(*producer, "queue.pause", Value::object({{"queue", "maths"}}));
  EXPECT_EQ(reply(*producer, 10).as_string(), "there is no queue 'maths'");
}

TEST_F(BrokerControl, AWorkerTakesFromTheQueuesThatItNamedLast) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a", "math")});
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  say(*worker_a, wire::Queues{.names = {"", "math"}, .excluded = {"default"}});
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  submit(2, {task("b")});
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  say(*worker_a, wire::Queues{.names = {""}, .excluded = {}});
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
}

TEST_F(BrokerControl, ADirectQueueBelongsToTheWorkerThatItIsNamedAfter) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  connect_worker(worker_b, 2, 10);
  say(*worker_a, wire::Queues{.names = {"direct:w1"}, .excluded = {}});
  say(*worker_b, wire::Queues{.names = {"direct:w1"}, .excluded = {}});
  submit(1, {task("a", "direct:w1"), task("b", "direct:w1")});
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 2u);
  EXPECT_TRUE(deliveries(*worker_b).empty());
}

TEST_F(BrokerControl, ATaskGoesOnlyToAWorkerWithItsLabels) {
  start();
  connect_producer();
  connect_labelled(worker_a, 1, {"ssd"});
  submit(1, {labelled_task("a", {"gpu", "ssd"}), task("b")});
  settle();
  const auto plain = deliveries(*worker_a);
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(plain[0].task.id.bytes, "b");
  const Value waiting = queue_row("default", true);
  EXPECT_EQ(waiting.at("ready"), Value{1});
  EXPECT_EQ(waiting.at("consumers"), Value{0});
  EXPECT_EQ(waiting.at("labels"), Value::array({"gpu", "ssd"}));
  connect_labelled(worker_b, 2, {"gpu=2", "ssd"});
  settle();
  ASSERT_EQ(deliveries(*worker_b).size(), 1u);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  expect_books_balance();
}

TEST_F(BrokerControl, ALabelledTaskSurvivesARestartWithItsLabels) {
  start();
  connect_producer();
  submit(1, {labelled_task("a", {"gpu=1"})});
  settle();
  crash_and_start();
  connect_producer(producer_id);
  connect_labelled(worker_a, 1, {"gpu=2"});
  pass(300'000);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  EXPECT_EQ(queue_row("default", true).at("ready"), Value{1});
  connect_labelled(worker_b, 2, {"gpu=1"});
  pass(300'000);
  EXPECT_EQ(deliveries(*worker_b).size(), 1u);
}

TEST_F(BrokerControl, PausingAndPurgingAQueueMeanItsLabelledTasksToo) {
  start();
  connect_producer();
  connect_collector();
  connect_labelled(worker_a, 1, {"gpu"});
  submit(1, {task("first")});
  settle();
  ask(*producer, "queue.pause", Value::object({{"queue", "default"}}));
  settle();
  static_cast<void>(reply(*producer));
  submit(2, {labelled_task("a", {"gpu"}), task("b")});
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  EXPECT_EQ(queue_row("default", true).at("paused"), Value{true});
  ask(*producer, "purge", Value::object({{"queue", "default"}}));
  settle();
  EXPECT_EQ(reply(*producer).at("purged"), Value{2});
}

TEST_F(BrokerControl, OneSetOfLabelsTooManyIsRefusedWithAReason) {
  options.label_sets_max = 2;
  start();
  connect_producer();
  submit(1, {labelled_task("a", {"x"}), labelled_task("b", {"y"}), labelled_task("c", {"x"})});
  settle();
  producer->received.clear();
  submit(2, {labelled_task("d", {"z"})});
  const auto refusal = next<wire::Submitted>(*producer, wire::Type::submitted);
  ASSERT_EQ(refusal->refusals.size(), 1u);
  EXPECT_EQ(refusal->refusals[0].tasks.at(0).text,
            "the queue has as many sets of labels as it may");
}

TEST_F(BrokerControl, NeitherOfTwoBusyQueuesKeepsAWorkerFromTheOther) {
  start();
  connect_producer();
  std::vector<Bytes> tasks;
  for (int i = 0; i < 50; ++i) {
    tasks.push_back(task("p" + std::to_string(i)));
    tasks.push_back(labelled_task("g" + std::to_string(i), {"gpu"}));
  }
  submit(1, tasks);
  settle();
  connect_labelled(worker_a, 1, {"gpu"});
  std::uint64_t labelled = 0;
  std::uint64_t returned = 0;
  for (int round = 0; round < 20; ++round) {
    for (const auto& delivery : deliveries(*worker_a)) {
      labelled += delivery.task.id.bytes.starts_with("g") ? 1U : 0U;
      ++returned;
    }
    say(*worker_a,
        wire::Credit{.count = 2, .bytes = 1 << 30, .returned = returned, .returned_bytes = 0});
    settle();
  }
  EXPECT_GT(labelled, 10u);
  EXPECT_LT(labelled, returned - 10);
}

TEST(Labels, ARequirementIsALabelOrAKey) {
  EXPECT_TRUE(satisfies({"gpu=1", "ssd"}, {}));
  EXPECT_TRUE(satisfies({"gpu=1", "ssd"}, {"gpu=1"}));
  EXPECT_TRUE(satisfies({"gpu=1", "ssd"}, {"gpu", "ssd"}));
  EXPECT_FALSE(satisfies({"gpu=1"}, {"gpu=2"}));
  EXPECT_FALSE(satisfies({"gpu=1"}, {"g"}));
  EXPECT_FALSE(satisfies({"gpu=1"}, {"gpu=1", "ssd"}));
}

TEST(Labels, AKeyKeepsNameAndLabelsWhateverTheirOrder) {
  EXPECT_EQ(labelled_key("q", {"b", "a", "b"}), labelled_key("q", {"a", "b"}));
  const KeyParts parts = parts_of_key(labelled_key("q", {"b", "a=1"}));
  EXPECT_EQ(parts.name, "q");
  EXPECT_EQ(parts.labels, (std::vector<std::string>{"a=1", "b"}));
  EXPECT_TRUE(parts_of_key("plain").labels.empty());
}

// ---- revocations

TEST_F(BrokerControl, ARevokeIsAnsweredOnceItsMarkIsDurable) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  revoke("a", wire::flag::revoke_terminate, "SIGINT");
  EXPECT_FALSE(next<wire::Reply>(*producer, wire::Type::reply).has_value());
  const auto told = next<wire::Revoke>(*worker_a, wire::Type::revoke);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->flags, wire::flag::revoke_terminate);
  EXPECT_EQ(told->signal, "SIGINT");
  commit();
  turn();
  EXPECT_EQ(reply(*producer).at(std::size_t{0}).at(1), Value{2});  // pending
  EXPECT_EQ(store.records.count({store::Space::marks, "ta"}), 1u);
}

TEST_F(BrokerControl, AWorkerThatWasAwayIsToldWhenItReturnsEvenToANewBroker) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  disconnect(worker_a);
  revoke("a");
  settle();
  crash_and_start();
  const auto told_again = [&] {
    connect_worker(worker_a, 1, 10,
                   {{.number = given[0].number,
                     .key = given[0].key,
                     .position = given[0].position,
                     .phase = wire::Hold::executing,
                     .id = {false, "a"}}});
    settle();
    return next<wire::Revoke>(*worker_a, wire::Type::revoke).has_value();
  };
  EXPECT_TRUE(told_again());
  disconnect(worker_a);
  EXPECT_TRUE(told_again());  // and again, as long as it holds the task
}

TEST_F(BrokerControl, ARevokedTaskOfALostWorkerEndsInsteadOfBeingRepeated) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  disconnect(worker_a);
  revoke("a");
  settle();
  crash_and_start();
  connect_collector();
  connect_worker(worker_b, 2, 10);
  pass(12 * second);
  EXPECT_TRUE(deliveries(*worker_b).empty());
  stored(*collector);
  settle();
  EXPECT_EQ(core->books().revoked, 1u);
  EXPECT_EQ(core->open_tasks(), 0u);
  EXPECT_TRUE(store.records.count({store::Space::marks, "ta"}) == 0);  // its mark went with it
  expect_books_balance();
}

TEST_F(BrokerControl, WhatAWorkerMayStillHaveAfterARestartIsPendingAndNotRevoked) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 1);
  submit(1, {task("a"), task("b")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  ASSERT_EQ(given[0].task.id.bytes, "a");

  crash_and_start();
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  connect_collector();
  revoke("a");
  settle();
  EXPECT_EQ(reply(*producer).at(std::size_t{0}).at(1), Value{2});  // pending
  revoke("b");                                                     // so might it be with a worker
  settle();
  EXPECT_EQ(reply(*producer).at(std::size_t{0}).at(1), Value{2});
  EXPECT_FALSE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());

  connect_worker(worker_a, 1, 1,
                 {{.number = given[0].number,
                   .key = given[0].key,
                   .position = given[0].position,
                   .phase = wire::Hold::executing,
                   .id = {false, "a"}}});
  settle();
  const auto told = next<wire::Revoke>(*worker_a, wire::Type::revoke);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->ids[0].bytes, "a");
  stored(*collector);  // "b", which nobody has
  settle();
  EXPECT_EQ(core->books().revoked, 1u);
  EXPECT_EQ(core->open_tasks(), 1u);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  expect_books_balance();
}

TEST_F(BrokerControl, ATaskThatComesAfterItsRevokeDoesNotRun) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  revoke("a");
  settle();
  EXPECT_EQ(reply(*producer).at(std::size_t{0}).at(1), Value{0});  // unknown
  submit(1, {task("a"), task("b")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(given[0].task.id.bytes, "b");
  stored(*collector);
  settle();
  EXPECT_EQ(core->books().revoked, 1u);
}

TEST_F(BrokerControl, ARevokedTaskThatComesIntoABacklogIsEndedOnce) {
  options.window_tasks = 2;  // what follows rests on disk, and is read from there
  start();
  connect_producer();
  connect_collector();
  revoke("d");
  settle();
  submit(1, {task("a"), task("b"), task("c"), task("d"), task("e")});
  settle();
  connect_worker(worker_a, 1, 10);
  pass(300'000);
  stored(*collector);
  pass(300'000);
  EXPECT_FALSE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());
  EXPECT_EQ(deliveries(*worker_a).size(), 4u);
  EXPECT_EQ(core->books().revoked, 1u);
  EXPECT_EQ(store.tasks.size(), core->open_tasks());
  expect_books_balance();
}

TEST_F(BrokerControl, MarksAreCountedListedAndForgottenAfterTheirTime) {
  options.revocations_max = 2;
  options.revocation_age_us = 60 * second;
  start();
  connect_producer();
  revoke("a");
  settle();
  static_cast<void>(reply(*producer));
  revoke("b", wire::flag::revoke_terminate, "SIGKILL");
  settle();
  static_cast<void>(reply(*producer));
  revoke("c");
  EXPECT_NE(reply(*producer, 8).as_string().find("no room for 1 more"), std::string::npos);
  ask(*producer, "revoked");
  const Value listed = reply(*producer);
  EXPECT_EQ(listed.at("total"), Value{2});
  EXPECT_EQ(listed.at("marks").at(std::size_t{0}).at("id").as_string(), "b");
  EXPECT_EQ(listed.at("marks").at(std::size_t{0}).at("signal").as_string(), "SIGKILL");
  pass(62 * second, second);
  EXPECT_TRUE(std::none_of(store.records.begin(), store.records.end(), [](const auto& record) {
    return record.first.first == store::Space::marks;
  }));
}

TEST_F(BrokerControl, ScheduledTasksAreListedInTheOrderOfTheirStart) {
  start();
  connect_producer();
  const auto later = [&](const std::string& id, std::int64_t seconds) {
    Bytes map;
    Writer packed{map};
    packed.map(1);
    packed.uinteger(1);
    packed.integer(micros(now.wall) + seconds * second);
    return task(id, {}, map);
  };
  submit(1, {later("b", 200), later("a", 100), task("now")});
  settle();
  ask(*producer, "scheduled");
  const Value answer = reply(*producer);
  EXPECT_EQ(answer.at("total"), Value{2});
  ASSERT_EQ(answer.at("tasks").size(), 2u);
  EXPECT_EQ(answer.at("tasks").at(std::size_t{0}).at("id").as_string(), "a");
}

}  // namespace
}  // namespace baozi::broker
