// A queue at its hard limit (delivery.md D25), with real programs.
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"
#include "support/eventually.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class FullQueueTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  /// A broker whose queue "next" holds two tasks, also of follow-ups, and a worker that takes none
  /// of it.
  void start(const std::string& patience) {
    cluster.start_broker({"--queue", "next:tasks=2:overflow=0", "--queue-patience", patience});
    cluster.start_collector();
    cluster.start_worker(0, 1, {"-Q", "default"});
  }
  /// Tasks, each of which enqueues one in "next".
  std::vector<AsyncResult<std::int64_t>> call_parents(App& client, int first, int count) {
    std::vector<AsyncResult<std::int64_t>> results;
    for (int i = first; i < first + count; ++i) {
      results.push_back(client.send<std::int64_t>("t.parent_of", "next", path, i));
    }
    return results;
  }
  bool is(const std::string& number, long long value) {
    return eventually([&] { return cluster.status(number) == value; });
  }
  void expect_children(const std::set<long long>& numbers) {
    std::multiset<long long> marks;
    EXPECT_TRUE(eventually([&] {
      marks.clear();
      std::ifstream in{path};
      for (long long number = 0; in >> number;) marks.insert(number);
      return marks.size() >= numbers.size();
    }));
    EXPECT_EQ(marks, std::multiset<long long>(numbers.begin(), numbers.end()))
        << "each of them once";
    EXPECT_TRUE(is("books.queued", 0) && is("books.leased", 0) && cluster.books_balance());
  }

  Cluster cluster;
  std::string path = cluster.folder() / "marks";
};

TEST_F(FullQueueTest, ParentsWaitAsLongAsTheirQueueIsFullAndNothingIsLostWhenSomebodyDrainsIt) {
  start("1h");
  App client{AppOptions{.broker = cluster.address()}};
  auto parents = call_parents(client, 0, 6);
  for (std::size_t i = 0; i < parents.size(); ++i)
    EXPECT_EQ(parents[i].get(30s), static_cast<std::int64_t>(i));
  ASSERT_TRUE(is("kept.held_done", 4)) << cluster.status("kept.held_done");
  EXPECT_EQ(cluster.status("books.queued"), 2);
  EXPECT_EQ(cluster.status("books.leased"), 4);
  cluster.start_worker(1, 1, {"-Q", "next"});
  expect_children({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(cluster.status("books.succeeded"), 12);
  EXPECT_EQ(cluster.status("counters.done_held"), 4);
  EXPECT_EQ(cluster.status("counters.done_overdue"), 0);
}

TEST_F(FullQueueTest, WithNobodyToDrainItWhatWasDecidedGoesInAndWhatComesFails) {
  start("500ms");
  App client{AppOptions{.broker = cluster.address()}};
  // The first ones find room, the next ones are decided before anybody knows how it is.
  int number = 0;
  std::set<long long> children;
  ASSERT_TRUE(eventually([&] {
    const bool succeeds = call_parents(client, number, 1).front().get_for(30s).successful();
    if (succeeds) children.insert(number);
    ++number;
    return !succeeds;
  }));
  EXPECT_GE(children.size(), 2u);
  try {
    call_parents(client, number, 1).front().get(30s);
    FAIL() << "it did not throw";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "QueueFull");
    EXPECT_EQ(error.message(),
              "queue 'next' has no room for the tasks that it enqueued, and nobody takes tasks "
              "from there");
  }
  cluster.start_worker(1, 1, {"-Q", "next"});
  expect_children(children);
  EXPECT_EQ(call_parents(client, 1000, 1).front().get(30s), 1000) << "there is room again";
  children.insert(1000);
  expect_children(children);
}

}  // namespace
}  // namespace baozi::test
