/// \file wal_check.hpp
/// Looks over SQLite's log (FILE-wal) before SQLite does. SQLite takes the first frame with a wrong
/// checksum for the log's end: right for a transaction that a power cut tore, but a flipped bit in
/// the middle then drops every committed transaction behind it without a word. Each transaction is
/// synced before the next is written, so a bad frame with a later transaction behind it is damage,
/// and the store is not opened. Source: "WAL-mode File Format" and "Checksum Algorithm",
/// sqlite.org/fileformat2.html, sections 4.1 to 4.3.
///
/// Known weakness: damage inside the very last transaction looks like a torn one.
#pragma once
#include <string>

#include "base/result.hpp"

namespace baozi::store {

/// \param path  of the store file. No log is fine. The log is synced, so that what a killed process
/// left is as
///              durable as it will be taken to be.
/// \return Errc::store_corrupt, or Errc::store_failed when the log cannot be read or synced.
[[nodiscard]] Result<void> check_wal(const std::string& path);

}  // namespace baozi::store
