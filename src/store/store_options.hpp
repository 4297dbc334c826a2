/// \file store_options.hpp
/// How a store is opened. The defaults are what a node uses.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace baozi::store {

struct StoreOptions {
  /// Free bytes below which new work should be refused; never more than a tenth of the file system.
  std::uint64_t reserve_bytes = std::uint64_t{64} << 20U;
  /// Memory for pages, at most; given back when the store rests.
  std::uint32_t cache_kib = 16 * 1024;
  /// Length of the log, in 4-KiB pages, at which its pages are moved into the file; at three times
  /// that commits wait for it. An eighth of the reserve at most, so less on a small disk.
  std::uint32_t checkpoint_pages = 2048;
  /// Files up to this size are checked page by page on opening, about 0.7 s a gigabyte once they
  /// are in the page cache.
  std::uint64_t check_bytes_max = std::uint64_t{1} << 30U;
  /// How long to wait for a foreign program that is writing in the file.
  std::chrono::milliseconds busy_timeout{5000};
  /// Name of an SQLite file layer registered by a test; empty for the system's.
  std::string vfs;
};

}  // namespace baozi::store
