#include "store/system_error.hpp"

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace baozi::store {

std::string errno_text(int error) { return std::generic_category().message(error); }

bool means_full(int error) { return error == ENOSPC || error == EDQUOT; }

Unexpected open_error(const std::string& path, int error) {
  const auto folder = std::filesystem::path{path}.parent_path().string();
  const std::string opening = "store: cannot write " + path + ": ";
  switch (error) {
    case ENOENT:
      return unexpected(Errc::not_found, "store: folder " + folder +
                                             " does not exist: create it, or give another path");
    case ENOTDIR:
      return unexpected(Errc::not_found,
                        "store: " + folder + " is not a folder: give another path");
    case EISDIR:
      return unexpected(Errc::invalid, opening + "it is a folder: give the path of a file in it");
    case EACCES:
    case EPERM:
      return unexpected(
          Errc::store_read_only,
          opening + errno_text(error) + ": give this user the right to write in " + folder);
    case EROFS:
      return unexpected(
          Errc::store_read_only,
          opening + "the file system is read-only: mount it writable, or give another path");
    default: break;
  }
  if (means_full(error)) {
    return unexpected(Errc::store_full, opening + errno_text(error) + ": free some space");
  }
  return unexpected(Errc::store_failed, opening + errno_text(error));
}

}  // namespace baozi::store
