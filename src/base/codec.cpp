// The cold side of include/baozi/codec.hpp: error messages.
#include "baozi/codec.hpp"

#include <charconv>

namespace baozi {

namespace {

constexpr std::size_t quoted_max = 40;

std::string quoted(std::string_view text) {
  std::string out{"\""};
  for (const char c : text.substr(0, quoted_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      static constexpr char digits[] = "0123456789abcdef";
      out += "\\x";
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  while (!out.empty() && text.size() > quoted_max &&
         (static_cast<unsigned char>(out.back()) & 0x80U) != 0) {
    out.pop_back();  // do not cut a UTF-8 sequence in two
  }
  out += text.size() > quoted_max ? "\" ..." : "\"";
  return out;
}

std::string integer_text(Reader at) {
  Reader unsigned_at = at;
  const std::int64_t value = at.integer();
  return at.ok() ? std::to_string(value) : std::to_string(unsigned_at.uinteger());
}

std::string real_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

}  // namespace

namespace detail {

std::string describe(Reader at) {
  switch (at.kind()) {
    case Reader::Kind::nil: return "nil";
    case Reader::Kind::boolean: return at.boolean() ? "true" : "false";
    case Reader::Kind::integer: return "integer " + integer_text(at);
    case Reader::Kind::real: return "number " + real_text(at.real());
    case Reader::Kind::str: return "string " + quoted(at.str());
    case Reader::Kind::bin: return "binary of " + std::to_string(at.bin().size()) + " bytes";
    case Reader::Kind::array: return "array of " + std::to_string(at.array());
    case Reader::Kind::map: return "map of " + std::to_string(at.map());
    case Reader::Kind::ext: return "an extension type";
    case Reader::Kind::end: return "nothing";
    case Reader::Kind::invalid: break;
  }
  return "bytes that are not msgpack";
}

void expect_count(const Unpacker& in, std::size_t count, std::size_t wanted) {
  if (count != wanted)
    in.fail("expected array of " + std::to_string(wanted) + ", got array of " +
            std::to_string(count));
}

void missing_field(const Unpacker& in, std::string_view name) {
  in.fail("missing field '" + std::string{name} + "'");
}

void time_out_of_range() {
  throw std::range_error{"a time that microseconds in 64 bits cannot hold"};
}

}  // namespace detail

std::string Unpacker::path() const {
  // The chain runs from the inside out; paths are short, so it is rendered from the back.
  std::string path;
  for (const Step* step = step_; step != nullptr; step = step->outer_) {
    switch (step->what_) {
      case Step::What::index: path.insert(0, "[" + std::to_string(step->index_) + "]"); break;
      case Step::What::field: path.insert(0, "." + std::string{step->field_}); break;
      case Step::What::key: {
        Reader key = step->key_;
        const bool text = key.kind() == Reader::Kind::str;
        path.insert(0, "[" +
                           (text                                  ? quoted(key.str())
                            : key.kind() == Reader::Kind::integer ? integer_text(key)
                                                                  : detail::describe(key)) +
                           "]");
        break;
      }
    }
  }
  if (root_.empty() && path.starts_with('.')) path.erase(0, 1);
  return std::string{root_} + path;
}

void Unpacker::expected(const char* what) const {
  if (!reader_.ok()) fail(reader_.error());
  fail(std::string{"expected "} + what + ", got " + detail::describe(reader_));
}

void Unpacker::fail(const std::string& reason) const { throw DecodeError{path(), reason}; }

void Unpacker::out_of_range(std::int64_t lowest, std::uint64_t highest) const {
  Reader after = reader_;
  after.skip();
  if (!after.ok()) fail(after.error());  // truncated rather than too large
  fail("expected integer from " + std::to_string(lowest) + " to " + std::to_string(highest) +
       ", got " + integer_text(reader_));
}

}  // namespace baozi
