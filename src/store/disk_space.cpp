#include "store/disk_space.hpp"

#include <algorithm>

#include <sys/statvfs.h>

namespace baozi::store {

DiskSpace disk_space(const std::string& path) {
  struct statvfs fs {};
  if (::statvfs(path.c_str(), &fs) != 0) return {};
  const std::uint64_t unit = fs.f_frsize;
  return {.free_bytes = unit * fs.f_bavail, .total_bytes = unit * fs.f_blocks};
}

std::uint64_t disk_reserve(std::uint64_t wanted, const DiskSpace& space) {
  return std::min(wanted, space.total_bytes / 10);
}

}  // namespace baozi::store
