#include "store/wal_check.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/system_error.hpp"

namespace baozi::store {
namespace {

constexpr std::size_t header_bytes = 32;
constexpr std::size_t frame_header_bytes = 24;
constexpr std::uint32_t magic_little = 0x377F0682;
constexpr std::uint32_t magic_big = 0x377F0683;

struct Checksum {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  bool operator==(const Checksum&) const = default;
};

std::uint32_t big_u32(const unsigned char* p) {
  return std::uint32_t{p[0]} << 24U | std::uint32_t{p[1]} << 16U | std::uint32_t{p[2]} << 8U | p[3];
}
std::uint32_t little_u32(const unsigned char* p) {
  return std::uint32_t{p[3]} << 24U | std::uint32_t{p[2]} << 16U | std::uint32_t{p[1]} << 8U | p[0];
}

Checksum extend(Checksum sum, const unsigned char* bytes, std::size_t size, bool big_endian) {
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const std::uint32_t x = big_endian ? big_u32(bytes + i) : little_u32(bytes + i);
    const std::uint32_t y = big_endian ? big_u32(bytes + i + 4) : little_u32(bytes + i + 4);
    sum.a += x + sum.b;
    sum.b += y + sum.a;
  }
  return sum;
}

class File {
 public:
  explicit File(const std::string& path) : fd_{::open(path.c_str(), O_RDWR | O_CLOEXEC)} {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] bool sync() const { return ::fdatasync(fd_) == 0; }
  [[nodiscard]] std::uint64_t size() const {
    struct stat file {};
    return ::fstat(fd_, &file) == 0 ? static_cast<std::uint64_t>(file.st_size) : 0;
  }
  [[nodiscard]] bool read(std::uint64_t at, unsigned char* to, std::size_t size) const {
    while (size > 0) {
      const auto n = ::pread(fd_, to, size, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      to += n;
      at += static_cast<std::uint64_t>(n);
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }

 private:
  int fd_;
};

struct Header {
  bool valid = false;
  bool big_endian = false;
  std::size_t page_bytes = 0;
  std::uint64_t salt = 0;
  Checksum sum;
};

bool is_page_size(std::uint32_t n) { return n >= 512 && n <= 65536 && (n & (n - 1)) == 0; }

Header parse_header(const std::array<unsigned char, header_bytes>& bytes) {
  const std::uint32_t magic = big_u32(bytes.data());
  Header header;
  header.big_endian = magic == magic_big;
  header.page_bytes = big_u32(&bytes[8]);
  header.salt = std::uint64_t{big_u32(&bytes[16])} << 32U | big_u32(&bytes[20]);
  header.sum = extend({}, bytes.data(), 24, header.big_endian);
  header.valid = (magic == magic_little || magic == magic_big) &&
                 is_page_size(big_u32(&bytes[8])) &&
                 header.sum == Checksum{big_u32(&bytes[24]), big_u32(&bytes[28])};
  return header;
}

struct Frame {
  std::vector<unsigned char> bytes;  // header and page
  [[nodiscard]] bool ends_transaction() const { return big_u32(&bytes[4]) != 0; }
  [[nodiscard]] std::uint64_t salt() const {
    return std::uint64_t{big_u32(&bytes[8])} << 32U | big_u32(&bytes[12]);
  }
  [[nodiscard]] Checksum stored() const { return {big_u32(&bytes[16]), big_u32(&bytes[20])}; }
  [[nodiscard]] bool follows(Checksum before, bool big_endian) const {
    Checksum sum = extend(before, bytes.data(), 8, big_endian);
    sum = extend(sum, bytes.data() + frame_header_bytes, bytes.size() - frame_header_bytes,
                 big_endian);
    return sum == stored();
  }
};

/// The page size as the database file's own header has it, for a log whose header is unreadable.
std::size_t page_bytes_of(const std::string& path) {
  const File file{path};
  std::array<unsigned char, 18> head{};
  if (!file.is_open() || !file.read(0, head.data(), head.size())) return 0;
  const std::uint32_t n = std::uint32_t{head[16]} << 8U | head[17];
  return n == 1 ? 65536 : n;
}

/// The number of the first bad frame (from 1; 0: the header) with committed transactions behind it.
std::optional<std::uint64_t> find_damage(const File& log, const Header& header) {
  const std::uint64_t frame_bytes = frame_header_bytes + header.page_bytes;
  const std::uint64_t frames = (log.size() - header_bytes) / frame_bytes;
  std::optional<std::uint64_t> bad;
  if (!header.valid) bad = 0;
  int commits_behind = 0;
  Checksum before = header.sum;
  std::optional<std::uint64_t> salt;
  if (header.valid) salt = header.salt;

  Frame frame{std::vector<unsigned char>(frame_bytes)};
  for (std::uint64_t i = 0; i < frames; ++i) {
    if (!log.read(header_bytes + i * frame_bytes, frame.bytes.data(), frame.bytes.size())) {
      return std::nullopt;  // SQLite will meet the same error, and names it
    }
    // Frames of an older round of the log stay behind the newer ones; their salt tells.
    if (!salt) salt = frame.salt();
    const bool ours = frame.salt() == *salt;
    const bool whole = ours && frame.follows(before, header.big_endian);
    if (!whole && !bad) {
      bad = i + 1;
      // Its own transaction was perhaps never synced, so it counts only by what comes after its
      // end.
      if (ours && frame.ends_transaction()) ++commits_behind;
    } else if (bad && whole && frame.ends_transaction()) {
      ++commits_behind;
    }
    // A transaction that ends behind the bad frame may be the torn one; a second one cannot be.
    // Behind a bad header (synced before its first frame is written) already one is proof.
    if (bad && commits_behind >= (*bad == 0 ? 1 : 2)) return bad;
    before = frame.stored();
  }
  return std::nullopt;
}

}  // namespace

Result<void> check_wal(const std::string& path) {
  const std::string log_path = path + "-wal";
  const File log{log_path};
  if (!log.is_open()) {
    if (errno == ENOENT) return {};
    return open_error(log_path, errno);
  }
  if (!log.sync()) {
    return unexpected(Errc::store_failed,
                      "store: cannot sync " + log_path + ": " + errno_text(errno));
  }
  std::array<unsigned char, header_bytes> bytes{};
  if (log.size() < header_bytes) return {};
  if (!log.read(0, bytes.data(), bytes.size())) {
    return unexpected(Errc::store_failed,
                      "store: cannot read " + log_path + ": " + errno_text(errno));
  }
  Header header = parse_header(bytes);
  if (!header.valid) {
    header.page_bytes = page_bytes_of(path);
    if (!is_page_size(static_cast<std::uint32_t>(header.page_bytes)))
      return {};  // SQLite will say it
  }
  if (const auto frame = find_damage(log, header)) {
    return unexpected(
        Errc::store_corrupt,
        "store: the log " + log_path + " is damaged at " +
            (*frame == 0 ? std::string{"its header"} : "frame " + std::to_string(*frame)) +
            ", before transactions that were confirmed. Nothing was changed. Keep a copy of it and "
            "of " +
            path + "; restore a backup, or remove the log to go on without what is in it");
  }
  return {};
}

}  // namespace baozi::store
