#include "client/result_table.hpp"

#include <map>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace baozi::client {
namespace {

TEST(ResultTable, KeepsEveryIdThroughAnyOrderOfAddingAndTaking) {
  Random random{7};
  ResultTable table;
  std::map<TaskId, Tag> model;
  std::uint64_t next = 1;
  for (int step = 0; step < 200'000; ++step) {
    if (model.empty() || random.chance(step < 100'000 ? 0.6 : 0.4)) {
      const TaskId id{make_uuid7(wall_time(5'000), random.next(), random.next())};
      table.add_own(wire::view_of(id), Tag{next});
      model[id] = Tag{next++};
    } else {
      auto at =
          model.lower_bound(TaskId{make_uuid7(wall_time(5'000), random.next(), random.next())});
      if (at == model.end()) at = model.begin();
      std::vector<Tag> tags;
      table.take(wire::view_of(at->first), tags);
      ASSERT_EQ(tags, std::vector{at->second});
      ASSERT_FALSE(table.contains(wire::view_of(at->first)));
      model.erase(at);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  std::vector<TaskId> ids;
  table.own_ids(ids);
  EXPECT_EQ(ids.size(), model.size());
  for (const auto& [id, tag] : model) EXPECT_TRUE(table.contains(wire::view_of(id)));
}

TEST(ResultTable, RemovingForOneCallerLeavesTheOther) {
  ResultTable table;
  const TaskId id = TaskId::from_text("order-1");
  table.add_own(wire::view_of(id), Tag{1});
  table.add_foreign(id, Tag{2});
  EXPECT_TRUE(table.remove(wire::view_of(id), Tag{1}));
  EXPECT_FALSE(table.remove(wire::view_of(id), Tag{1}));
  std::vector<Tag> tags;
  table.take(wire::view_of(id), tags);
  EXPECT_EQ(tags, std::vector{Tag{2}});
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace baozi::client
