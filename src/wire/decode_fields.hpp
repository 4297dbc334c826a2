/// \file decode_fields.hpp
/// What the decoders share: the fields of a frame in order, entries, and the pieces that several
/// messages have. Lists are sized once, after their count was checked against the bytes that are
/// left, and their elements are read in place: an element of an earlier frame is overwritten, field
/// by field.
#pragma once
#include "wire/codec.hpp"
#include "wire/detail.hpp"

namespace baozi::wire::detail {

/// Reads the fields of one frame in order; `finish` skips what a newer peer added and reports the
/// first error.
class Fields {
 public:
  explicit Fields(const OpenFrame& frame) : in{frame.reader}, left_{frame.fields} {}

  /// Call before each known field: false when the frame ends here (then the field keeps its
  /// default).
  bool next() {
    if (left_ == 0 || !in.ok()) return false;
    --left_;
    return true;
  }
  /// The same for a field that must be there.
  void must() {
    if (!next()) [[unlikely]]
      in.fail("a field is missing");
  }
  Result<void> finish() {
    for (; left_ > 0 && in.ok(); --left_) in.skip();
    if (in.ok() && !in.at_end()) in.fail("bytes after the frame's array");
    if (in.ok()) [[likely]]
      return {};
    return unexpected(in.over_limit() ? Errc::too_large : Errc::malformed, in.error());
  }
  /// The same; a list that was read only in part is emptied, so that nobody meets half a message.
  template <class List>
  Result<void> finish(List& list) {
    Result<void> all = finish();
    if (!all) list.clear();
    return all;
  }

  Reader
      in;  // a copy: a frame can be decoded again, and the compiler keeps the cursor in registers

 private:
  std::uint32_t left_;
};

inline std::uint32_t bounded(Reader& in, std::uint32_t count, std::uint32_t count_max,
                             const char* why) {
  if (count <= count_max) [[likely]]
    return count;
  in.fail_limit(why);
  return 0;
}
inline std::uint32_t array_upto(Reader& in, std::uint32_t count_max, std::size_t bytes_each) {
  return bounded(in, in.array(bytes_each), count_max, "array longer than the protocol allows");
}
inline std::string_view name(Reader& in) {
  const std::string_view text = in.str();
  check_name(in, text, "a name is longer than 255 bytes",
             "a name is 1 to 255 bytes of UTF-8 without control characters");
  return text;
}
inline std::string_view text(Reader& in) {
  const std::string_view view = in.str();
  if (view.size() > limits::text_bytes_max) in.fail_limit("text longer than 4096 bytes");
  return view;
}
inline BytesView origin(Reader& in) {
  const BytesView bytes = in.bin();
  if (bytes.size() != 16) in.fail("an origin has 16 bytes");
  return bytes;
}
inline BytesView origin_or_nil(Reader& in) { return in.try_nil() ? BytesView{} : origin(in); }
inline std::string_view name_or_nil(Reader& in) {
  return in.try_nil() ? std::string_view{} : name(in);
}

/// An array with a fixed number of known elements and room for more.
class Entry {
 public:
  Entry(Reader& in, std::uint32_t known) : in_{in}, fields_{in.array()}, known_{known} {
    if (fields_ < known) [[unlikely]]
      in.fail("an entry has too few fields");
  }
  [[nodiscard]] bool has(std::uint32_t index) const { return fields_ > index; }
  void read_also(std::uint32_t count) { known_ += count; }
  ~Entry() {
    if (fields_ > known_) [[unlikely]]
      skip_rest(in_, fields_, known_);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

 private:
  Reader& in_;
  std::uint32_t fields_;
  std::uint32_t known_;
};

template <class Enum>
Enum enumeration(Reader& in, std::uint64_t lowest, std::uint64_t highest) {
  const std::uint64_t value = in.uinteger();
  if (value < lowest || value > highest) [[unlikely]] {
    in.fail("a number stands outside of its range");
    return static_cast<Enum>(lowest);
  }
  return static_cast<Enum>(value);
}

inline std::uint32_t u32(Reader& in) {
  const std::uint64_t value = in.uinteger();
  if (value > UINT32_MAX) [[unlikely]]
    in.fail("a number is larger than 32 bits");
  return static_cast<std::uint32_t>(value);
}

inline void read_names(Reader& in, std::uint32_t count_max, std::vector<std::string_view>& out) {
  const std::uint32_t count = array_upto(in, count_max, bytes_min::name);
  out.clear();
  out.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) out.push_back(name(in));
}

inline void read_limits(Reader& in, std::vector<TaskLimit>& out) {
  const std::uint32_t count = array_upto(in, limits::queues_per_worker_max, bytes_min::name);
  out.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    Entry entry{in, 3};
    out[i].name = name(in);
    out[i].concurrency = u32(in);
    out[i].interval_us = in.uinteger();
  }
}

/// A packed array of tasks, checked whole; its raw bytes, empty for none.
inline BytesView follow_ups(Reader& in) {
  const char* const start = in.position();
  const std::uint32_t count = array_upto(in, limits::follow_ups_max, bytes_min::task);
  if (count == 0) [[likely]]
    return {};
  TaskView task;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) read_task(in, task);
  return in.ok() ? in.since(start) : BytesView{};
}
inline BytesView follow_ups(Reader& in, std::vector<TaskView>& out) {
  const char* const start = in.position();
  const std::uint32_t count = array_upto(in, limits::follow_ups_max, bytes_min::task);
  out.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) read_task(in, out[i]);
  return count > 0 && in.ok() ? in.since(start) : BytesView{};
}

inline void read_ids(Reader& in, std::vector<IdView>& out) {
  const std::uint32_t count = array_upto(in, limits::batch_tasks_max, bytes_min::id);
  out.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) read_id(in, out[i]);
}

inline BytesView record_or_nil(Reader& in) {
  if (in.try_nil()) return {};
  return read_record(in).raw;
}

}  // namespace baozi::wire::detail
