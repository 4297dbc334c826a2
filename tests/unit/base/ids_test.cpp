#include "base/ids.hpp"

#include <unordered_set>

#include <gtest/gtest.h>

namespace baozi {
namespace {

TEST(Uuid7, HoldsTheWallClockInMilliseconds) {
  // given the example of RFC 9562, appendix A.6: 2022-02-22 14:22:22.00 -05:00
  const Uuid id = make_uuid7(wall_time(1'645'557'742'000'000), 0, 0);
  EXPECT_EQ(to_string(id).substr(0, 13), "017f22e2-79b0");
}

TEST(Uuid7, SaysItsVersionAndVariantWhateverTheRandomBitsAre) {
  for (const std::uint64_t bits : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    const std::string text = to_string(make_uuid7(wall_time(0), bits, bits));
    EXPECT_EQ(text[14], '7');
    EXPECT_TRUE(text[19] == '8' || text[19] == 'b') << text;
  }
}

TEST(Uuid7, SortsByTime) {
  EXPECT_LT(make_uuid7(wall_time(1'000), ~0ULL, ~0ULL), make_uuid7(wall_time(2'000), 0, 0));
}

TEST(Uuid, ReadsBackWhatItWrites) {
  const Uuid id = make_uuid7(wall_time(1'700'000'000'000'000), 0x1234, 0x56789ABCDEF01234);
  EXPECT_EQ(parse_uuid(to_string(id)), id);
  EXPECT_EQ(Uuid::from_bytes(id.view()), id);
}

TEST(Uuid, ReadsUpperCaseAsTheSameId) {
  EXPECT_EQ(parse_uuid("01890A5D-AC96-774B-BCCE-B302099A8057"),
            parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057"));
}

struct NotAUuid {
  const char* why;
  const char* text;
};
const NotAUuid not_uuids[] = {
    {"Empty", ""},
    {"OneDigitShort", "01890a5d-ac96-774b-bcce-b302099a805"},
    {"OneDigitLong", "01890a5d-ac96-774b-bcce-b302099a80577"},
    {"NoHyphens", "01890a5dac96774bbcceb302099a8057"},
    {"HyphenMoved", "01890a5da-c96-774b-bcce-b302099a8057"},
    {"HyphenInAGroup", "01890a5d-ac96-774b-bcce-b302099a-057"},
    {"NotHexadecimal", "01890a5d-ac96-774b-bcce-b302099a805g"},
    {"InBraces", "{01890a5d-ac96-774b-bcce-b302099a805}"},
};
class ParseUuid : public testing::TestWithParam<NotAUuid> {};
TEST_P(ParseUuid, Refuses) { EXPECT_FALSE(parse_uuid(GetParam().text).has_value()); }
INSTANTIATE_TEST_SUITE_P(Malformed, ParseUuid, testing::ValuesIn(not_uuids),
                         [](const auto& row) { return std::string{row.param.why}; });

TEST(TaskId, TakesUuidTextAndItsBytesForTheSameId) {
  const TaskId from_text = TaskId::from_text("01890A5D-ac96-774b-bcce-b302099a8057");
  ASSERT_TRUE(from_text.is_uuid());
  const TaskId from_bytes{Uuid::from_bytes(from_text.uuid().view())};
  EXPECT_EQ(from_text, from_bytes);
  EXPECT_EQ(std::hash<TaskId>{}(from_text), std::hash<TaskId>{}(from_bytes));
  EXPECT_EQ(from_text.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
}

TEST(TaskId, KeepsAnyOtherTextAsItIs) {
  const TaskId id = TaskId::from_text("invoice/2024-11");
  EXPECT_FALSE(id.is_uuid());
  EXPECT_EQ(id.to_string(), "invoice/2024-11");
  EXPECT_NE(id, TaskId::from_text("invoice/2024-12"));
}

TEST(TaskId, IsEmptyOnlyWhenNothingWasSet) {
  EXPECT_TRUE(TaskId{}.empty());
  EXPECT_TRUE(TaskId::from_text("").empty());
  EXPECT_FALSE(TaskId::from_text("x").empty());
}

TEST(DeliveryNumber, GivesBackItsThreeParts) {
  const std::uint32_t epoch = (1U << delivery_epoch_bits) - 1;
  const std::uint32_t generation = (1U << delivery_generation_bits) - 2;
  const std::uint32_t slot = (1U << delivery_slot_bits) - 3;
  const DeliveryNumber number = make_delivery_number(epoch, generation, slot);
  EXPECT_EQ(epoch_of(number), epoch);
  EXPECT_EQ(generation_of(number), generation);
  EXPECT_EQ(slot_of(number), slot);
}

TEST(DeliveryNumber, OfALaterEpochIsGreater) {
  const std::uint32_t most = (1U << delivery_generation_bits) - 1;
  EXPECT_LT(make_delivery_number(1, most, most), make_delivery_number(2, 0, 0));
}

TEST(Hashing, SpreadsIdsOfTheSameMillisecond) {
  std::unordered_set<std::size_t> seen;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    seen.insert(std::hash<Uuid>{}(make_uuid7(wall_time(0), 0, i << 32U)));
  }
  EXPECT_EQ(seen.size(), 1'000u);
}

TEST(Bytes, AreShownAsLowerCaseHexadecimal) {
  EXPECT_EQ(to_hex(BytesView{"\x00\x7f\xff", 3}), "007fff");
  EXPECT_EQ(to_hex(""), "");
}

}  // namespace
}  // namespace baozi
