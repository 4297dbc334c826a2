// What a worker tells of its tasks and of itself while it works.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

using wire::EventType;

class WorkerEvents : public WorkerBench {
 protected:
  struct Told {
    EventType type{};
    std::string id;
    std::string name;
    std::map<std::string, std::string> fields;  ///< texts, numbers and booleans as text
    std::int64_t time_us = 0;
  };

  WorkerEvents() { options.task_events = true; }

  /// What arrived at the collector, answered.
  std::vector<Told> told(bool answer = true) {
    std::vector<Told> all;
    for (const wire::Events& message : collector->take<wire::Events>(wire::Type::events)) {
      for (const wire::EventView& event : message.events) {
        Told& one = all.emplace_back();
        one.type = event.type;
        one.id = event.has_id ? event.id.to_id().to_string() : "";
        one.name = event.name;
        one.time_us = event.time_us;
        Reader in{event.fields};
        for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
          const std::string key{in.str()};
          switch (in.kind()) {
            case Reader::Kind::str: one.fields[key] = in.str(); break;
            case Reader::Kind::integer: one.fields[key] = std::to_string(in.integer()); break;
            case Reader::Kind::boolean: one.fields[key] = in.boolean() ? "true" : "false"; break;
            default: one.fields[key] = to_hex(in.skip()); break;
          }
        }
      }
      if (answer) say(*collector, wire::EventsOk{message.first + message.events.size() - 1});
    }
    return all;
  }
  std::vector<EventType> types(const std::vector<Told>& all) {
    std::vector<EventType> list;
    for (const Told& one : all) list.push_back(one.type);
    return list;
  }
  Token run(std::string_view name = "add", BytesView body = "body", BytesView raw_options = {}) {
    deliver(broker(), {{.number = 1, .task = task_bytes(1, name, raw_options, body)}});
    EXPECT_EQ(starts.size(), 1u);
    return starts.back().token;
  }
};

using Types = std::vector<EventType>;

TEST_F(WorkerEvents, ASuccessIsReceivedStartedAndSucceeded) {
  open_all();
  Bytes body;
  Writer packed{body};
  packed.array(2), packed.array(2), packed.uinteger(1), packed.uinteger(2), packed.map(0);
  finish(run("add", body), success("\x03", Micros{120}));
  EXPECT_TRUE(collector->take<wire::Events>(wire::Type::events).empty());  // they wait for company
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(types(all),
            (Types{EventType::task_received, EventType::task_started, EventType::task_succeeded}));
  EXPECT_EQ(all[0].id, to_string(uuid(1)));
  EXPECT_EQ(all[0].name, "add");
  EXPECT_EQ(all[0].time_us, 1'700'000'000'000'000);
  EXPECT_EQ(all[0].fields.at("args"), "920102");
  EXPECT_EQ(all[0].fields.at("kwargs"), "80");
  EXPECT_EQ(all[0].fields.at("retries"), "0");
  EXPECT_EQ(all[2].fields.at("runtime_us"), "120");
  EXPECT_EQ(all[2].fields.at("result"), "3");
  EXPECT_TRUE(core->events().empty());
}

TEST_F(WorkerEvents, NothingIsToldWhileTheyAreOff) {
  options.task_events = false;
  open_all();
  finish(run(), success());
  pass(Micros{100'000});
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(core->events().told(), 0u);
}

TEST_F(WorkerEvents, TheyAreSwitchedWhileItRuns) {
  options.task_events = false;
  open_all();
  const Token token = run();
  core->set_task_events(true);
  finish(token, success());
  pass(Micros{50'000});
  EXPECT_EQ(types(told()), (Types{EventType::task_succeeded}));
}

TEST_F(WorkerEvents, ArgumentsThatAreNoneOrTooLongAreLeftOut) {
  open_all();
  Bytes body;
  Writer packed{body};
  packed.array(2), packed.array(1), packed.str(std::string(600, 'x')), packed.map(0);
  finish(run("add", body), success(std::string(2'000, '\x01')));
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_FALSE(all[0].fields.contains("args"));
  EXPECT_FALSE(all[2].fields.contains("result"));
}

TEST_F(WorkerEvents, ValuesThatNestTooDeeplyForAFrameAreLeftOut) {
  open_all();
  Bytes body;
  Writer packed{body};
  packed.array(2), packed.array(1);
  for (int i = 0; i < 29; ++i) packed.array(1);
  packed.nil(), packed.map(0);
  finish(run("add", body), success(std::string(30, '\x91') + "\xc0"));
  pass(Micros{50'000});
  const auto all = told();  // a frame that did not parse would fail there
  ASSERT_EQ(all.size(), 3u);
  EXPECT_FALSE(all[0].fields.contains("args"));
  EXPECT_FALSE(all[2].fields.contains("result"));
}

TEST_F(WorkerEvents, RedactedArgumentsAreNobodysBusiness) {
  policies.tasks["add"].redacted = true;
  open_all();
  static_cast<void>(run("add", "\x92\x91\x01\x80"));
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(types(all), (Types{EventType::task_received}));
  EXPECT_FALSE(all[0].fields.contains("args"));
}

TEST_F(WorkerEvents, ASnoozeIsTold) {
  open_all();
  Finished end = success("\xc0");
  end.verdict = Verdict::snooze;
  end.delay = Micros{5'000};
  finish(run(), end);
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].type, EventType::task_retried);
  EXPECT_EQ(all[2].fields.at("countdown_us"), "5000");
}

TEST_F(WorkerEvents, AStartIsToldWhenItWasSeenAndOnce) {
  open_all();
  const Token token = run();
  pass(Micros{50'000});
  EXPECT_EQ(types(told()), (Types{EventType::task_received})) << "it waits in the pool";
  EXPECT_TRUE(core->wants_what_runs(now));
  core->saw_what_runs(now);  // not yet
  EXPECT_FALSE(core->wants_what_runs(now));
  EXPECT_EQ(core->next_deadline(), now.mono + Micros{50'000});
  pass(Micros{50'000});
  EXPECT_TRUE(core->wants_what_runs(now));
  core->on_runs(token, now.mono - Micros{20'000}, now);
  core->saw_what_runs(now);
  core->on_runs(token, now.mono - Micros{20'000}, now);
  const std::int64_t began_us = micros(now.wall) - 20'000;
  pass(Micros{50'000});
  EXPECT_FALSE(core->wants_what_runs(now));
  auto all = told();
  ASSERT_EQ(types(all), (Types{EventType::task_started}));
  EXPECT_EQ(all[0].time_us, began_us);
  finish(token, success());
  pass(Micros{50'000});
  EXPECT_EQ(types(told()), (Types{EventType::task_succeeded}));
}

TEST_F(WorkerEvents, AShortTasksStartIsToldWithItsEndAndHasItsOwnTime) {
  open_all();
  const Token token = run();
  Finished end = success();
  end.started_us = micros(now.wall) - 7;
  finish(token, end);
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(types(all),
            (Types{EventType::task_received, EventType::task_started, EventType::task_succeeded}));
  EXPECT_EQ(all[1].time_us, end.started_us);
  EXPECT_FALSE(core->wants_what_runs(now));
}

TEST_F(WorkerEvents, WhatIsTakenBackHasNotStarted) {
  open_all();
  const Token token = run();
  core->begin_drain(Drain::warm, now, out);
  cancelled(token);
  pass(Micros{50'000});
  EXPECT_FALSE(core->wants_what_runs(now));
  for (const Told& one : told()) EXPECT_NE(one.type, EventType::task_started);
}

TEST_F(WorkerEvents, ATaskThatWantsToBeIgnoredHasEnded) {
  open_all();
  Finished end = success("\xc0");
  end.verdict = Verdict::ignore;
  finish(run(), end);
  pass(Micros{50'000});
  EXPECT_EQ(told().back().type, EventType::task_succeeded);
}

TEST_F(WorkerEvents, AFailureBringsItsExceptionAndTrace) {
  open_all();
  finish(run(), failure());
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].type, EventType::task_failed);
  EXPECT_EQ(all[2].fields.at("exception"), "std::runtime_error: boom");
  EXPECT_EQ(all[2].fields.at("traceback"), "at line 1");
}

TEST_F(WorkerEvents, ALongTraceIsCutBetweenCharacters) {
  open_all();
  std::string trace;
  for (int i = 0; i < 3'000; ++i) trace += "ü";
  const Bytes long_failure = wire::pack_failure("E", "m", trace);
  Finished end = success(long_failure);
  end.verdict = Verdict::failure;
  finish(run(), end);
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].fields.at("traceback").size(), 4'096u);
}

TEST_F(WorkerEvents, ARetryIsToldWithItsDelay) {
  open_all();
  finish(run("stubborn"), failure(true));
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].type, EventType::task_retried);
  EXPECT_EQ(all[2].fields.at("countdown_us"), "1000");
}

TEST_F(WorkerEvents, ARejectionAndAnExpiryAreTold) {
  open_all();
  Finished end = success(boom);
  end.verdict = Verdict::reject;
  finish(run(), end);
  const Bytes expired = option(wire::Option::expires, [](Writer& value) { value.integer(5); });
  deliver(broker(), {{.number = 2, .task = task_bytes(2, "add", expired)}});
  deliver(broker(), {{.number = 3, .task = task_bytes(3, "nobody")}});
  pass(Micros{50'000});
  const auto all = told();
  ASSERT_EQ(types(all),
            (Types{EventType::task_received, EventType::task_started, EventType::task_rejected,
                   EventType::task_received, EventType::task_revoked, EventType::task_received,
                   EventType::task_failed}));
  EXPECT_EQ(all[2].fields.at("requeue"), "false");
  EXPECT_EQ(all[4].fields.at("expired"), "true");
  EXPECT_EQ(all[3].fields.at("expires_us"), "5");
  EXPECT_EQ(all[6].fields.at("exception").substr(0, 13), "NotRegistered");
}

TEST_F(WorkerEvents, WhatIsHandedBackIsToldAsRequeued) {
  options.concurrency = 1;
  options.prefetch = 3;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)},
                     {.number = 2, .task = task_bytes(2)},
                     {.number = 3, .task = task_bytes(3)}});
  core->begin_drain(Drain::warm, now, out);
  turn();
  pass(Micros{50'000});
  std::size_t requeued = 0;
  for (const Told& one : told()) {
    if (one.type == EventType::task_rejected)
      requeued += one.fields.at("requeue") == "true" ? 1U : 0U;
  }
  EXPECT_EQ(requeued, 3u - starts.size());
}

TEST_F(WorkerEvents, UnansweredOnesAreSentAgainInTheNextSession) {
  open_all();
  finish(run(), success());
  pass(Micros{50'000});
  EXPECT_EQ(told(false).size(), 3u);
  core->on_disconnected(collector->link, now, out);
  turn();
  welcome(*collector, connect(*collector));
  EXPECT_EQ(told().size(), 3u);
  EXPECT_TRUE(core->events().empty());
}

TEST_F(WorkerEvents, WithNoCollectorTheyAreKeptThenDroppedAndCounted) {
  options.events.events_max = 20;
  options.events.batch_events = 5;
  open_all();
  core->on_disconnected(collector->link, now, out);
  turn();
  for (std::uint64_t n = 1; n <= 20; ++n) {
    deliver(broker(), {{.number = n, .task = task_bytes(n)}});
    finish(starts.back().token, success());
  }
  pass(Micros{100'000});
  EXPECT_EQ(core->events().told(), 60u);
  EXPECT_LE(core->events().events(), 20u);
  welcome(*collector, connect(*collector));
  const auto messages = collector->take<wire::Events>(wire::Type::events);
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(messages[0].lost, core->events().lost());
  EXPECT_EQ(messages[0].first, core->events().lost() + 1);
}

TEST_F(WorkerEvents, AnOlderCollectorIsLeftInPeace) {
  open_all();
  finish(run(), success());
  pass(Micros{50'000});
  EXPECT_EQ(told(false).size(), 3u);
  const Bytes refusal =
      wire::encode(collector->session, 0,
                   wire::ErrorMessage{.code = wire::ErrorCode::unknown_type, .text = "60"});
  core->on_frame(collector->link, refusal, now, out);
  turn();
  pass(Micros{100'000});
  EXPECT_TRUE(collector->take<wire::Events>(wire::Type::events).empty());
}

TEST_F(WorkerEvents, TheWorkerItselfIsOnlineBeatsAndSaysWhenItLeaves) {
  options.task_events = false;
  options.event_heartbeat = Micros{2'000'000};
  open_all();
  core->set_load({0.5, 0.25, 0.0});
  pass(Micros{50'000});
  auto all = told();
  ASSERT_EQ(types(all), (Types{EventType::worker_online}));
  EXPECT_EQ(all[0].fields.at("freq_us"), "2000000");
  EXPECT_EQ(all[0].fields.at("pid"), "42");
  pass(Micros{2'000'000});
  pass(Micros{50'000});
  EXPECT_EQ(types(told()), (Types{EventType::worker_heartbeat}));
  core->begin_drain(Drain::warm, now, out);
  turn();
  EXPECT_TRUE(core->is_drained());
  const auto last = collector->take<wire::Events>(wire::Type::events);
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].events.back().type, EventType::worker_offline);
}

}  // namespace
}  // namespace baozi::worker
