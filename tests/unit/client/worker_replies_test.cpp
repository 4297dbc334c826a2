// What several brokers say of their workers, put together.
#include <gtest/gtest.h>

#include "client/requests.hpp"

namespace baozi::client {
namespace {

Value worker(const char* name, int incarnation, const char* field, const char* text) {
  Value entry = Value::object({{"name", name}, {"incarnation", incarnation}, {field, text}});
  if (std::string_view{field} == "answer") entry["code"] = 0;
  if (std::string_view{field} == "error") entry["code"] = 10;
  return entry;
}

NodeReply broker(const char* name, Value::Array workers, Value::Array missing = {}) {
  NodeReply reply;
  reply.node = name;
  reply.payload = Value::object(
      {{"workers", Value{std::move(workers)}}, {"missing", Value{std::move(missing)}}});
  return reply;
}

TEST(WorkerRepliesTest, AWorkerThatAnsweredThroughOneBrokerHasAnswered) {
  NodeReplies replies;
  replies.replies = {
      broker("b1",
             {worker("w1", 1, "silent", "it is not connected"), worker("w2", 2, "answer", "pong")}),
      broker("b2", {worker("w1", 1, "answer", "pong"), worker("w3", 3, "error", "no")})};
  const WorkerReplies merged = merge_worker_replies(replies);
  ASSERT_EQ(merged.workers.size(), 3u);
  EXPECT_EQ(merged.workers[0].worker, "w1");
  EXPECT_EQ(merged.workers[0].answer.as_string(), "pong");
  EXPECT_FALSE(merged.workers[0].silent);
  EXPECT_EQ(merged.workers[2].error, "no");
  EXPECT_FALSE(merged.all_answered());
}

TEST(WorkerRepliesTest, TwoProcessesOfOneNameAreTwo) {
  NodeReplies replies;
  replies.replies = {
      broker("b1", {worker("w", 1, "answer", "pong"), worker("w", 2, "answer", "pong")})};
  EXPECT_EQ(merge_worker_replies(replies).workers.size(), 2u);
  EXPECT_TRUE(merge_worker_replies(replies).all_answered());
}

TEST(WorkerRepliesTest, ADestinationIsMissingWhenEveryBrokerMissesIt) {
  NodeReplies replies;
  replies.replies = {broker("b1", {worker("w1", 1, "answer", "pong")}, {"w2", "nobody"}),
                     broker("b2", {worker("w2", 2, "answer", "pong")}, {"w1", "nobody"})};
  const WorkerReplies merged = merge_worker_replies(replies);
  EXPECT_EQ(merged.missing, std::vector<std::string>{"nobody"});
  EXPECT_FALSE(merged.all_answered());
}

TEST(WorkerRepliesTest, NobodyAskedOrABrokerThatRefusesIsNoSuccess) {
  EXPECT_FALSE(merge_worker_replies(NodeReplies{}).all_answered());
  NodeReplies replies;
  replies.replies = {broker("b1", {worker("w1", 1, "answer", "pong")})};
  EXPECT_TRUE(merge_worker_replies(replies).all_answered());
  replies.replies.emplace_back();
  replies.replies.back().node = "b2";
  replies.replies.back().error = "overloaded";
  EXPECT_FALSE(merge_worker_replies(replies).all_answered());
  EXPECT_EQ(merge_worker_replies(replies).refusals.size(), 1u);
  replies.replies.pop_back();
  replies.silent = {"tcp://b3"};
  EXPECT_FALSE(merge_worker_replies(replies).all_answered());
}

}  // namespace
}  // namespace baozi::client
