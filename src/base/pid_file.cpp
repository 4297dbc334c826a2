#include "base/pid_file.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace baozi::base {
namespace {

std::runtime_error failure(const std::string& path, const std::string& what) {
  return std::runtime_error{"pid file '" + path + "': " + what};
}
std::runtime_error errno_failure(const std::string& path) {
  return failure(path, std::strerror(errno));
}

/// A lock of the process (not of the descriptor), so that the children of a pool do not inherit it.
bool lock(int descriptor) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::fcntl(descriptor, F_SETLK, &whole) == 0;
}

std::string content_of(int descriptor) {
  char text[64];
  const ssize_t length = ::pread(descriptor, text, sizeof text, 0);
  return length > 0 ? std::string(text, static_cast<std::size_t>(length)) : std::string{};
}

std::optional<pid_t> parse_pid(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r'))
    text.pop_back();
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

/// The fields of /proc/PID/stat from the state on (proc(5) counts it as the third); empty when
/// there is none.
std::vector<std::string> stat_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const std::size_t name_end = text.rfind(')');  // a program's name may hold blanks and brackets
  if (name_end == std::string::npos) return {};
  std::istringstream fields{text.substr(name_end + 1)};
  return {std::istream_iterator<std::string>{fields}, {}};
}

/// Seconds since the Unix epoch at which the machine was started; 0 when unknown.
double boot_time() {
  std::ifstream system{"/proc/stat"};
  std::string key;
  while (system >> key && key != "btime") system.ignore(1 << 20, '\n');
  double seconds = 0;
  system >> seconds;
  return system ? seconds : 0;
}

/// Does the process live that wrote this file?
bool writer_lives(pid_t pid, const struct stat& file) {
  if (pid == ::getpid()) return false;
  if (::kill(pid, 0) != 0 && errno != EPERM) return false;
  const std::vector<std::string> stat = stat_of(pid);
  constexpr std::size_t state = 0;
  constexpr std::size_t start = 22 - 3;
  if (stat.size() <= start) return true;
  if (stat[state] == "Z" || stat[state] == "X")
    return false;  // dead, only its parent has not looked yet
  // One that began after the file was written was only given the number again, after a reboot for
  // example.
  const double began = boot_time() + std::strtod(stat[start].c_str(), nullptr) /
                                         static_cast<double>(::sysconf(_SC_CLK_TCK));
  constexpr double clock_slack = 2.0;  // the boot time is in whole seconds
  return began <= static_cast<double>(file.st_mtim.tv_sec) + clock_slack;
}

}  // namespace

PidFile::PidFile(std::string path) : path_{std::move(path)}, owner_{::getpid()} {
  for (;;) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) throw errno_failure(path_);
    try {
      const bool locked = lock(descriptor_);
      const std::string content = content_of(descriptor_);
      const auto pid = parse_pid(content);
      struct stat opened {};
      struct stat named {};
      if (::fstat(descriptor_, &opened) != 0) throw errno_failure(path_);
      if (!locked || (pid && writer_lives(*pid, opened))) {
        throw failure(path_, "process " + (pid ? std::to_string(*pid) : "unknown") + " is running");
      }
      if (!content.empty() && !pid) throw failure(path_, "holds no process id; not touched");
      // Its former owner may have removed the file between our open and our lock: then we hold a
      // nameless one.
      if (::stat(path_.c_str(), &named) != 0 || named.st_ino != opened.st_ino ||
          named.st_dev != opened.st_dev) {
        ::close(descriptor_);
        continue;
      }
      const std::string text = std::to_string(owner_) + '\n';
      if (::ftruncate(descriptor_, 0) != 0 ||
          ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        throw errno_failure(path_);
      }
      return;
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
  }
}

PidFile::~PidFile() {
  if (owner_ == ::getpid()) {
    struct stat ours {};
    struct stat named {};
    if (::fstat(descriptor_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      ::unlink(path_.c_str());
    }
  }
  ::close(descriptor_);
}

}  // namespace baozi::base
