/// \file damage.hpp
/// Hurting files on purpose.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace baozi::store::testing {

inline void flip_bit(const std::string& path, std::uint64_t byte, unsigned bit = 0) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekg(static_cast<std::streamoff>(byte));
  const auto value = static_cast<char>(file.get() ^ (1 << bit));
  file.seekp(static_cast<std::streamoff>(byte));
  file.put(value);
}

inline void cut(const std::string& path, std::uint64_t bytes) {
  std::filesystem::resize_file(path, bytes);
}

}  // namespace baozi::store::testing
