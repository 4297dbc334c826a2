/// \file hostile_frames.hpp
/// Frames put together by hand, good and bad, and the table of those that must be refused.
#pragma once
#include <functional>
#include <ostream>
#include <vector>

#include "frames.hpp"

namespace baozi::wire_test {

inline const std::string origin16(16, '\x01');

inline Bytes packed(const std::function<void(Writer&)>& write) {
  Bytes out;
  Writer writer{out};
  write(writer);
  return out;
}

/// A frame with a good header and `fields` elements that `write` appends.
inline Bytes frame(wire::Type type, std::size_t fields, const std::function<void(Writer&)>& write) {
  return packed([&](Writer& out) {
    out.array(4 + fields);
    out.uinteger(1);
    out.uinteger(static_cast<std::uint64_t>(type));
    out.uinteger(7);
    out.uinteger(1);
    write(out);
  });
}

/// A SUBMIT whose tasks are what `write` appends: the array's head included.
inline Bytes submit(const std::function<void(Writer&)>& write) {
  return frame(wire::Type::submit, 5, [&](Writer& out) {
    out.uinteger(1);
    out.bin(origin16);
    out.nil();
    out.uinteger(0);
    write(out);
  });
}

/// A SUBMIT of one task, of whose parts some are replaced.
struct TaskParts {
  std::function<void(Writer&)> id = [](Writer& out) { out.str("a"); };
  std::function<void(Writer&)> name = [](Writer& out) { out.str("f"); };
  std::function<void(Writer&)> queue = [](Writer& out) { out.nil(); };
  std::function<void(Writer&)> options = [](Writer& out) { out.map(0); };
  std::function<void(Writer&)> body = [](Writer& out) { out.bin(""); };
};
inline Bytes submit_of(const TaskParts& parts) {
  return submit([&](Writer& out) {
    out.array(1);
    out.array(5);
    parts.id(out);
    parts.name(out);
    parts.queue(out);
    parts.options(out);
    parts.body(out);
  });
}
inline Bytes with_id(std::function<void(Writer&)> id) { return submit_of({.id = std::move(id)}); }
inline Bytes with_name(std::function<void(Writer&)> name) {
  return submit_of({.name = std::move(name)});
}
inline Bytes with_queue(std::function<void(Writer&)> queue) {
  return submit_of({.queue = std::move(queue)});
}
inline Bytes with_options(std::function<void(Writer&)> options) {
  return submit_of({.options = std::move(options)});
}
inline Bytes with_body(std::function<void(Writer&)> body) {
  return submit_of({.body = std::move(body)});
}

inline Bytes hello(std::size_t fields, const std::function<void(Writer&)>& after_incarnation) {
  return frame(wire::Type::hello, fields, [&](Writer& out) {
    out.uinteger(1);
    out.uinteger(1);
    out.str("p");
    out.uinteger(1);
    after_incarnation(out);
  });
}
inline Bytes welcome(std::uint64_t heartbeat, std::uint64_t liveness,
                     const std::function<void(Writer&)>& collectors) {
  return frame(wire::Type::welcome, 9, [&](Writer& out) {
    out.uinteger(1);
    out.str("b");
    out.uinteger(1);
    out.uinteger(1);
    out.uinteger(heartbeat);
    out.uinteger(liveness);
    out.uinteger(1000);
    out.uinteger(1000);
    collectors(out);
  });
}
inline void no_list(Writer& out) { out.array(0); }

/// A DONE of one entry, whose state and follow-ups are given.
inline Bytes done(std::uint64_t state, const std::function<void(Writer&)>& follow_ups) {
  return frame(wire::Type::done, 2, [&](Writer& out) {
    out.uinteger(1);
    out.array(1);
    out.array(4);
    out.uinteger(1);
    out.uinteger(state);
    out.uinteger(0);
    follow_ups(out);
  });
}

/// A RESULT of one record, written by `write`.
inline Bytes result(const std::function<void(Writer&)>& record) {
  return frame(wire::Type::result, 2, [&](Writer& out) {
    out.uinteger(1);
    out.array(1);
    out.array(3);
    out.nil();
    out.nil();
    out.array(1);
    out.array(5);
    out.uinteger(1);
    out.uinteger(0);
    out.uinteger(0);
    record(out);
    out.array(0);
  });
}
inline void record_with(Writer& out, std::uint64_t state,
                        const std::function<void(Writer&)>& meta) {
  out.array(7);
  out.str("a");
  out.str("f");
  out.uinteger(state);
  out.bin("\xC0");
  out.integer(0);
  out.integer(0);
  meta(out);
}

inline void raw(Writer& out, std::initializer_list<int> bytes) {
  Bytes text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  out.raw(text);
}
inline std::function<void(Writer&)> bytes(std::initializer_list<int> list) {
  return [list = std::vector<int>(list)](Writer& out) {
    Bytes text;
    for (const int byte : list) text.push_back(static_cast<char>(byte));
    out.raw(text);
  };
}
inline std::function<void(Writer&)> text(std::string value) {
  return [value = std::move(value)](Writer& out) { out.str(value); };
}
inline std::function<void(Writer&)> times(std::size_t count, std::function<void(Writer&)> one) {
  return [count, one = std::move(one)](Writer& out) {
    for (std::size_t i = 0; i < count; ++i) one(out);
  };
}
inline std::function<void(Writer&)> list_of(std::size_t count, std::function<void(Writer&)> one) {
  return [count, one = std::move(one)](Writer& out) {
    out.array(count);
    times(count, one)(out);
  };
}
inline void small_task(Writer& out) {
  out.array(5);
  out.str("a");
  out.str("f");
  out.nil();
  out.map(0);
  out.bin("");
}

struct Hostile {
  const char* why;
  Bytes frame;
  Errc want;
};
inline void PrintTo(const Hostile& row, std::ostream* out) { *out << row.why; }

/// Every way that we thought of to send a frame that is wrong.
[[nodiscard]] const std::vector<Hostile>& hostile_frames();

}  // namespace baozi::wire_test
