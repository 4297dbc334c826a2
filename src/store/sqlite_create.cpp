#include "store/sqlite_create.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <baozi/version.hpp>

#include "store/system_error.hpp"

namespace baozi::store {
namespace {

namespace fs = std::filesystem;

Result<void> sync_folder(const std::string& path) {
  const std::string folder = fs::path{path}.parent_path().string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return open_error(path, errno);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failed != 0) {
    return unexpected(Errc::store_failed,
                      "store: cannot sync folder " + folder + ": " + errno_text(failed));
  }
  return {};
}

Result<void> create(const std::string& path, const FileKind& kind, const std::string& vfs) {
  const std::string draft = path + ".creating";
  for (const char* part : {"", "-journal", "-wal", "-shm"}) ::unlink((draft + part).c_str());
  const int fd = ::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return open_error(draft, errno);
  ::close(fd);
  {
    auto db = Database::open(draft, vfs, std::chrono::milliseconds{0});
    if (!db) return Unexpected{db.error()};
    std::string sql =
        "PRAGMA synchronous=FULL; BEGIN;"
        "PRAGMA application_id=" +
        std::to_string(store_application_id) + ';' +
        "CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
        "INSERT INTO about VALUES('kind','" +
        std::string{kind.name} +
        "'),"
        "('schema'," +
        std::to_string(kind.schema) +
        "),"
        "('created_by','baozi " +
        std::string{version_text} + "');" + std::string{kind.tables};
    for (const std::string_view brought : kind.later) sql += brought;
    sql += "COMMIT;";
    if (auto made = db->exec(sql); !made) {
      ::unlink(draft.c_str());
      return made;
    }
    // Written into the header, so that no later opening has to change anything for it.
    if (auto mode = db->query_text("PRAGMA journal_mode=WAL"); !mode) {
      ::unlink(draft.c_str());
      return Unexpected{mode.error()};
    }
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return open_error(path, errno);
  return sync_folder(path);
}

bool has_log(const std::string& path) {
  struct stat log {};
  return ::stat((path + "-wal").c_str(), &log) == 0 && log.st_size > 0;
}

Result<void> check_existing(const std::string& path, const struct stat& file) {
  if (S_ISDIR(file.st_mode)) return open_error(path, EISDIR);
  if (!S_ISREG(file.st_mode)) {
    return unexpected(Errc::invalid, "store " + path + " is not a regular file: give another path");
  }
  if (file.st_size == 0) {
    return unexpected(Errc::store_corrupt,
                      "store " + path +
                          " is empty, which a store never is: restore a backup, or "
                          "remove the file to begin with an empty store");
  }
  // Nobody in this process has it open (the lock says so), hence closing it here drops no lock of
  // SQLite's.
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return open_error(path, errno);
  std::array<unsigned char, 18> head{};
  const auto n = ::pread(fd, head.data(), head.size(), 0);
  ::close(fd);
  // SQLite fills a cut last page with zeros and goes on. With a log beside it, the log may bring
  // the page.
  const std::uint32_t page = std::uint32_t{head[16]} << 8U | head[17];
  const auto page_bytes = static_cast<off_t>(page == 1 ? 65536 : page);
  const bool whole_pages = page_bytes > 0 && file.st_size % page_bytes == 0;
  if (n == static_cast<ssize_t>(head.size()) && !whole_pages && !has_log(path)) {
    return unexpected(Errc::store_corrupt,
                      "store " + path +
                          " is damaged: it is cut off inside a page. Nothing was changed. "
                          "Keep a copy, and restore a backup");
  }
  return {};
}

}  // namespace

Result<std::string> resolve_store_path(const std::string& given) {
  if (given.empty())
    return unexpected(Errc::invalid, "store: the path is empty; write sqlite:PATH");
  std::error_code error;
  const fs::path absolute = fs::absolute(given, error);
  if (error) return open_error(given, error.value());
  const fs::path name = absolute.filename();
  if (name.empty() || name == "." || name == "..") return open_error(given, EISDIR);
  fs::path real = fs::canonical(absolute, error);
  if (!error) return real.string();
  if (error.value() != ENOENT) return open_error(absolute.string(), error.value());
  if (fs::is_symlink(absolute, error)) {
    return unexpected(Errc::not_found, "store " + given +
                                           " is a link to a file that is not there: is its file "
                                           "system mounted? Remove the link to begin anew");
  }
  const fs::path folder = fs::canonical(absolute.parent_path(), error);
  if (error) return open_error(absolute.string(), error.value());
  return (folder / name).string();
}

Result<void> find_or_create(const std::string& path, const FileKind& kind, const std::string& vfs) {
  struct stat file {};
  if (::stat(path.c_str(), &file) == 0) return check_existing(path, file);
  if (errno != ENOENT) return open_error(path, errno);
  // SQLite would put the pages of an orphaned log into whatever file it finds beside it.
  if (has_log(path)) {
    return unexpected(Errc::store_corrupt,
                      "store " + path + " is missing, but its log " + path +
                          "-wal is there: put the file back, or remove the log to begin "
                          "with an empty store");
  }
  return create(path, kind, vfs);
}

}  // namespace baozi::store
