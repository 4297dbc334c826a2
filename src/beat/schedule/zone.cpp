#include "beat/schedule/zone.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

#include <date/tz.h>
#include <fmt/core.h>

#include "base/nearest.hpp"
#include "beat/schedule/instant.hpp"
#include "beat/schedule/posix_rule.hpp"

namespace baozi::beat {

namespace {

constexpr int rule_year_last = 2200;  ///< how far a zone's present rule is laid out

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

/// ", did you mean …?": the same name in other letters, the zones of that city, else the nearest.
std::string meant(const std::string& name, const std::vector<std::string>& known) {
  std::string list;
  const std::string wanted = lower(name);
  for (const std::string& other : known) {
    if (lower(other) != wanted && lower(last_part(other)) != wanted) continue;
    list += (list.empty() ? "'" : ", '") + other + '\'';
  }
  if (list.empty()) {
    if (const std::string near = base::nearest(name, known); !near.empty())
      list = '\'' + near + '\'';
  }
  return list.empty() ? "" : "; did you mean " + list + '?';
}

/// The rule that stands at the end of a compiled zone; "" when there is none.
std::string last_line(const std::string& name) {
  std::ifstream file{"/usr/share/zoneinfo/" + name, std::ios::binary};
  std::string all{std::istreambuf_iterator<char>{file}, {}};
  if (all.empty() || all.back() != '\n') return {};
  all.pop_back();
  return all.substr(all.rfind('\n') + 1);
}

std::int64_t seconds_of_year(int year) {
  return date::sys_seconds{date::sys_days{date::year{year} / 1 / 1}}.time_since_epoch().count();
}

}  // namespace

Zone::Zone() {
  static const auto utc =
      std::make_shared<const Table>(Table{"UTC", {ZonePeriod{WallTime::min(), Micros{0}, "UTC"}}});
  table_ = utc;
}

Result<Zone> Zone::find(std::string_view name) {
  if (name.empty() || name == "UTC") return Zone{};
  static std::mutex guard;
  static std::map<std::string, Zone, std::less<>> found;
  const std::lock_guard lock{guard};
  if (const auto at = found.find(name); at != found.end()) return at->second;
  Result<Zone> loaded = load(std::string{name});
  if (loaded) found.emplace(name, *loaded);
  return loaded;
}

std::vector<std::string> Zone::names() {
  std::vector<std::string> all;
  try {
    for (const auto& zone : date::get_tzdb().zones) all.push_back(zone.name());
  } catch (const std::exception&) {  // no database: no names
  }
  return all;
}

Result<Zone> Zone::load(const std::string& name) {
  try {
    const auto& zones = date::get_tzdb().zones;
    const auto known = std::find_if(zones.begin(), zones.end(),
                                    [&](const auto& zone) { return zone.name() == name; });
    if (known == zones.end()) {
      return unexpected(Errc::not_found, fmt::format("zone: there is no '{}' in the tz database{}",
                                                     name, meant(name, names())));
    }
    Table table{name, {}};
    const std::int64_t end = seconds_of_year(year_most);
    for (std::int64_t at = seconds_of_year(year_least); at < end;) {
      const auto info = known->get_info(date::sys_seconds{std::chrono::seconds{at}});
      const WallTime begin = table.periods.empty() ? WallTime::min() : wall_time(at * 1'000'000);
      table.periods.push_back({begin, Micros{info.offset}, info.abbrev});
      at = info.end.time_since_epoch().count();
    }
    // date/tz reads the changes that the file lists, up to 2037 as a rule, and not what comes
    // after.
    if (const auto rule = PosixRule::parse(last_line(name)); rule && table.periods.size() > 1) {
      for (ZonePeriod& period : rule->periods(table.periods.back().begin, rule_year_last)) {
        table.periods.push_back(std::move(period));
      }
    }
    return Zone{std::make_shared<const Table>(std::move(table))};
  } catch (const std::exception& error) {
    return unexpected(Errc::invalid, fmt::format("zone: '{}' cannot be read from the system's tz "
                                                 "database (Debian's package tzdata): {}",
                                                 name, error.what()));
  }
}

std::size_t Zone::period_of(WallTime time) const {
  const auto& all = table_->periods;
  const auto after = std::upper_bound(all.begin() + 1, all.end(), time,
                                      [](WallTime t, const ZonePeriod& p) { return t < p.begin; });
  return static_cast<std::size_t>(after - all.begin()) - 1;
}

WallTime Zone::period_end(std::size_t index) const {
  return index + 1 < table_->periods.size() ? table_->periods[index + 1].begin : WallTime::max();
}

std::string Zone::local_text(WallTime time) const {
  const ZonePeriod& period = table_->periods[period_of(time)];
  std::string text = to_text(time + period.offset);
  text.pop_back();  // the Z
  text[10] = ' ';
  return text + ' ' + period.abbreviation;
}

}  // namespace baozi::beat
