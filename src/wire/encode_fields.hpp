/// \file encode_fields.hpp
/// What the encoders share: the frame, which is reserved whole and then filled, and the pieces that
/// several messages have.
#pragma once
#include <bit>
#include <cstring>

#include "wire/codec.hpp"

namespace baozi::wire::detail {

/// A frame being written: the header first, then `fields` more elements.
class Frame {
 public:
  Frame(Type type, std::uint64_t session, std::uint64_t seq, std::uint32_t fields,
        std::size_t size_hint = 64) {
    bytes_.reserve(size_hint);
    out.array(4 + fields);
    out.uinteger(protocol_version);
    out.uinteger(static_cast<std::uint64_t>(type));
    out.uinteger(session);
    out.uinteger(seq);
  }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;

 public:
  Writer out{bytes_};
};

/// The numbers at the head of a batch's entry, put together on the stack and appended in one piece:
/// that is half the price of appending them one by one. Holds an array's head and up to seven
/// numbers.
class EntryHead {
 public:
  explicit EntryHead(std::uint8_t fields) { *at_++ = static_cast<char>(0x90U | fields); }
  EntryHead& number(std::uint64_t value) {
    if (value < 0x80) return one(value);
    return wide(0xCC, value, value <= 0xFF ? 0 : value <= 0xFFFF ? 1 : value <= 0xFFFFFFFF ? 2 : 3);
  }
  EntryHead& integer(std::int64_t value) {
    if (value >= 0) [[likely]]
      return number(static_cast<std::uint64_t>(value));
    if (value >= -32) return one(static_cast<std::uint64_t>(value));
    return wide(0xD0, static_cast<std::uint64_t>(value),
                value >= INT8_MIN    ? 0
                : value >= INT16_MIN ? 1
                : value >= INT32_MIN ? 2
                                     : 3);
  }
  [[nodiscard]] std::string_view view() const {
    return {bytes_, static_cast<std::size_t>(at_ - bytes_)};
  }

 private:
  EntryHead& one(std::uint64_t value) {
    *at_++ = static_cast<char>(value);
    return *this;
  }
  EntryHead& wide(unsigned head, std::uint64_t value, unsigned size) {
    *at_++ = static_cast<char>(head + size);
    std::uint64_t word = value << (64U - (8U << size));
    if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
    std::memcpy(at_, &word,
                sizeof word);  // always eight bytes; the next number overwrites the surplus
    at_ += std::size_t{1} << size;
    return *this;
  }

  char bytes_[1 + 7 * 9 + 8];
  char* at_ = bytes_;
};

template <class Enum>
std::uint64_t number(Enum value) {
  return static_cast<std::uint64_t>(value);
}

inline void origin(Writer& out, BytesView bytes) {
  if (bytes.empty()) {
    out.nil();
  } else {
    out.bin(bytes);
  }
}
inline void name_or_nil(Writer& out, std::string_view name) {
  if (name.empty()) {
    out.nil();
  } else {
    out.str(name);
  }
}
inline void raw_list(Writer& out, BytesView packed) {
  if (packed.empty()) {
    out.array(0);
  } else {
    out.raw(packed);
  }
}
inline void raw_or_nil(Writer& out, BytesView packed) {
  if (packed.empty()) {
    out.nil();
  } else {
    out.raw(packed);
  }
}
inline void ids(Writer& out, const std::vector<IdView>& list) {
  out.array(list.size());
  for (const IdView& id : list) pack_id(out, id);
}
inline void names(Writer& out, const std::vector<std::string_view>& list) {
  out.array(list.size());
  for (const std::string_view name : list) out.str(name);
}
inline void task_limits(Writer& out, const std::vector<TaskLimit>& list) {
  out.array(list.size());
  for (const TaskLimit& limit : list) {
    out.array(3);
    out.str(limit.name);
    out.uinteger(limit.concurrency);
    out.uinteger(limit.interval_us);
  }
}

}  // namespace baozi::wire::detail
