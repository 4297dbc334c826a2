#include "broker/once_table.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace baozi::broker {
namespace {

Uuid uuid(std::uint64_t n) { return make_uuid7(wall_time(1'800'000'000'000'000), n, n * n); }

/// Purges to the end, turn by turn; how many turns it took.
int purge(OnceTable& table, std::int64_t upto_us, std::vector<Uuid>& gone) {
  for (int turns = 1;; ++turns) {
    std::vector<Uuid> piece;
    const bool finished = table.purge(upto_us, piece);
    EXPECT_LE(piece.size(), 1'000u);
    gone.insert(gone.end(), piece.begin(), piece.end());
    if (finished) return turns;
  }
}

TEST(OnceTable, KnowsWhatItWasTold) {
  OnceTable table{10};
  EXPECT_FALSE(table.until(uuid(1)));
  table.add({uuid(1), 5});
  EXPECT_EQ(table.until(uuid(1)), 5);
  EXPECT_FALSE(table.until(uuid(2)));
  table.add({uuid(1), 9});
  EXPECT_EQ(table.until(uuid(1)), 9);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.has_room_for(9));
  EXPECT_FALSE(table.has_room_for(10));
}

TEST(OnceTable, AgreesWithAMapWhateverIsAddedAndPurged) {
  OnceTable table{1'000'000};
  std::map<Uuid, std::int64_t> model;
  std::uint64_t random = 1;
  const auto draw = [&](std::uint64_t below) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random >> 33U) % below;
  };
  for (int round = 0; round < 40; ++round) {
    for (std::uint64_t i = 0; i < 500; ++i) {
      const OnceMark mark{uuid(draw(20'000)), static_cast<std::int64_t>(draw(1'000))};
      table.add(mark);
      model[mark.id] = mark.until_us;
    }
    const auto upto = static_cast<std::int64_t>(draw(300));
    std::vector<Uuid> gone;
    purge(table, upto, gone);
    std::sort(gone.begin(), gone.end());
    std::vector<Uuid> expected;
    std::erase_if(model, [&](const auto& entry) {
      if (entry.second > upto) return false;
      expected.push_back(entry.first);
      return true;
    });
    ASSERT_EQ(gone, expected);
    ASSERT_EQ(table.size(), model.size());
    for (std::uint64_t n = 0; n < 20'000; n += 7) {
      const auto found = model.find(uuid(n));
      ASSERT_EQ(table.until(uuid(n)),
                found == model.end() ? std::nullopt : std::optional{found->second});
    }
  }
}

TEST(OnceTable, ManyAtOnceAreForgottenInPieces) {
  OnceTable table{100'000};
  for (std::uint64_t i = 0; i < 20'000; ++i) table.add({uuid(i), 100});
  table.add({uuid(1'000'000), 101});
  std::vector<Uuid> gone;
  EXPECT_GE(purge(table, 100, gone), 20);
  EXPECT_EQ(gone.size(), 20'000u);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.until(uuid(1'000'000)), 101);
}

TEST(OnceTable, AMarkTakesAtMost48Bytes) {
  OnceTable table{1'000'000};
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    table.add({uuid(i), 1});
    if (i > 20'000 && i % 5'000 == 0) {
      EXPECT_LE(table.memory(), i * 48);
    }
  }
}

TEST(OnceTable, IdsThatAreNoUuidAreHashedTheSameForEver) {
  // Part of the stored form: these must never change.
  const auto digest = [](std::string_view id) { return to_string(OnceTable::digest({false, id})); };
  EXPECT_EQ(digest("a"), "755b791c-60cc-73c6-b3e2-06ec5ad6baff");
  EXPECT_EQ(digest("report of 2026-11-26"), "674b6148-fe29-5d75-196b-9717d930dcf3");
  EXPECT_NE(digest("a"), digest(std::string_view{"a\0", 2}));
  std::map<std::string, int> seen;
  for (int i = 0; i < 20'000; ++i) ++seen[digest("tick " + std::to_string(i))];
  EXPECT_EQ(seen.size(), 20'000u);
}

TEST(OnceTable, AUuidIsItsOwnDigest) {
  const Uuid id = uuid(7);
  EXPECT_EQ(OnceTable::digest({true, id.view()}), id);
}

TEST(OnceTable, TheNilUuidCountsAsAnyOther) {
  const Uuid nil{};
  const Uuid digest = OnceTable::digest({true, nil.view()});
  EXPECT_FALSE(digest.is_nil());
  OnceTable table{10};
  table.add({digest, 100});
  table.add({digest, 200});
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.until(digest), 200);
}

TEST(OnceTable, ReadsWhatItWrote) {
  const OnceMark mark{uuid(3), 1'800'000'000'000'123};
  const store::Record record{store::Space::marks, OnceTable::key(mark.id),
                             OnceTable::pack(mark.until_us)};
  EXPECT_EQ(record.key.size() + record.value->size(), 25u);
  EXPECT_EQ(OnceTable::unpack(record), mark);
  store::Record other = record;
  other.key[0] = 'u';  // a revocation
  EXPECT_FALSE(OnceTable::unpack(other));
  other = record;
  other.value->pop_back();
  EXPECT_FALSE(OnceTable::unpack(other));
  other = record;
  other.space = store::Space::dead;
  EXPECT_FALSE(OnceTable::unpack(other));
}

}  // namespace
}  // namespace baozi::broker
