/// \file log.hpp
/// The program's log: one line per event, to stderr or a file.
///
///     2026-03-01T08:15:30.000125Z info     broker@host: listening on tcp://127.0.0.1:7170
///
/// UTC, microseconds, level, node name, text. Control characters in the text are escaped, so that
/// an event is one line whatever a peer put into a name. Threading: any thread may log; `open`
/// comes before the second thread. A library that is linked into somebody's program says only
/// warnings and worse until `open` is called.
#pragma once
#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace baozi::log {

/// Celery's names, in rising order.
enum class Level { debug, info, warning, error, critical };

struct Options {
  Level level = Level::info;
  std::string file;  ///< empty: stderr
  std::string node;  ///< name that stands in each line
  bool takes_stderr =
      false;  ///< what others write to stderr goes to the file as well (a detached program)
};

/// Starts writing as `options` say. Throws std::system_error when the file cannot be opened for
/// appending.
void open(const Options& options);
/// Opens the file anew under its name: for after it was moved away (SIGHUP). When that fails, says
/// so in the old file and stays with it.
void reopen();
void set_level(Level level);

/// "a\nb" -> "a\\nb": what every logged text passes through.
[[nodiscard]] std::string one_line(std::string_view text);

namespace detail {
inline std::atomic<Level> lowest{Level::warning};
void write(Level level, fmt::string_view format, fmt::format_args arguments);
}  // namespace detail

[[nodiscard]] inline bool enabled(Level level) {
  return level >= detail::lowest.load(std::memory_order_relaxed);
}

template <class... T>
void write(Level level, fmt::format_string<T...> format, T&&... arguments) {
  if (enabled(level)) detail::write(level, format, fmt::make_format_args(arguments...));
}
template <class... T>
void debug(fmt::format_string<T...> format, T&&... arguments) {
  write(Level::debug, format, std::forward<T>(arguments)...);
}
template <class... T>
void info(fmt::format_string<T...> format, T&&... arguments) {
  write(Level::info, format, std::forward<T>(arguments)...);
}
template <class... T>
void warning(fmt::format_string<T...> format, T&&... arguments) {
  write(Level::warning, format, std::forward<T>(arguments)...);
}
template <class... T>
void error(fmt::format_string<T...> format, T&&... arguments) {
  write(Level::error, format, std::forward<T>(arguments)...);
}
template <class... T>
void critical(fmt::format_string<T...> format, T&&... arguments) {
  write(Level::critical, format, std::forward<T>(arguments)...);
}

}  // namespace baozi::log
