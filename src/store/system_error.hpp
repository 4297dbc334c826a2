/// \file system_error.hpp
/// The system's refusals in words that an operator can act on.
#pragma once
#include <string>

#include "base/result.hpp"

namespace baozi::store {

/// "No space left on device".
[[nodiscard]] std::string errno_text(int error);
/// True for the errors that mean "no room": the disk, or a quota.
[[nodiscard]] bool means_full(int error);
/// `path` could not be opened for writing: which Errc, and one line that says what to do.
[[nodiscard]] Unexpected open_error(const std::string& path, int error);

}  // namespace baozi::store
