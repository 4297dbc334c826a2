/// \file sqlite_create.hpp
/// From a path that an operator wrote to a file that can be opened: found as it should be, or
/// created.
#pragma once
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "store/sqlite_file.hpp"

namespace baozi::store {

/// "baoz", in the header of every store file (`file` and sqlite3 show it).
inline constexpr std::int64_t store_application_id = 0x62616F7A;

/// Absolute, with links followed, so that two names of one file share one lock.
[[nodiscard]] Result<std::string> resolve_store_path(const std::string& given);

/// Makes sure that a complete store file is at `path`. A new one is made under another name and
/// renamed when it is whole and synced, so a crash in between leaves nothing that looks like a
/// store; that is why an empty file is never taken for a new one.
[[nodiscard]] Result<void> find_or_create(const std::string& path, const FileKind& kind,
                                          const std::string& vfs);

}  // namespace baozi::store
