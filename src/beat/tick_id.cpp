#include "beat/tick_id.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include <boost/uuid/name_generator_sha1.hpp>

namespace baozi::beat {

namespace {

/// 6b9c1c3e-5a52-5e0c-9d0b-2f6e3a1f7c44: the root of all namespaces of beats.
constexpr Uuid root{{0x6b, 0x9c, 0x1c, 0x3e, 0x5a, 0x52, 0x5e, 0x0c, 0x9d, 0x0b, 0x2f, 0x6e, 0x3a,
                     0x1f, 0x7c, 0x44}};

Uuid uuid5(const Uuid& name_space, const std::string& name) {
  boost::uuids::uuid within{};
  std::copy(name_space.bytes.begin(), name_space.bytes.end(), within.begin());
  const boost::uuids::uuid made =
      boost::uuids::name_generator_sha1{within}(name.data(), name.size());
  Uuid id;
  std::copy(made.begin(), made.end(), id.bytes.begin());
  return id;
}

/// A zero byte ends the entry's name, which holds none.
std::string named(std::string_view entry, std::string_view kind, const std::string& number) {
  std::string name{entry};
  name += '\0';
  name += kind;
  name += number;
  return name;
}

}  // namespace

Uuid beat_namespace(std::string_view text) {
  return text.empty() ? root : uuid5(root, std::string{text});
}

Uuid tick_id(const Uuid& name_space, std::string_view entry, WallTime tick) {
  return uuid5(name_space, named(entry, "tick ", std::to_string(micros(tick))));
}

Uuid run_id(const Uuid& name_space, std::string_view entry, std::uint64_t number) {
  return uuid5(name_space, named(entry, "run ", std::to_string(number)));
}

Micros jitter_of(const Uuid& id, Micros most) {
  if (most <= Micros{0}) return Micros{0};
  std::uint64_t bits = 0;  // the first six bytes, which no version or variant stands in
  for (std::size_t i = 0; i < 6; ++i) bits = bits << 8U | id.bytes[i];
  return Micros{static_cast<std::int64_t>(bits % (static_cast<std::uint64_t>(most.count()) + 1))};
}

}  // namespace baozi::beat
