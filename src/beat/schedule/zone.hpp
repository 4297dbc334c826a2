/// \file zone.hpp
/// A time zone of the tz database as a value: its offsets from UTC, period by period. Looking up an
/// instant reads neither file nor clock.
/// Threading: immutable; copies share one table. `find` may be called from any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace baozi::beat {

/// What a clock on the wall in the zone shows, as microseconds since it showed 1970-01-01T00:00:00.
/// Not an instant: some local times never come, others come twice.
struct LocalClock {};
using LocalTime = std::chrono::time_point<LocalClock, Micros>;

/// A stretch of time with one offset.
struct ZonePeriod {
  WallTime begin;            ///< its first instant
  Micros offset{};           ///< local time minus UTC
  std::string abbreviation;  ///< "CET"
};

class Zone {
 public:
  /// UTC, which is always there.
  Zone();
  /// By its IANA name, "Europe/Berlin"; "" is UTC. The first look at a zone reads the system's tz
  /// database (Debian: tzdata), later ones do not. \return Errc::not_found  no such zone, with the
  /// names that may have been meant; Errc::invalid  the database cannot be read.
  [[nodiscard]] static Result<Zone> find(std::string_view name);
  /// Every name that `find` knows. Empty when there is no database.
  [[nodiscard]] static std::vector<std::string> names();

  [[nodiscard]] const std::string& name() const { return table_->name; }
  /// In order, the first since ever, the last for ever; never empty.
  [[nodiscard]] std::span<const ZonePeriod> periods() const { return table_->periods; }
  /// Index of the period that holds the instant.
  [[nodiscard]] std::size_t period_of(WallTime time) const;
  /// Where the period ends: the begin of the next, or the end of time.
  [[nodiscard]] WallTime period_end(std::size_t index) const;
  [[nodiscard]] Micros offset_at(WallTime time) const {
    return table_->periods[period_of(time)].offset;
  }
  [[nodiscard]] LocalTime to_local(WallTime time) const {
    return LocalTime{time.time_since_epoch() + offset_at(time)};
  }
  /// "2026-03-29 03:00:00 CEST"; a fraction only when there is one.
  [[nodiscard]] std::string local_text(WallTime time) const;

  bool operator==(const Zone& other) const { return name() == other.name(); }

 private:
  struct Table {
    std::string name;
    std::vector<ZonePeriod> periods;
  };
  explicit Zone(std::shared_ptr<const Table> table) : table_{std::move(table)} {}
  static Result<Zone> load(const std::string& name);

  std::shared_ptr<const Table> table_;  // shared by all entries of a zone
};

}  // namespace baozi::beat
