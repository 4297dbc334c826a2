// Questions that a broker passes on to its workers: everybody who must answer is named, whatever
// happens.
#include "broker/worker_questions.hpp"

#include <gtest/gtest.h>

#include <baozi/value.hpp>

#include "baozi/packing.hpp"

namespace baozi::broker {
namespace {

constexpr MonoTime t0 = mono_time(1'000'000);

Bytes text(std::string_view words) {
  Bytes bytes;
  Writer{bytes}.str(words);
  return bytes;
}

class WorkerQuestionsTest : public testing::Test {
 protected:
  static WorkerQuestions::Question question(std::vector<WorkerQuestions::Addressee> addressees,
                                            std::uint64_t request = 7) {
    WorkerQuestions::Question question;
    question.session = 99;
    question.request = request;
    question.command = "inspect.ping";
    question.arguments = "\x80";
    question.addressees = std::move(addressees);
    question.deadline = t0 + Micros{1'000};
    return question;
  }
  static Value entry(const WorkerQuestions::Finished& finished, std::size_t index) {
    return unpack<Value>(finished.payload).at("workers").at(index);
  }

  WorkerQuestions::Limits limits;
};

TEST_F(WorkerQuestionsTest, ItIsAnsweredAsSoonAsEverybodyHas) {
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}, {2, "w2", 12}})));
  const auto askings = questions.take_askings();
  ASSERT_EQ(askings.size(), 2u);
  EXPECT_EQ(askings[0].session, 11u);
  EXPECT_EQ(askings[0].message.command, "inspect.ping");
  EXPECT_TRUE(questions.take_askings().empty());
  const Bytes pong = text("pong");
  questions.on_reply(11, {.request = askings[0].message.request, .code = 0, .payload = pong});
  EXPECT_TRUE(questions.take_finished(t0).empty());
  const Bytes why = text("unknown command");
  questions.on_reply(12, {.request = askings[1].message.request, .code = 10, .payload = why});
  const auto finished = questions.take_finished(t0);
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].session, 99u);
  EXPECT_EQ(finished[0].request, 7u);
  EXPECT_EQ(finished[0].code, 0u);
  EXPECT_EQ(entry(finished[0], 0),
            Value::object({{"name", "w1"}, {"incarnation", 1}, {"code", 0}, {"answer", "pong"}}));
  EXPECT_EQ(entry(finished[0], 1),
            Value::object(
                {{"name", "w2"}, {"incarnation", 2}, {"code", 10}, {"error", "unknown command"}}));
  EXPECT_TRUE(questions.empty());
}

TEST_F(WorkerQuestionsTest, WhoSaysNothingIsNamedSilentWhenTheTimeIsOver) {
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}, {2, "w2", 0}})));
  static_cast<void>(questions.take_askings());
  EXPECT_EQ(questions.next_deadline(), t0 + Micros{1'000});
  EXPECT_TRUE(questions.take_finished(t0 + Micros{999}).empty());
  const auto finished = questions.take_finished(t0 + Micros{1'000});
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(entry(finished[0], 0).at("silent").as_string(), "it did not answer in time");
  EXPECT_EQ(entry(finished[0], 1).at("silent").as_string(), "it is not connected");
}

TEST_F(WorkerQuestionsTest, AWorkerThatComesBackInTimeIsAskedThen) {
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{2, "w2", 0}})));
  EXPECT_TRUE(questions.take_askings().empty());
  questions.on_worker(2, 21);
  const auto askings = questions.take_askings();
  ASSERT_EQ(askings.size(), 1u);
  EXPECT_EQ(askings[0].session, 21u);
  const Bytes pong = text("pong");
  questions.on_reply(21, {.request = askings[0].message.request, .code = 0, .payload = pong});
  EXPECT_EQ(questions.take_finished(t0).size(), 1u);
}

TEST_F(WorkerQuestionsTest, OneThatWasAskedIsNotAskedAgainInItsNextSession) {
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}})));
  static_cast<void>(questions.take_askings());
  questions.on_session_ended(11);
  questions.on_worker(1, 12);
  EXPECT_TRUE(questions.take_askings().empty());
  const auto finished = questions.take_finished(t0);
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(entry(finished[0], 0).at("silent").as_string(),
            "its connection was lost after it was asked");
}

TEST_F(WorkerQuestionsTest, RepliesOfOthersAndSecondRepliesChangeNothing) {
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}, {2, "w2", 12}})));
  const auto number = questions.take_askings()[0].message.request;
  const Bytes pong = text("pong");
  questions.on_reply(13, {.request = number, .code = 0, .payload = pong});
  questions.on_reply(11, {.request = number + 1, .code = 0, .payload = pong});
  questions.on_reply(11, {.request = number, .code = 0, .payload = pong});
  questions.on_reply(11, {.request = number, .code = 0, .payload = pong});
  EXPECT_TRUE(questions.take_finished(t0).empty());
}

TEST_F(WorkerQuestionsTest, WhoAskedIsGoneAndSoIsTheQuestion) {
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}})));
  questions.on_session_ended(99);
  EXPECT_TRUE(questions.empty());
}

TEST_F(WorkerQuestionsTest, NobodyAddressedIsAnsweredAtOnceWithWhatIsMissing) {
  WorkerQuestions questions{limits};
  auto nobody = question({});
  nobody.missing = {"gpu*"};
  ASSERT_TRUE(questions.open(std::move(nobody)));
  const auto finished = questions.take_finished(t0);
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(unpack<Value>(finished[0].payload),
            Value::object({{"workers", Value::array()}, {"missing", Value::array({"gpu*"})}}));
}

TEST_F(WorkerQuestionsTest, ThereIsRoomForSoManyQuestions) {
  limits.questions_max = 2;
  WorkerQuestions questions{limits};
  EXPECT_TRUE(questions.open(question({{1, "w1", 11}}, 1)));
  EXPECT_TRUE(questions.open(question({{1, "w1", 11}}, 2)));
  EXPECT_FALSE(questions.open(question({{1, "w1", 11}}, 3)));
  questions.on_session_ended(99);
  EXPECT_TRUE(questions.open(question({{1, "w1", 11}}, 3)));
}

TEST_F(WorkerQuestionsTest, AnAnswerThatIsTooLargeOrTooDeepIsNamedSo) {
  limits.answer_bytes_max = 100;
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}, {2, "w2", 12}})));
  const auto number = questions.take_askings()[0].message.request;
  const Bytes large = text(std::string(200, 'x'));
  questions.on_reply(11, {.request = number, .code = 0, .payload = large});
  Bytes deep(30, '\x91');
  deep += '\xC0';
  questions.on_reply(12, {.request = number, .code = 0, .payload = deep});
  const auto finished = questions.take_finished(t0);
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(entry(finished[0], 0).at("code"), Value{7});
  EXPECT_EQ(entry(finished[0], 1).at("code"), Value{1});
}

TEST_F(WorkerQuestionsTest, WhatDoesNotFitIntoOneFrameIsLeftOutByName) {
  limits.frame_bytes_max = 4'000;
  WorkerQuestions questions{limits};
  ASSERT_TRUE(questions.open(question({{1, "w1", 11}, {2, "w2", 12}, {3, "w3", 13}})));
  const auto number = questions.take_askings()[0].message.request;
  const Bytes large = text(std::string(2'000, 'x'));
  for (const std::uint64_t session : {11U, 12U, 13U})
    questions.on_reply(session, {.request = number, .code = 0, .payload = large});
  const auto finished = questions.take_finished(t0);
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].code, 0u);
  EXPECT_LE(finished[0].payload.size(), 4'000u);
  EXPECT_EQ(entry(finished[0], 0).at("code"), Value{0});
  EXPECT_EQ(entry(finished[0], 2).at("code"), Value{7});
}

TEST_F(WorkerQuestionsTest, MoreNamesThanAFrameHoldsAreRefusedByNumber) {
  limits.frame_bytes_max = 1'000;
  WorkerQuestions questions{limits};
  std::vector<WorkerQuestions::Addressee> many;
  for (std::uint64_t i = 0; i < 100; ++i)
    many.push_back({i, "worker-number-" + std::to_string(i), 0});
  ASSERT_TRUE(questions.open(question(std::move(many))));
  const auto finished = questions.take_finished(t0 + Micros{1'000});
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].code, 7u);
}

}  // namespace
}  // namespace baozi::broker
