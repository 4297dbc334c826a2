// What a stranger may send. Every case is refused with the code that says why, and no frame, good
// or bad, makes the decoder ask for more memory than a small multiple of the frame's own size.
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "counting_new.hpp"
#include "hostile_frames.hpp"

namespace baozi::wire_test {
namespace {

class Refuses : public testing::TestWithParam<Hostile> {};

TEST_P(Refuses, WithTheCodeThatSaysWhy) {
  const auto refusal = refusal_of(GetParam().frame);
  ASSERT_TRUE(refusal) << "it was taken";
  EXPECT_STREQ(to_string(refusal->code), to_string(GetParam().want)) << refusal->message;
  EXPECT_FALSE(refusal->message.empty());
}

INSTANTIATE_TEST_SUITE_P(Hostile, Refuses, testing::ValuesIn(hostile_frames()),
                         [](const auto& row) { return std::string{row.param.why}; });

// What the error itself may cost, and what a byte of a frame may cost: a task of nine bytes becomes
// a TaskView, the dearest there is.
constexpr std::size_t budget_of_an_error = 512;
constexpr std::size_t budget_per_byte = 24;

void expect_within_budget(BytesView frame, const char* what) {
  const std::size_t before = allocated_bytes();
  { const auto refusal = refusal_of(frame); }
  const std::size_t spent = allocated_bytes() - before;
  EXPECT_LE(spent, budget_of_an_error + budget_per_byte * frame.size())
      << what << ", " << frame.size() << " bytes";
}

TEST(Budget, HoldsForEveryHostileFrame) {
  for (const Hostile& row : hostile_frames()) expect_within_budget(row.frame, row.why);
}

TEST(Budget, HoldsForTheCheapestElementsInTheLargestNumber) {
  // clang-format off
  const auto id = text("i");
  const struct {
    const char* what;
    Bytes frame;
  } frames[] = {
      {"tasks", submit(list_of(10'000, small_task))},
      {"follow-ups", done(4, list_of(1'000, small_task))},
      {"follow-ups of many entries", frame(wire::Type::done, 2, [](Writer& o) {
         o.uinteger(1);
         list_of(10'000, [](Writer& e) { e.array(4), e.uinteger(1), e.uinteger(4), e.uinteger(0), e.array(1), small_task(e); })(o);
       })},
      {"settlements", frame(wire::Type::done, 2, [](Writer& o) {
         o.uinteger(1);
         list_of(10'000, [](Writer& e) { e.array(4), e.uinteger(1), e.uinteger(4), e.uinteger(0), e.array(0); })(o);
       })},
      {"delivery groups", frame(wire::Type::deliver, 1, list_of(10'000, [](Writer& o) { o.array(3), o.nil(), o.nil(), o.array(0); }))},
      {"deliveries", frame(wire::Type::deliver, 1, list_of(1'000, [](Writer& o) {
         o.array(3), o.nil(), o.nil();
         list_of(10, [](Writer& e) { e.array(7), times(6, [](Writer& n) { n.uinteger(0); })(e), small_task(e); })(o);
       }))},
      {"results", frame(wire::Type::result, 2, [](Writer& o) {
         o.uinteger(1);
         list_of(1'000, [](Writer& g) {
           g.array(3), g.nil(), g.nil();
           list_of(10, [](Writer& e) {
             e.array(5), e.uinteger(0), e.uinteger(0), e.uinteger(0);
             record_with(e, 4, [](Writer& m) { m.map(0); });
             e.array(0);
           })(g);
         })(o);
       })},
      {"ids", frame(wire::Type::fetch, 2, [&](Writer& o) { o.uinteger(1), list_of(10'000, id)(o); })},
      {"holds", hello(6, [](Writer& o) { o.map(0), list_of(65'536, [](Writer& h) { h.array(5), h.uinteger(1), h.uinteger(1), h.uinteger(1), h.uinteger(1), h.str("a"); })(o); })},
      {"queues", hello(5, [&](Writer& o) { o.map(1), o.uinteger(2), list_of(1'000, id)(o); })},
      {"collectors", welcome(1'000, 1'000, list_of(64, [&](Writer& o) { o.array(2), o.str("c"), list_of(16, id)(o); }))},
      {"refusals", frame(wire::Type::submitted, 2, [](Writer& o) { o.uinteger(1), list_of(10'000, [](Writer& e) { e.array(6), e.uinteger(1), e.uinteger(1), e.uinteger(0), e.uinteger(0), e.uinteger(0), e.array(0); })(o); })},
      {"task refusals", frame(wire::Type::submitted, 2, [](Writer& o) { o.uinteger(1), o.array(1), o.array(6), o.uinteger(1), o.uinteger(2), o.uinteger(0), o.uinteger(0), o.uinteger(0), list_of(10'000, [](Writer& e) { e.array(3), e.uinteger(0), e.uinteger(0), e.str(""); })(o); })},
      {"exceptions", frame(wire::Type::done_ok, 2, [](Writer& o) { o.uinteger(1), list_of(10'000, [](Writer& e) { e.array(2), e.uinteger(1), e.uinteger(1); })(o); })},
      {"nacks", frame(wire::Type::nack, 2, [](Writer& o) { o.uinteger(1), list_of(10'000, [](Writer& e) { e.array(4), e.uinteger(1), e.uinteger(1), e.uinteger(0), e.str(""); })(o); })},
      {"losses", frame(wire::Type::stored, 2, [](Writer& o) { o.uinteger(1), list_of(10'000, [](Writer& e) { e.array(5), e.uinteger(1), e.uinteger(2), e.nil(), e.array(0), e.str(""); })(o); })},
      {"states", frame(wire::Type::state, 1, list_of(10'000, [](Writer& o) { o.array(3), o.nil(), o.nil(), o.array(1), o.array(3), o.str("i"), o.str("S"), o.nil(); }))},
      {"fetched", frame(wire::Type::fetched, 2, [](Writer& o) { o.uinteger(1), list_of(10'000, [](Writer& e) { e.array(8), e.str("i"), times(4, [](Writer& n) { n.uinteger(0); })(e), e.nil(), e.nil(), e.array(0); })(o); })},
      {"events", frame(wire::Type::events, 3, [](Writer& o) { o.uinteger(1), o.uinteger(0), list_of(10'000, [](Writer& e) { e.array(5), e.uinteger(1), e.uinteger(0), e.nil(), e.nil(), e.map(0); })(o); })},
      {"followed groups", frame(wire::Type::followed, 5, [](Writer& o) { times(4, [](Writer& n) { n.uinteger(0); })(o), list_of(10'000, [](Writer& g) { g.array(2), g.str("n"), g.array(0); })(o); })},
      {"followed events", frame(wire::Type::followed, 5, [](Writer& o) { times(4, [](Writer& n) { n.uinteger(0); })(o), o.array(1), o.array(2), o.str("n"), list_of(10'000, [](Writer& e) { e.array(2), e.uinteger(1), e.array(5), e.uinteger(1), e.uinteger(0), e.nil(), e.nil(), e.map(0); })(o); })},
  };
  // clang-format on
  for (const auto& row : frames) {
    EXPECT_FALSE(refusal_of(row.frame)) << row.what << ": " << refusal_of(row.frame)->message;
    expect_within_budget(row.frame, row.what);
    expect_within_budget(BytesView{row.frame}.substr(0, row.frame.size() - 1), row.what);
  }
}

TEST(Truncation, EveryPrefixOfEveryVectorIsRefused) {
  for (const char* file : vector_files) {
    for (const Json& vector : load_list(file + std::string{".json"}, "vectors")) {
      const Bytes whole = from_hex(vector["hex"].get<std::string>());
      for (std::size_t size = 0; size < whole.size(); ++size) {
        // A copy of just that size, so that a sanitizer sees a read beyond it.
        const std::vector<char> prefix(whole.begin(),
                                       whole.begin() + static_cast<std::ptrdiff_t>(size));
        const BytesView view{prefix.data(), prefix.size()};
        const auto refusal = refusal_of(view);
        ASSERT_TRUE(refusal) << file << ' ' << vector["name"] << " cut to " << size;
        EXPECT_EQ(refusal->code, Errc::malformed)
            << file << ' ' << vector["name"] << " cut to " << size;
        expect_within_budget(view, file);
      }
      expect_within_budget(whole, file);
    }
  }
}

TEST(Mutation, AnyByteOfAnyVectorMayBeAnythingWithoutHarm) {
  Random random{20'240'607};
  for (const char* file : vector_files) {
    for (const Json& vector : load_list(file + std::string{".json"}, "vectors")) {
      const Bytes whole = from_hex(vector["hex"].get<std::string>());
      for (std::size_t i = 0; i < whole.size(); ++i) {
        Bytes changed = whole;
        changed[i] = static_cast<char>(random.next());
        expect_within_budget(changed, file);
        if (refusal_of(changed)) continue;
        EXPECT_EQ(meaning_of(encoded_again(changed)), meaning_of(changed)) << file << " byte " << i;
      }
    }
  }
}

}  // namespace
}  // namespace baozi::wire_test
