/// \file map_writer.hpp
/// Writes a packed map whose size is not known before its end: what nodes answer to CONTROL.
/// Threading: a plain value.
#pragma once
#include <string_view>

#include "baozi/packing.hpp"
#include "base/bytes.hpp"

namespace baozi::wire {

class MapWriter {
 public:
  MapWriter() = default;
  MapWriter(const MapWriter&) = delete;  // the writer holds on to the bytes beside it
  MapWriter& operator=(const MapWriter&) = delete;

  /// Begins an entry: exactly one value is to be written next.
  Writer& key(std::string_view name) {
    ++count_;
    packed_.str(name);
    return packed_;
  }
  void number(std::string_view name, std::uint64_t value) { key(name).uinteger(value); }
  void text(std::string_view name, std::string_view value) { key(name).str(value); }
  void flag(std::string_view name, bool value) { key(name).boolean(value); }
  [[nodiscard]] Bytes take() const {
    Bytes bytes;
    Writer{bytes}.map(count_);
    return bytes + body_;
  }

 private:
  std::size_t count_ = 0;
  Bytes body_;
  Writer packed_{body_};
};

}  // namespace baozi::wire
