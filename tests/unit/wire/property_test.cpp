// decode(encode(m)) == m for random messages of every type, and Reader and Writer against
// msgpack-c, which was written by others.
#include <gtest/gtest.h>
#include <msgpack.hpp>

#include "frames.hpp"
#include "random_messages.hpp"

namespace baozi::wire_test {
namespace {

template <class Message>
class RoundTrip : public testing::Test {};

using Messages = testing::Types<
    wire::Hello, wire::Welcome, wire::Ping, wire::Pong, wire::Goodbye, wire::ErrorMessage,
    wire::Collectors, wire::Submit, wire::Submitted, wire::Credit, wire::Deliver, wire::Done,
    wire::DoneOk, wire::Nack, wire::ResultMessage, wire::Stored, wire::Watch, wire::StateMessage,
    wire::Fetch, wire::Fetched, wire::Forget, wire::Control, wire::Reply, wire::Revoke,
    wire::Queues, wire::Tasks, wire::Events, wire::EventsOk, wire::Follow, wire::Followed>;
TYPED_TEST_SUITE(RoundTrip, Messages);

TYPED_TEST(RoundTrip, DecodingWhatWasEncodedGivesTheSameMessage) {
  TypeParam reused;  // as the nodes do: one message per type, decoded into again and again
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomMessages random{seed};
    TypeParam message;
    random.fill(message);
    const std::uint64_t session = random.number() | 1U;
    const std::uint64_t seq = random.number();
    const Bytes frame = wire::encode(session, seq, message);
    const auto open = wire::open_frame(frame);
    ASSERT_TRUE(open) << open.error().message;
    EXPECT_EQ(open->header.session, session);
    EXPECT_EQ(open->header.seq, seq);
    const auto decoded = wire::decode(*open, reused);
    ASSERT_TRUE(decoded) << decoded.error().message;
    // Text is any bytes, and JSON compares them as they are.
    ASSERT_EQ(to_json(reused), to_json(message));
    EXPECT_EQ(wire::encode(session, seq, reused), frame);
  }
}

/// Reads with our Reader what a msgpack-c object says stands there.
void expect_same(Reader& in, const msgpack::object& want) {
  switch (want.type) {
    case msgpack::type::NIL: EXPECT_TRUE(in.try_nil()); break;
    case msgpack::type::BOOLEAN: EXPECT_EQ(in.boolean(), want.via.boolean); break;
    case msgpack::type::POSITIVE_INTEGER: EXPECT_EQ(in.uinteger(), want.via.u64); break;
    case msgpack::type::NEGATIVE_INTEGER: EXPECT_EQ(in.integer(), want.via.i64); break;
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64: EXPECT_EQ(in.real(), want.via.f64); break;
    case msgpack::type::STR:
      EXPECT_EQ(in.str(), (std::string_view{want.via.str.ptr, want.via.str.size}));
      break;
    case msgpack::type::BIN:
      EXPECT_EQ(in.bin(), (std::string_view{want.via.bin.ptr, want.via.bin.size}));
      break;
    case msgpack::type::ARRAY:
      ASSERT_EQ(in.array(), want.via.array.size);
      for (std::uint32_t i = 0; i < want.via.array.size; ++i)
        expect_same(in, want.via.array.ptr[i]);
      break;
    case msgpack::type::MAP:
      ASSERT_EQ(in.map(), want.via.map.size);
      for (std::uint32_t i = 0; i < want.via.map.size; ++i) {
        expect_same(in, want.via.map.ptr[i].key);
        expect_same(in, want.via.map.ptr[i].val);
      }
      break;
    case msgpack::type::EXT: in.skip(); break;
  }
}

TEST(Oracle, MsgpackCReadsWhatOurWriterWrites) {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomMessages random{seed};
    const BytesView ours = random.value();
    std::size_t end = 0;
    const auto theirs = msgpack::unpack(ours.data(), ours.size(), end);
    ASSERT_EQ(end, ours.size());
    Reader in{ours};
    expect_same(in, theirs.get());
    EXPECT_TRUE(in.ok() && in.at_end());
    // And it packs the same bytes, but for the floats of 32 bits, which it reads as doubles.
    msgpack::sbuffer again;
    msgpack::pack(again, theirs.get());
    EXPECT_EQ(to_hex({again.data(), again.size()}), to_hex(ours));
  }
}

void pack_theirs(msgpack::packer<msgpack::sbuffer>& out, Random& random, int depth_left) {
  switch (random.below(depth_left > 0 ? 11 : 9)) {
    case 0: out.pack_nil(); break;
    case 1: random.chance(0.5) ? out.pack_true() : out.pack_false(); break;
    case 2: out.pack_uint64(random.next() >> random.below(64)); break;
    case 3:
      out.pack_int64(-static_cast<std::int64_t>(random.next() >> (1 + random.below(63))));
      break;
    case 4: out.pack_fix_uint64(random.below(200)); break;  // wider than it need be
    case 5: out.pack_double(random.unit()); break;
    case 6: out.pack_fix_int32(-static_cast<std::int32_t>(random.below(200))); break;
    case 7: {
      const std::string text(random.below(300), 't');
      out.pack_str(static_cast<std::uint32_t>(text.size()));
      out.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
      break;
    }
    case 8: {
      const std::string bytes(random.below(70'000), 'b');
      out.pack_bin(static_cast<std::uint32_t>(bytes.size()));
      out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
      break;
    }
    case 9: {
      const auto n = static_cast<std::uint32_t>(random.below(20));
      out.pack_array(n);
      for (std::uint32_t i = 0; i < n; ++i) pack_theirs(out, random, depth_left - 1);
      break;
    }
    default: {
      const auto n = static_cast<std::uint32_t>(random.below(20));
      out.pack_map(n);
      for (std::uint32_t i = 0; i < 2 * n; ++i) pack_theirs(out, random, depth_left - 1);
      break;
    }
  }
}

TEST(Oracle, OurReaderReadsWhatMsgpackCWrites) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random{seed};
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out{buffer};
    pack_theirs(out, random, 3);
    const std::string_view bytes{buffer.data(), buffer.size()};
    const auto want = msgpack::unpack(bytes.data(), bytes.size());
    Reader in{bytes};
    expect_same(in, want.get());
    EXPECT_TRUE(in.ok() && in.at_end());
    Reader skipper{bytes};
    EXPECT_EQ(skipper.skip().size(), bytes.size());
  }
}

TEST(Oracle, EveryLengthOfStringAndCountRoundsOverItsEdges) {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 31U, 32U, 255U, 256U, 65'535U, 65'536U}) {
    SCOPED_TRACE(size);
    Bytes ours;
    Writer out{ours};
    const std::string text(size, 'x');
    out.str(text);
    out.bin(text);
    out.array(size);
    for (std::size_t i = 0; i < size; ++i) out.nil();
    out.map(size);
    for (std::size_t i = 0; i < 2 * size; ++i) out.nil();
    Reader in{ours};
    std::size_t offset = 0;
    for (int i = 0; i < 4; ++i) {
      const auto want = msgpack::unpack(ours.data(), ours.size(), offset);
      expect_same(in, want.get());
    }
    EXPECT_TRUE(in.ok() && in.at_end());
  }
}

}  // namespace
}  // namespace baozi::wire_test
