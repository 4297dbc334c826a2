// baozi schedule: what periodic tasks are due when. One function an action; the table below names them.
#include <chrono>
#include <cstdio>
#include <optional>

#include "base/nearest.hpp"
#include "beat/schedule/instant.hpp"
#include "beat/schedule/schedule.hpp"
#include "client/cli/cli.hpp"

namespace baozi::cli {

namespace {

template <class T>
T or_throw(Result<T> result, const std::string& before = "") {
  if (!result) throw base::ConfigError{before + result.error().message};
  return *std::move(result);
}

/// The options that say when, as a schedule.
struct When {
  std::optional<std::string> crontab, cron, every, solar, clocked;
  std::optional<double> latitude, longitude;
  bool relative = false;

  void declare(base::OptionTable& table) {
    table.begin_group("One of these");
    table.add("crontab", crontab, "Celery's crontab: minute hour day_of_month month_of_year day_of_week; both days must match")
        .word("TEXT");
    table.add("cron", cron, "cron's text, five fields or six with the second first, or @daily; either day may match").word("TEXT");
    table.add("every", every, "an interval: 30s, 1h30m, or a number of seconds").word("TIME");
    table.add("solar", solar, "an event of the sun: dawn, sunrise, noon, sunset, dusk, dawn_nautical …").word("EVENT");
    table.add("clocked", clocked, "once, at this instant").word("INSTANT");
    table.begin_group("With them");
    table.add("relative", relative, "--every: aligned to the clock, not to the start");
    table.add("latitude", latitude, "--solar: degrees, north is positive").word("DEGREES");
    table.add("longitude", longitude, "--solar: degrees, east is positive").word("DEGREES");
  }

  [[nodiscard]] beat::Schedule schedule() const {
    Value::Object kinds;
    if (crontab) kinds["crontab"] = *crontab;
    if (cron) kinds["cron"] = *cron;
    if (every) kinds["every"] = *every;
    if (clocked) kinds["clocked"] = *clocked;
    if (solar) {
      Value place = Value::object({{"event", *solar}});
      if (latitude) place["latitude"] = *latitude;
      if (longitude) place["longitude"] = *longitude;
      kinds["solar"] = place;
    }
    if (kinds.size() != 1) throw base::ConfigError{"say when with one of --crontab, --cron, --every, --solar, --clocked"};
    if (relative && !every) throw base::ConfigError{"--relative belongs to --every"};
    if ((latitude || longitude) && !solar) throw base::ConfigError{"--latitude and --longitude belong to --solar"};
    if (relative) kinds["relative"] = true;
    return or_throw(beat::Schedule::parse(Value{kinds}));
  }
};

WallTime now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return WallTime{std::chrono::floor<std::chrono::seconds>(since)};
}

int next(const Words& words) {
  When when;
  std::string zone_name;
  std::optional<std::string> from;
  std::optional<std::string> start;
  std::uint64_t count = 5;
  bool json = false;
  base::OptionTable table{"baozi schedule next", "Prints the instants at which a schedule is due, in UTC."};
  when.declare(table);
  table.begin_group("Which of them");
  table.add("zone", zone_name, "whose clock counts, by its IANA name: Europe/Berlin (default UTC)").word("ZONE");
  table.add("from", from, "the instants after this one: 2026-03-28T00:00:00Z (default now)").word("INSTANT");
  table.add("start", start, "what intervals count from (default --from)").word("INSTANT");
  table.add("count", count, "how many").short_name('n').range(1, 100'000);
  table.add("json", json, "print a JSON array");
  if (!read(table, words)) return 0;

  const beat::Schedule schedule = when.schedule();
  const WallTime begin = from ? or_throw(beat::parse_instant(*from), "--from: ") : now();
  beat::NextTerms terms;
  terms.zone = or_throw(beat::Zone::find(zone_name));
  terms.start = start ? or_throw(beat::parse_instant(*start), "--start: ") : begin;
  Value::Array instants;
  auto tick = schedule.next(begin, terms);
  for (; tick && count > 0; --count) {
    if (json) {
      instants.emplace_back(beat::to_text(*tick));
    } else {
      std::printf("%s  %s\n", beat::to_text(*tick).c_str(), terms.zone.local_text(*tick).c_str());
      instants.emplace_back();
    }
    if (count > 1) tick = schedule.next(*tick, terms);
  }
  if (json) {
    std::printf("%s\n", Value{instants}.to_json(2).c_str());
  } else if (instants.empty()) {
    std::printf("never\n");
  }
  return 0;
}

struct Action {
  const char* name;
  const char* does;
  int (*run)(const Words&);
};
constexpr Action actions[] = {
    {"next", "prints when a schedule is due", next},
};

void help(std::FILE* to) {
  std::fprintf(to, "usage: baozi schedule ACTION [ARGUMENT]…\n\nPeriodic tasks.\n\n");
  for (const Action& action : actions) std::fprintf(to, "  %-8s  %s\n", action.name, action.does);
  std::fprintf(to,
               "\n  baozi schedule next --crontab '3 * * * *' --zone Europe/Berlin --from 2026-03-28T00:00:00Z -n 10 --json\n"
               "  baozi schedule next --cron '0 9 * * MON#1'\n"
               "  baozi schedule next --solar sunset --latitude 52.52 --longitude 13.4\n\n"
               "Each action has its own --help.\n");
}

}  // namespace

int schedule(const Words& words) {
  const std::string name = words.empty() ? "" : words.front();
  if (name == "--help" || name == "-h" || name == "help") {
    help(stdout);
    return 0;
  }
  if (name.empty()) {
    help(stderr);
    return 2;
  }
  std::vector<std::string> names;
  for (const Action& action : actions) {
    if (name == action.name) return action.run(Words{words.begin() + 1, words.end()});
    names.emplace_back(action.name);
  }
  const std::string meant = base::nearest(name, names);
  throw base::ConfigError{"there is no action '" + name + "'" + (meant.empty() ? "" : "; did you mean '" + meant + "'?")};
}

}  // namespace baozi::cli
