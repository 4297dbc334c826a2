/// \file schedule_options.hpp
/// What the actions of `baozi schedule` share: options that say when and what, and the store.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "beat/schedule/entry.hpp"
#include "client/cli/cli.hpp"
#include "store/schedule_store.hpp"

namespace baozi::cli {

template <class T>
T or_throw(Result<T> result, const std::string& before = "") {
  if (!result) throw base::ConfigError{before + result.error().message};
  return std::move(*result);
}

/// The options that say when, as a schedule.
struct When {
  std::optional<std::string> crontab, cron, every, solar, clocked;
  std::optional<double> latitude, longitude;
  bool relative = false;

  void declare(base::OptionTable& table);
  /// Was any of them given?
  [[nodiscard]] bool is_given() const;
  /// As Schedule::parse reads it. Throws ConfigError when not exactly one says when.
  [[nodiscard]] Value as_map() const;
  [[nodiscard]] beat::Schedule schedule() const;
};

/// The options that say what is sent, and how. An empty text takes a field back to its default.
struct What {
  std::optional<std::string> task, args, kwargs, queue, priority, headers, zone, expires, start,
      end, max_runs, missed, missed_limit, overlap, jitter, description;
  std::vector<std::string> header;
  bool one_off = false;

  void declare(base::OptionTable& table);
  /// Lays what was given over an entry's map. Throws ConfigError.
  void lay_over(Value& map, const base::OptionTable& table) const;
};

/// --store, and the store behind it.
struct StoreOption {
  std::string url;

  void declare(base::OptionTable& table);
  /// Throws ConfigError when none was named, std::runtime_error when it cannot be opened.
  [[nodiscard]] std::unique_ptr<store::ScheduleStore> open() const;
};

/// As cli::read, but of the environment only BAOZI_SCHEDULE_STORE and BAOZI_CONFIG count: what
/// BAOZI_STORE or BAOZI_QUEUE say is meant for nodes.
[[nodiscard]] bool read_schedule(base::OptionTable& table, const Words& words);

/// A store's answer; throws std::runtime_error, which ends the command with 1.
template <class T>
T answer(Result<T> result) {
  if (!result) throw std::runtime_error{result.error().message};
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
/// "user@host", for the history.
[[nodiscard]] std::string who();
[[nodiscard]] WallTime wall_now();
/// One that is due later than `after`, for people: "2026-…Z", "never", "disabled".
[[nodiscard]] std::string next_text(const beat::Entry& entry, WallTime after);

int schedule_next(const Words& words);
int schedule_list(const Words& words);
int schedule_show(const Words& words);
int schedule_history(const Words& words);
int schedule_add(const Words& words);
int schedule_edit(const Words& words);
int schedule_enable(const Words& words);
int schedule_disable(const Words& words);
int schedule_remove(const Words& words);
int schedule_run(const Words& words);
int schedule_import(const Words& words, ReadSchedule read_file);
int schedule_export(const Words& words);

}  // namespace baozi::cli
