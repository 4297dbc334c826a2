/// \file beat_config.hpp
/// What an operator may say to `baozi-beat`; the same sentences stand in docs/configuration.md.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/config.hpp"
#include "base/time.hpp"
#include "beat/beat_core.hpp"
#include "beat/schedule_source.hpp"

namespace baozi::beat {

struct BeatConfig {
  std::vector<std::string>
      brokers;            ///< as --broker; empty: BAOZI_BROKER, else tcp://127.0.0.1:7170
  std::string scheduler;  ///< "file" or "database"; empty: what the others say
  std::string schedule;   ///< a YAML file
  std::string store;      ///< the entries, when they are in no file
  std::string state;      ///< the progress of a file's entries
  std::string zone;       ///< empty: UTC
  std::string name_space;
  Micros max_interval{5'000'000};
  Micros horizon{std::chrono::hours{24}};

  void declare(base::OptionTable& table);
  /// Without the brokers. \param store_name  how the option is called beside other roles' stores
  void declare_own(base::OptionTable& table, const std::string& store_name = "store");
  /// What the entries, or the progress of a file's, are kept in; null: nothing.
  /// \throws base::ConfigError  options that contradict each other, a store that cannot be opened
  [[nodiscard]] std::unique_ptr<store::ScheduleStore> open_store() const;
  /// \throws base::ConfigError  an unknown zone
  [[nodiscard]] SourceOptions source_options(const std::string& holder) const;
  [[nodiscard]] BeatOptions core_options() const;
};

}  // namespace baozi::beat
