#include "base/ids.hpp"

namespace baozi {

Uuid make_uuid7(WallTime wall, std::uint64_t random_a, std::uint64_t random_b) {
  Uuid id;
  const auto ms = static_cast<std::uint64_t>(micros(wall) / 1000);
  for (int i = 0; i < 6; ++i)
    id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  std::memcpy(id.bytes.data() + 6, &random_a, 2);
  std::memcpy(id.bytes.data() + 8, &random_b, 8);
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0FU) | 0x70U);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3FU) | 0x80U);
  return id;
}

std::string to_string(const Uuid& id) {
  const std::string hex = to_hex(id.view());
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' +
         hex.substr(16, 4) + '-' + hex.substr(20);
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid id;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    std::uint8_t value = 0;
    if (c >= '0' && c <= '9') {
      value = static_cast<std::uint8_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = static_cast<std::uint8_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      value = static_cast<std::uint8_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    auto& byte = id.bytes[nibble / 2];
    byte = static_cast<std::uint8_t>(nibble % 2 == 0 ? value << 4U : byte | value);
    ++nibble;
  }
  return id;
}

TaskId TaskId::from_text(std::string_view text) {
  if (const auto uuid = parse_uuid(text)) return TaskId{*uuid};
  TaskId id;
  id.text_ = text;
  return id;
}

}  // namespace baozi
