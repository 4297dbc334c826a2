// The worker's side of its coroutine children: who is charged when one dies, what becomes of the
// others, and when one is replaced. The fork server and the children are this test.
#include "worker/prefork/coroutine_process.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <map>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <baozi/codec.hpp>
#include <baozi/worker.hpp>

#include "base/system_clock.hpp"
#include "worker/prefork/coroutine_notes.hpp"
#include "worker/prefork/coroutine_segment.hpp"
#include "worker/prefork/messages.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {
namespace {

using prefork::CoroutineSegment;
using prefork::Note;
using prefork::Order;
using prefork::Packet;

constexpr Micros second{1'000'000};

/// A child, as far as its worker can tell.
struct FakeChild {
  explicit FakeChild(int memory, int its_socket)
      : segment{memory}, socket{fcntl(its_socket, F_DUPFD_CLOEXEC, 0)} {}
  ~FakeChild() { hang_up(); }
  void hang_up() {
    if (socket >= 0) close(std::exchange(socket, -1));
  }
  void say(Note kind, BytesView payload = {}) const {
    Bytes out;
    prefork::append_note(out, kind, payload);
    EXPECT_EQ(::send(socket, out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
  }
  /// Hears what came; the tokens of new starts.
  std::vector<Token> listen() {
    std::vector<Token> fresh;
    EXPECT_EQ(notes.read(socket, 1 << 20U), prefork::NoteReader::Stream::open);
    Note kind{};
    BytesView payload;
    while (notes.next(kind, payload) == prefork::NoteReader::Got::note) {
      if (kind == Note::start) {
        std::uint32_t place = 0;
        std::memcpy(&place, payload.data(), sizeof place);
        fresh.push_back(prefork::read_start(payload.substr(sizeof place)).token);
        places[fresh.back()] = place;
      } else if (kind == Note::leave) {
        leaves = true;
      } else {
        asked_back.push_back(*prefork::token_in(payload));
      }
    }
    return fresh;
  }
  void begin(Token token) { segment->began_us[places.at(token)].store(micros(base::mono_now())); }
  void end(Token token) const {
    Ended ended;
    ended.token = token;
    ended.verdict = Verdict::success;
    ended.value = pack(1);
    ended.started = wall_time(7);
    say(Note::ended, prefork::pack_ended(ended));
  }

  std::uint64_t number = 0;
  prefork::SharedMemory<CoroutineSegment> segment;
  int socket;
  prefork::NoteReader notes;
  std::map<Token, std::uint32_t> places;
  std::vector<Token> asked_back;
  bool leaves = false;
};

struct FakeServer final : prefork::ServerLink {
  void report_to(User& one, int) override { user = &one; }
  std::optional<std::uint64_t> spawn(int memory, int socket, int) override {
    if (!is_up) return std::nullopt;
    children.push_back(std::make_unique<FakeChild>(memory, socket));
    children.back()->number = children.size();
    return children.size();
  }
  void kill(std::uint64_t child, int signal) override { killed.emplace_back(child, signal); }
  void lose(std::uint64_t, const Start& start, const prefork::Charge& how, Micros,
            MonoTime) override {
    lost.emplace_back(start.token, how.how);
  }
  void finish(std::uint64_t, Ended ended, MonoTime) override {
    finished.push_back(std::move(ended));
  }

  User* user = nullptr;
  bool is_up = true;
  std::vector<std::unique_ptr<FakeChild>> children;
  std::vector<std::pair<std::uint64_t, int>> killed;
  std::vector<std::pair<Token, std::string>> lost;
  std::vector<Ended> finished;
};

class CoroutineProcessTest : public testing::Test {
 protected:
  CoroutineProcessTest() {
    Registry registry;
    registry.task("nap", []() -> Task<void> { co_return; });
    table.add(std::move(registry), "this test");
  }
  void start(CoroutineProcess::Options options = {}) {
    pool = std::make_unique<CoroutineProcess>(options, server);
    come_up(child(0));
  }
  FakeChild& child(std::size_t index) { return *server.children.at(index); }
  void come_up(FakeChild& one) {
    server.user->on_packet({.order = Order::spawned, .child = one.number, .pid = 4'711}, now());
    one.say(Note::up);
    turn();
  }
  Token submit(Micros time_limit = Micros{0}) {
    Start start;
    start.token = Token{++last_token};
    start.definition = table.find("nap")->definition;
    start.id = {false, "an-id"};
    start.name = "nap";
    start.body = "\x92\x90\x80";
    start.time_limit = time_limit;
    EXPECT_EQ(pool->submit({&start, 1}), 1u);
    return start.token;
  }
  /// So many that have begun in this child.
  std::vector<Token> begin(FakeChild& one, int count) {
    std::vector<Token> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(submit());
    EXPECT_EQ(one.listen(), tokens);
    for (const Token token : tokens) one.begin(token);
    return tokens;
  }
  void turn() { turn(now()); }
  void turn(MonoTime at) {
    pool->tick(at);
    PoolEvents events;
    pool->take_events(events);
    for (Ended& one : events.completions) {
      EXPECT_TRUE(ended.emplace(one.token, one).second) << "it ended twice";
    }
    for (const Token one : events.returned) returned.push_back(one);
    for (auto& one : events.warnings) warnings.push_back(std::move(one));
  }
  void die(FakeChild& one, int status = SIGSEGV) {
    one.hang_up();
    server.user->on_packet({.order = Order::exited, .child = one.number, .value = status}, now());
    turn();
  }
  static MonoTime now() { return base::mono_now(); }
  [[nodiscard]] std::string message(Token token) const {
    return unpack<std::array<std::string, 3>>(ended.at(token).value)[1];
  }
  [[nodiscard]] bool warned(std::string_view text) const {
    return std::any_of(warnings.begin(), warnings.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

  TaskTable table;
  FakeServer server;
  std::uint64_t last_token = 0;
  std::map<Token, Ended> ended;
  std::vector<Token> returned;
  std::vector<std::string> warnings;
  std::unique_ptr<CoroutineProcess> pool;
};

TEST_F(CoroutineProcessTest, NothingIsGivenToAChildThatIsNotUp) {
  pool = std::make_unique<CoroutineProcess>(CoroutineProcess::Options{}, server);
  const Token one = submit();
  const Token other = submit();
  EXPECT_TRUE(child(0).listen().empty());
  EXPECT_EQ(pool->cancel(one, false), Cancelled::taken_back);
  come_up(child(0));
  EXPECT_EQ(child(0).listen(), std::vector<Token>{other});
  EXPECT_EQ(pool->cancel(other, false), Cancelled::running);
  turn();
  EXPECT_TRUE(child(0).listen().empty());
  EXPECT_EQ(child(0).asked_back, std::vector<Token>{other});
  EXPECT_EQ(pool->in_hand(), 1u);
}

TEST_F(CoroutineProcessTest, WhatWasAskedBackAndHadNotBegunIsReturned) {
  start();
  const Token token = submit();
  child(0).listen();
  EXPECT_EQ(pool->cancel(token, true), Cancelled::running);
  child(0).say(Note::returned, BytesView{reinterpret_cast<const char*>(&token), sizeof token});
  turn();
  EXPECT_EQ(returned, std::vector<Token>{token});
  EXPECT_EQ(pool->in_hand(), 0u);
  EXPECT_EQ(pool->cancel(token, false), Cancelled::unknown);
}

TEST_F(CoroutineProcessTest, ACrashIsChargedToTheOneThatRanAndToNoOther) {
  start();
  const auto tokens = begin(child(0), 3);
  const Token unbegun = submit();
  child(0).listen();
  child(0).segment->step.begin(tokens[1], now());
  die(child(0));
  ASSERT_EQ(server.lost.size(), 1u);
  EXPECT_EQ(server.lost[0].first, tokens[1]);
  EXPECT_NE(server.lost[0].second.find("killed by signal 11"), std::string::npos);
  ASSERT_EQ(ended.size(), 2u);
  for (const Token token : {tokens[0], tokens[2]}) {
    EXPECT_EQ(ended.at(token).verdict, Verdict::displaced);
    EXPECT_NE(message(token).find("its process was lost in another coroutine task, nap an-id: "
                                  "killed by signal 11"),
              std::string::npos)
        << message(token);
  }
  ASSERT_EQ(server.children.size(), 2u) << "it is replaced at once";
  come_up(child(1));
  EXPECT_EQ(child(1).listen(), std::vector<Token>{unbegun}) << "as if nothing had happened";
  EXPECT_EQ(pool->in_hand(), 1u);
}

TEST_F(CoroutineProcessTest, WhatHadEndedBeforeTheCrashHasEnded) {
  start();
  const auto tokens = begin(child(0), 2);
  child(0).end(tokens[0]);
  child(0).segment->step.begin(tokens[1], now());
  die(child(0));
  EXPECT_EQ(ended.at(tokens[0]).verdict, Verdict::success);
  EXPECT_EQ(server.lost.size(), 1u);
}

TEST_F(CoroutineProcessTest, WhereNobodyRanEachIsSuspected) {
  start();
  const auto tokens = begin(child(0), 2);
  die(child(0), SIGKILL);
  EXPECT_TRUE(server.lost.empty());
  for (const Token token : tokens) EXPECT_EQ(ended.at(token).verdict, Verdict::suspect);
  EXPECT_EQ(std::count_if(warnings.begin(), warnings.end(),
                          [](const std::string& line) {
                            return line.find("nobody knows which of 2") != std::string::npos;
                          }),
            1);
  EXPECT_EQ(server.children.size(), 2u);
}

TEST_F(CoroutineProcessTest, AChildThatMakesNoSenseIsKilledAndBlamesNobody) {
  start();
  const auto tokens = begin(child(0), 2);
  child(0).segment->step.begin(tokens[0], now());
  child(0).say(Note::ended, "nonsense");
  turn();
  EXPECT_EQ(server.killed, (std::vector<std::pair<std::uint64_t, int>>{{1, SIGKILL}}));
  const Token later = submit();
  turn();
  die(child(0), SIGKILL);
  EXPECT_TRUE(server.lost.empty());
  for (const Token token : tokens) {
    EXPECT_EQ(ended.at(token).verdict, Verdict::suspect);
    EXPECT_NE(message(token).find("ended by the worker, since it said to the worker what makes"),
              std::string::npos)
        << message(token);
  }
  come_up(child(1));
  EXPECT_EQ(child(1).listen(), std::vector<Token>{later});
}

TEST_F(CoroutineProcessTest, OneThatHungUpAndLivesIsKilled) {
  start();
  begin(child(0), 1);
  child(0).hang_up();
  turn();
  EXPECT_TRUE(server.killed.empty()) << "it may be about to end";
  turn(now() + 2 * second);
  EXPECT_EQ(server.killed.size(), 1u);
}

TEST_F(CoroutineProcessTest, OneThatAwaitsNothingIsNamedAndKilledAfterItsLimit) {
  start();
  const auto others = begin(child(0), 2);
  const Token hog = submit(5 * second);
  child(0).listen();
  child(0).begin(hog);
  child(0).segment->step.begin(hog, now());
  turn(now() + 2 * second);
  turn(now() + 4 * second);
  ASSERT_EQ(warnings.size(), 1u) << "once";
  EXPECT_TRUE(warned("coroutine task nap has not awaited anything for"));
  ASSERT_TRUE(pool->next_deadline());
  EXPECT_TRUE(server.killed.empty());
  turn(now() + 5 * second);
  EXPECT_TRUE(server.killed.empty()) << "it has a second to end by itself";
  turn(now() + 6 * second + Micros{1'000});
  EXPECT_EQ(server.killed.size(), 1u);
  ASSERT_TRUE(ended.contains(hog)) << "its end is told at once";
  EXPECT_EQ(ended.at(hog).verdict, Verdict::failure);
  EXPECT_NE(message(hog).find("still running after its time limit"), std::string::npos);
  child(0).end(hog);  // at the very last moment
  die(child(0), SIGKILL);
  EXPECT_TRUE(server.lost.empty());
  for (const Token token : others) EXPECT_EQ(ended.at(token).verdict, Verdict::displaced);
  EXPECT_EQ(pool->in_hand(), 0u);
  EXPECT_EQ(server.children.size(), 2u);
}

TEST_F(CoroutineProcessTest, OneThatOnlyWaitsIsLeftToItsChild) {
  start();
  const Token waits = submit(second);
  child(0).listen();
  child(0).begin(waits);
  turn(now() + 20 * second);
  EXPECT_TRUE(server.killed.empty());
  EXPECT_TRUE(warnings.empty());
}

TEST_F(CoroutineProcessTest, AChildIsReplacedAfterSoManyTasksAndKeepsThoseThatItHas) {
  start({.tasks_per_child_max = 2});
  const auto tokens = begin(child(0), 3);
  child(0).end(tokens[0]);
  turn();
  EXPECT_EQ(server.children.size(), 1u);
  child(0).end(tokens[1]);
  turn();
  ASSERT_EQ(server.children.size(), 2u);
  child(0).listen();
  EXPECT_TRUE(child(0).leaves);
  come_up(child(1));
  const Token next = submit();
  EXPECT_TRUE(child(0).listen().empty());
  EXPECT_EQ(child(1).listen(), std::vector<Token>{next});
  child(0).end(tokens[2]);
  turn();
  die(child(0), 0);
  EXPECT_EQ(ended.size(), 3u);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  EXPECT_EQ(server.children.size(), 2u);
  EXPECT_EQ(pool->processes().size(), 1u);
}

TEST_F(CoroutineProcessTest, OneThatIsTooLargeIsReplacedButNeverMoreThanEightLive) {
  start();
  for (std::size_t i = 0; i < 20; ++i) {
    FakeChild& latest = *server.children.back();
    begin(latest, 1);
    latest.say(Note::full);
    turn();
    if (server.children.size() == i + 1) break;
    come_up(*server.children.back());
  }
  EXPECT_EQ(server.children.size(), CoroutineProcess::children_max);
  begin(*server.children.back(), 1);  // the last one goes on
  child(0).listen();
  const Token last = child(0).places.begin()->first;
  child(0).end(last);
  turn();
  die(child(0), 0);
  EXPECT_EQ(server.children.size(), CoroutineProcess::children_max + 1) << "there is room again";
}

TEST_F(CoroutineProcessTest, ARestartReplacesItAndInterruptsNobody) {
  start();
  begin(child(0), 2);
  pool->restart();
  ASSERT_EQ(server.children.size(), 2u);
  child(0).listen();
  EXPECT_TRUE(child(0).leaves);
  EXPECT_TRUE(ended.empty());
  const auto list = pool->processes();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_FALSE(list[0].leaving);
  EXPECT_TRUE(list[1].leaving);
  EXPECT_EQ(list[1].in_flight, 2u);
}

TEST_F(CoroutineProcessTest, OneThatCannotStartIsTriedAgainLaterAndLater) {
  pool = std::make_unique<CoroutineProcess>(CoroutineProcess::Options{}, server);
  const Token token = submit();
  MonoTime at = now();
  for (std::size_t tries = 1; tries <= 4; ++tries) {
    ASSERT_EQ(server.children.size(), tries);
    server.user->on_packet({.order = Order::failed, .child = tries, .text = "no memory"}, at);
    turn(at);
    ASSERT_EQ(server.children.size(), tries) << "not at once";
    ASSERT_TRUE(pool->next_deadline());
    at += Micros{100'000} * (1 << (tries - 1));
    turn(at);
  }
  EXPECT_TRUE(warned("coroutine tasks have no process: no memory; next try in 100ms"))
      << warnings[0];
  come_up(*server.children.back());
  EXPECT_EQ(server.children.back()->listen(), std::vector<Token>{token});
}

TEST_F(CoroutineProcessTest, OneThatDiesIdleIsNotReplacedAtOnce) {
  start();
  die(child(0));
  EXPECT_EQ(server.children.size(), 1u);
  EXPECT_TRUE(warned("it ended without a task"));
  turn(now() + second);
  EXPECT_EQ(server.children.size(), 2u);
}

TEST_F(CoroutineProcessTest, ALostForkServerCostsEachADelivery) {
  start();
  const auto tokens = begin(child(0), 2);
  child(0).segment->step.begin(tokens[0], now());
  server.is_up = false;
  server.user->on_server_lost(1, now());
  turn();
  for (const Token token : tokens) EXPECT_EQ(ended.at(token).verdict, Verdict::suspect);
  const Token later = submit();
  server.is_up = true;
  server.user->on_server_up(now());
  ASSERT_EQ(server.children.size(), 2u);
  come_up(child(1));
  EXPECT_EQ(child(1).listen(), std::vector<Token>{later});
}

TEST_F(CoroutineProcessTest, StoppingGivesBackWhatNoChildHasAndAsksForTheRest) {
  start();
  const auto tokens = begin(child(0), 2);
  EXPECT_TRUE(pool->stop(StopMode::drain).empty());
  EXPECT_EQ(pool->submit({}), 0u);
  EXPECT_TRUE(pool->stop(StopMode::interrupt).empty());
  child(0).listen();
  std::sort(child(0).asked_back.begin(), child(0).asked_back.end());
  EXPECT_EQ(child(0).asked_back, tokens);
  EXPECT_EQ(pool->in_hand(), 2u);
}

TEST_F(CoroutineProcessTest, TellsOfThoseThatHaveBegun) {
  start();
  const auto tokens = begin(child(0), 2);
  submit();
  const auto list = pool->status();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].token, tokens[0]);
  EXPECT_EQ(list[0].id, 4'711);
}

}  // namespace
}  // namespace baozi::worker
