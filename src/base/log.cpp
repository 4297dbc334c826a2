#include "base/log.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

namespace baozi::log {
namespace {

/// Writes each line with one write(2) to a descriptor opened for appending, so that lines of
/// several processes do not mix, and nothing is lost in a buffer when the process is killed.
class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  LineSink() = default;
  LineSink(const LineSink&) = delete;
  LineSink& operator=(const LineSink&) = delete;
  ~LineSink() override { close_file(); }

  void open(const std::string& path, bool takes_stderr) {
    const std::lock_guard lock{mutex_};
    const int opened = path.empty() ? STDERR_FILENO : open_file(path);
    if (opened < 0) {
      throw std::system_error{errno, std::generic_category(),
                              "cannot open the log file '" + path + "'"};
    }
    become(opened, path, takes_stderr);
  }

  /// 0, or the errno that kept the old file in use.
  int reopen() {
    const std::lock_guard lock{mutex_};
    if (path_.empty()) return 0;
    const int opened = open_file(path_);
    if (opened < 0) return errno;
    become(opened, path_, takes_stderr_);
    return 0;
  }

 private:
  static int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  }

  void become(int descriptor, std::string path, bool takes_stderr) {
    close_file();
    descriptor_ = descriptor;
    path_ = std::move(path);
    takes_stderr_ = takes_stderr;
    if (takes_stderr_) {
      ::dup2(descriptor_, STDOUT_FILENO);
      ::dup2(descriptor_, STDERR_FILENO);
    }
  }

  void close_file() {
    if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
    descriptor_ = STDERR_FILENO;
  }

  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const char* at = line.data();
    std::size_t left = line.size();
    while (left > 0) {
      const ssize_t written = ::write(descriptor_, at, left);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return;  // a full disk must not stop the node; there is nobody left to tell
      at += written;
      left -= static_cast<std::size_t>(written);
    }
  }
  void flush_() override {}

  int descriptor_ = STDERR_FILENO;
  std::string path_;
  bool takes_stderr_ = false;
};

struct Log {
  std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();
  std::unique_ptr<spdlog::logger> logger = make("baozi");

  std::unique_ptr<spdlog::logger> make(const std::string& node) const {
    auto made = std::make_unique<spdlog::logger>(node, sink);
    made->set_level(spdlog::level::trace);  // `enabled` has decided before
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%fZ %-8l %n: %v", spdlog::pattern_time_type::utc));
    return made;
  }
};

Log& the_log() {
  static Log* log = new Log;  // never destroyed: other statics may log while they go
  return *log;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::critical: return spdlog::level::critical;
  }
  return spdlog::level::critical;
}

}  // namespace

void open(const Options& options) {
  Log& log = the_log();
  log.sink->open(options.file, options.takes_stderr);
  log.logger = log.make(options.node);
  set_level(options.level);
}

void reopen() {
  if (const int failure = the_log().sink->reopen(); failure != 0) {
    error("cannot reopen the log file, staying with the old one: {}", std::strerror(failure));
  }
}

void set_level(Level level) { detail::lowest.store(level, std::memory_order_relaxed); }

std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

namespace detail {

void write(Level level, fmt::string_view format, fmt::format_args arguments) {
  const std::string text = one_line(fmt::vformat(format, arguments));
  the_log().logger->log(to_spdlog(level), spdlog::string_view_t{text});
}

}  // namespace detail
}  // namespace baozi::log
