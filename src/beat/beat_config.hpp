/// \file beat_config.hpp
/// What an operator may say to `baozi-beat`; the same sentences stand in docs/configuration.md.
#pragma once
#include <string>
#include <vector>

#include "base/config.hpp"
#include "base/time.hpp"
#include "beat/beat_core.hpp"
#include "beat/schedule_source.hpp"

namespace baozi::beat {

struct BeatConfig {
  std::vector<std::string>
      brokers;           ///< as --broker; empty: BAOZI_BROKER, else tcp://127.0.0.1:7170
  std::string schedule;  ///< a YAML file
  std::string zone;      ///< empty: UTC
  std::string name_space;
  Micros max_interval{5'000'000};
  Micros horizon{std::chrono::hours{24}};

  void declare(base::OptionTable& table);
  /// Without the brokers. \param schedule_is_needed  false where a process need not be a beat.
  void declare_own(base::OptionTable& table, bool schedule_is_needed);
  /// \throws base::ConfigError  an unknown zone
  [[nodiscard]] SourceOptions source_options(const std::string& holder) const;
  [[nodiscard]] BeatOptions core_options() const;
};

}  // namespace baozi::beat
