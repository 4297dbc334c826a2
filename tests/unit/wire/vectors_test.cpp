// Frames that another program wrote (tests/vectors/generate.py) mean what it says they mean, and
// our encoder makes the same bytes.
#include <gtest/gtest.h>

#include "frames.hpp"

namespace baozi::wire_test {
namespace {

class Vectors : public testing::TestWithParam<const char*> {};

TEST_P(Vectors, DecodeToTheirMeaning) {
  const Json file = load_vectors(GetParam() + std::string{".json"});
  for (const Json& vector : file["vectors"]) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    const Bytes frame = from_hex(vector["hex"].get<std::string>());
    const auto open = wire::open_frame(frame);
    ASSERT_TRUE(open) << open.error().message;
    EXPECT_EQ(static_cast<int>(open->header.type), file["type"].get<int>());
    EXPECT_STREQ(wire::to_string(open->header.type), file["message"].get<std::string>().c_str());
    EXPECT_EQ(open->header.session, vector["session"].get<std::uint64_t>());
    EXPECT_EQ(open->header.seq, vector["seq"].get<std::uint64_t>());
    EXPECT_EQ(meaning_of(frame), vector["meaning"]);
  }
}

TEST_P(Vectors, AreWhatOurEncoderWrites) {
  for (const Json& vector : load_list(GetParam() + std::string{".json"}, "vectors")) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    const Bytes frame = from_hex(vector["hex"].get<std::string>());
    EXPECT_EQ(to_hex(encoded_again(frame)), to_hex(frame));
  }
}

INSTANTIATE_TEST_SUITE_P(Messages, Vectors, testing::ValuesIn(vector_files),
                         [](const auto& file) { return std::string{file.param}; });

TEST(Exchange, IsWhatWeWouldWriteAndStandsInTheDocument) {
  std::ifstream file{std::string{BAOZI_SOURCE_DIR} + "/docs/protocol.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  for (const Json& step : load_list("exchange.json", "frames")) {
    const auto hex = step["hex"].get<std::string>();
    SCOPED_TRACE(step["message"].get<std::string>() + " " + hex);
    EXPECT_EQ(meaning_of(from_hex(hex)), step["meaning"]);
    EXPECT_EQ(to_hex(encoded_again(from_hex(hex))), hex);
    EXPECT_NE(text.find(hex + '\n'), std::string::npos)
        << "docs/protocol.md, section 14, shows another frame";
  }
}

TEST(Tolerance, FramesOfOtherAndNewerEncodersAreRead) {
  for (const Json& row : load_list("tolerated.json", "frames")) {
    SCOPED_TRACE(row["name"].get<std::string>());
    std::string file = row["like"][0].get<std::string>();
    for (char& c : file) c = static_cast<char>(std::tolower(c));
    bool found = false;
    for (const Json& vector : load_list(file + ".json", "vectors")) {
      if (vector["name"] != row["like"][1]) continue;
      found = true;
      EXPECT_EQ(meaning_of(from_hex(row["hex"].get<std::string>())), vector["meaning"]);
    }
    EXPECT_TRUE(found);
  }
}

TEST(Tolerance, WhatOtherClientsMustRefuseIsRefusedHere) {
  for (const Json& row : load_list("refused.json", "frames")) {
    SCOPED_TRACE(row["name"].get<std::string>());
    const auto refusal = refusal_of(from_hex(row["hex"].get<std::string>()));
    ASSERT_TRUE(refusal);
    EXPECT_EQ(to_string(refusal->code), row["error"].get<std::string>());
  }
}

TEST(Tolerance, TheTextOfAUuidIsTheSameIdAsItsBytes) {
  Bytes text;
  Writer{text}.str("018BCFE5-6800-7000-8000-000000000001");
  Bytes bytes;
  Writer{bytes}.bin(from_hex("018bcfe5680070008000000000000001"));
  Reader a{text};
  Reader b{bytes};
  EXPECT_EQ(wire::read_id(a).to_id(), wire::read_id(b).to_id());
}

TEST(Options, AreReadWhereTheBrokerNeedsThem) {
  const Json vectors = load_list("submit.json", "vectors");
  const Bytes frame = from_hex(vectors[2]["hex"].get<std::string>());
  const auto open = wire::open_frame(frame);
  wire::Submit submit;
  ASSERT_TRUE(wire::decode(*open, submit));
  const wire::TaskOptions& options = submit.tasks[0].options;
  EXPECT_EQ(options.eta_us, 1'700'000'060'000'000);
  EXPECT_EQ(options.expires_us, 1'700'003'600'000'000);
  EXPECT_EQ(options.priority, 7);
  EXPECT_TRUE(options.ignore_result);
  EXPECT_TRUE(options.acks_early);
  EXPECT_EQ(options.generation, 2U);
  EXPECT_EQ(options.delivery_limit, 10U);
  const wire::TaskOptions& defaults = submit.tasks[1].options;
  EXPECT_FALSE(defaults.eta_us || defaults.expires_us || defaults.ignore_result ||
               defaults.acks_early);
  EXPECT_EQ(defaults.priority, 4);
  EXPECT_EQ(defaults.generation, 0U);
}

TEST(Reuse, AMessageDecodedIntoAgainKeepsNothingOfTheFrameBefore) {
  const Json vectors = load_list("deliver.json", "vectors");
  wire::Deliver reused;
  for (const int index : {2, 0, 1, 2, 0}) {
    const Bytes frame =
        from_hex(vectors[static_cast<std::size_t>(index)]["hex"].get<std::string>());
    const auto open = wire::open_frame(frame);
    ASSERT_TRUE(wire::decode(*open, reused));
    EXPECT_EQ(to_json(reused), vectors[static_cast<std::size_t>(index)]["meaning"]);
  }
}

TEST(Reuse, AFrameThatDoesNotDecodeLeavesAnEmptyList) {
  const Bytes good = from_hex(load_list("submit.json", "vectors")[1]["hex"].get<std::string>());
  wire::Submit submit;
  ASSERT_TRUE(wire::decode(*wire::open_frame(good), submit));
  ASSERT_EQ(submit.tasks.size(), 2U);
  const BytesView cut = BytesView{good}.substr(0, good.size() - 1);
  const auto open = wire::open_frame(cut);
  ASSERT_TRUE(open);
  EXPECT_FALSE(wire::decode(*open, submit));
  EXPECT_TRUE(submit.tasks.empty());
}

TEST(PackedSubmit, IsTheSameFrameAsTheTasksOneByOne) {
  const Bytes frame = from_hex(load_list("submit.json", "vectors")[2]["hex"].get<std::string>());
  const auto open = wire::open_frame(frame);
  wire::Submit submit;
  ASSERT_TRUE(wire::decode(*open, submit));
  Bytes packed;
  for (const wire::TaskView& task : submit.tasks) packed.append(task.raw);
  EXPECT_EQ(wire::encode(open->header.session, open->header.seq,
                         wire::PackedSubmit{.number = submit.number,
                                            .origin = submit.origin,
                                            .home = submit.home,
                                            .flags = submit.flags,
                                            .count = submit.tasks.size(),
                                            .tasks = packed}),
            frame);
}

}  // namespace
}  // namespace baozi::wire_test
