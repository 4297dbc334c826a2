/// \file ids.hpp
/// The ids of the protocol, each its own type, so that one cannot be passed for another.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace baozi {

/// 16 bytes in network order (RFC 9562).
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  [[nodiscard]] static Uuid from_bytes(BytesView sixteen) {
    Uuid id;
    std::memcpy(id.bytes.data(), sixteen.data(), 16);
    return id;
  }
  [[nodiscard]] BytesView view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  [[nodiscard]] bool is_nil() const { return bytes == std::array<std::uint8_t, 16>{}; }
  auto operator<=>(const Uuid&) const = default;
};

/// Version 7: milliseconds of `wall`, then 74 random bits out of the two words. Pure; the caller
/// brings chance.
[[nodiscard]] Uuid make_uuid7(WallTime wall, std::uint64_t random_a, std::uint64_t random_b);
/// "01890a5d-ac96-774b-bcce-b302099a8057".
[[nodiscard]] std::string to_string(const Uuid& id);
/// Only the canonical 36-character form, in either case.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

/// A task's id: a UUID (`bin 16` on the wire) or any other string of 1 to 255 bytes (`str`).
/// Canonical UUID text means the same id as its 16 bytes, so `from_text` turns it into a UUID.
class TaskId {
 public:
  TaskId() = default;
  explicit TaskId(const Uuid& uuid) : uuid_{uuid} {}
  [[nodiscard]] static TaskId from_text(std::string_view text);

  [[nodiscard]] bool is_uuid() const { return text_.empty(); }
  [[nodiscard]] bool empty() const { return text_.empty() && uuid_.is_nil(); }
  [[nodiscard]] const Uuid& uuid() const { return uuid_; }
  [[nodiscard]] const std::string& text() const { return text_; }  ///< empty for a UUID
  [[nodiscard]] std::string to_string() const {
    return is_uuid() ? baozi::to_string(uuid_) : text_;
  }
  bool operator==(const TaskId&) const = default;
  auto operator<=>(const TaskId&) const = default;

 private:
  Uuid uuid_{};
  std::string text_;
};

/// Random per `App` and process; also the *origin* under which the producer's results are pushed
/// (D4).
using ProducerId = Uuid;

/// A 64-bit delivery number that never repeats (D13): 20 bits epoch, 22 bits slot generation, 22
/// bits slot. So it is also the index into the broker's table. 0 is no delivery.
enum class DeliveryNumber : std::uint64_t {};

inline constexpr unsigned delivery_slot_bits = 22;
inline constexpr unsigned delivery_generation_bits = 22;
inline constexpr unsigned delivery_epoch_bits = 20;

[[nodiscard]] constexpr DeliveryNumber make_delivery_number(std::uint32_t epoch,
                                                            std::uint32_t generation,
                                                            std::uint32_t slot) {
  return DeliveryNumber{(std::uint64_t{epoch} << (delivery_generation_bits + delivery_slot_bits)) |
                        (std::uint64_t{generation} << delivery_slot_bits) | slot};
}
[[nodiscard]] constexpr std::uint32_t slot_of(DeliveryNumber n) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(n) &
                                    ((1U << delivery_slot_bits) - 1));
}
[[nodiscard]] constexpr std::uint32_t generation_of(DeliveryNumber n) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(n) >> delivery_slot_bits) &
                                    ((1U << delivery_generation_bits) - 1));
}
[[nodiscard]] constexpr std::uint32_t epoch_of(DeliveryNumber n) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(n) >>
                                    (delivery_generation_bits + delivery_slot_bits));
}

/// Random per process start, renewed after fork (D2).
enum class Incarnation : std::uint64_t {};
/// Given by the listening side in WELCOME; never 0 (D1).
enum class SessionNumber : std::uint64_t {};

}  // namespace baozi

template <>
struct std::hash<baozi::Uuid> {
  std::size_t operator()(const baozi::Uuid& id) const noexcept {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, id.bytes.data(), 8);
    std::memcpy(&b, id.bytes.data() + 8, 8);
    return static_cast<std::size_t>((a ^ (b >> 29U)) * 0x9E3779B97F4A7C15ULL ^ b);
  }
};
template <>
struct std::hash<baozi::TaskId> {
  std::size_t operator()(const baozi::TaskId& id) const noexcept {
    return id.is_uuid() ? std::hash<baozi::Uuid>{}(id.uuid()) : std::hash<std::string>{}(id.text());
  }
};
