/// \file crc32c.hpp
/// CRC-32C (Castagnoli; RFC 3720, appendix B.4): what every stored row carries over its key and
/// contents, so that a flipped bit on disk is found when the row is read and never handed on as a
/// task.
#pragma once
#include <cstdint>

#include "base/bytes.hpp"

namespace baozi::store {

/// Continues `crc` (0 to begin) over `bytes`. The processor's instruction where there is one.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, BytesView bytes);
/// The same by tables alone.
[[nodiscard]] std::uint32_t crc32c_portable(std::uint32_t crc, BytesView bytes);

}  // namespace baozi::store
