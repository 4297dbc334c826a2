/// \file disk_space.hpp
/// How much room a file system has left.
#pragma once
#include <cstdint>
#include <string>

namespace baozi::store {

struct DiskSpace {
  std::uint64_t free_bytes = 0;  ///< that this user may still write
  std::uint64_t total_bytes = 0;
};

/// Of the file system that holds `path`. Both 0 when it cannot be asked: on doubt there is no room.
[[nodiscard]] DiskSpace disk_space(const std::string& path);

/// `wanted`, but never more than a tenth of the file system: a small disk must stay usable.
[[nodiscard]] std::uint64_t disk_reserve(std::uint64_t wanted, const DiskSpace& space);

}  // namespace baozi::store
