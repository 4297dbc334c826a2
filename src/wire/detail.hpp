/// \file detail.hpp
/// Pieces of the codec that its sources share. What a batch runs through once per task is inline.
#pragma once
#include <cstring>

#include <baozi/packing.hpp>

#include "base/limits.hpp"
#include "wire/codec.hpp"
#include "wire/message.hpp"

namespace baozi::wire::detail {

/// The fewest bytes that a value of each kind takes: counts are checked against these before memory
/// is reserved, so that a frame costs its receiver at most a small multiple of its own size.
namespace bytes_min {
inline constexpr std::size_t id = 2;  // a string of one byte
inline constexpr std::size_t name = 2;
inline constexpr std::size_t task = 9;  // array, id, name, nil, empty map, empty bin
inline constexpr std::size_t record =
    11;  // array, id, name, state, empty bin, two times, empty map
inline constexpr std::size_t delivery = 7 + task;
inline constexpr std::size_t settlement = 5;
inline constexpr std::size_t result = 5 + record;
inline constexpr std::size_t group = 4;
inline constexpr std::size_t hold = 5 + id;
inline constexpr std::size_t event = 6;  // array, type, time, nil, nil, empty map
}  // namespace bytes_min

/// Notes the keys of a map below 64, so that one that stands twice is seen. Larger ones are not
/// ours.
class Keys {
 public:
  explicit Keys(Reader& in) : in_{in} {}
  std::uint64_t next() {
    const std::uint64_t key = in_.uinteger();
    if (key >= 64) return key;
    const std::uint64_t bit = std::uint64_t{1} << key;
    if ((seen_ & bit) != 0) in_.fail("a key stands twice in a map");
    seen_ |= bit;
    return key;
  }

 private:
  Reader& in_;
  std::uint64_t seen_ = 0;
};

/// True for bytes of printable ASCII only. Short names are the common case; eight bytes are looked
/// at at a time.
[[nodiscard]] inline bool is_plain(std::string_view text) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t highs = 0x8080808080808080;
  const auto suspect = [](std::uint64_t word) {
    const std::uint64_t del = word ^ (ones * 0x7F);
    return (word | ((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs;
  };
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t found = 0;
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    found |= suspect(word);
  }
  if (left > 0) {
    std::uint64_t word = ones * 0x20;  // blanks stand for what is not there
    if (left >= 4) {                   // two loads of four that may overlap
      std::uint32_t first = 0;
      std::uint32_t last = 0;
      std::memcpy(&first, at, 4);
      std::memcpy(&last, at + left - 4, 4);
      word = std::uint64_t{first} << 32U | last;
    } else {
      for (std::size_t i = 0; i < left; ++i) {
        word = word << 8U | static_cast<std::uint8_t>(at[i]);
      }
    }
    found |= suspect(word);
  }
  return found == 0;
}

/// What `is_valid_name` says of text that is not plain.
[[nodiscard]] bool is_valid_utf8_name(std::string_view name);
/// Says what is wrong with a name: too long is a limit, anything else malformed.
[[gnu::cold]] void fail_name(Reader& in, std::string_view name, const char* too_long,
                             const char* malformed);

inline void check_name(Reader& in, std::string_view name, const char* too_long,
                       const char* malformed) {
  const bool fits = name.size() - 1 < limits::name_bytes_max;  // 1 to 255
  if (!fits || (!is_plain(name) && !is_valid_utf8_name(name))) [[unlikely]] {
    fail_name(in, name, too_long, malformed);
  }
}

[[gnu::cold]] void read_text_id(Reader& in, IdView& id);

inline void read_id(Reader& in, IdView& id) {
  if (in.kind() != Reader::Kind::bin) return read_text_id(in, id);
  id.uuid = true;
  id.bytes = in.bin();
  if (id.bytes.size() != 16) [[unlikely]]
    return in.fail("a binary task id has 16 bytes");
  std::uint64_t halves[2];
  std::memcpy(halves, id.bytes.data(), 16);
  if ((halves[0] | halves[1]) == 0) [[unlikely]]
    in.fail("the nil UUID is nobody's id");
}

void read_options(Reader& in, TaskOptions& options);
void skip_rest(Reader& in, std::uint32_t fields, std::uint32_t known);

/// Sets every field of `task`, so that one from an earlier frame can be read into.
inline void read_task(Reader& in, TaskView& task) {
  const char* const start = in.position();
  const std::uint32_t fields = in.array();
  if (fields < 5) [[unlikely]]
    in.fail("a task has five fields");
  read_id(in, task.id);
  task.name = in.str();
  check_name(in, task.name, "a task name is longer than 255 bytes",
             "a task name is 1 to 255 bytes of UTF-8 without control characters");
  task.queue = {};
  if (!in.try_nil()) {
    task.queue = in.str();
    check_name(in, task.queue, "a queue name is longer than 255 bytes",
               "a queue name is 1 to 255 bytes of UTF-8 without control characters");
  }
  const char* const options_start = in.position();
  task.options = {};
  read_options(in, task.options);
  task.raw_options = in.since(options_start);
  task.body = in.bin();
  if (fields != 5) [[unlikely]]
    skip_rest(in, fields, 5);
  task.raw = in.since(start);
}

[[nodiscard]] inline TaskView read_task(Reader& in) {
  TaskView task;
  read_task(in, task);
  return task;
}

void read_meta(Reader& in, RecordView& record);

/// Sets every field of `record`.
inline void read_record(Reader& in, RecordView& record) {
  const char* const start = in.position();
  const std::uint32_t fields = in.array();
  if (fields < 7) [[unlikely]]
    in.fail("a result record has seven fields");
  read_id(in, record.id);
  record.name = in.str();
  check_name(in, record.name, "a task name is longer than 255 bytes",
             "a task name is 1 to 255 bytes of UTF-8 without control characters");
  const std::uint64_t state = in.uinteger();
  if (state - 4 > 3) [[unlikely]]
    in.fail("a result record holds a final state");
  record.state = static_cast<TaskState>(state & 7U);
  record.body = in.bin();
  record.started_us = in.integer();
  record.finished_us = in.integer();
  record.retries = 0;
  record.exhausted = false;
  read_meta(in, record);
  if (fields != 7) [[unlikely]]
    skip_rest(in, fields, 7);
  record.raw = in.since(start);
}

[[nodiscard]] inline RecordView read_record(Reader& in) {
  RecordView record;
  read_record(in, record);
  return record;
}

}  // namespace baozi::wire::detail
