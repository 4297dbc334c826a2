#include "client/cli/schedule_options.hpp"

#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include <pwd.h>
#include <unistd.h>

#include "base/node_name.hpp"
#include "beat/schedule/instant.hpp"
#include "store/open_store.hpp"

namespace baozi::cli {

void When::declare(base::OptionTable& table) {
  table.begin_group("One of these");
  table
      .add("crontab", crontab,
           "Celery's crontab: minute hour day_of_month month_of_year day_of_week; both days must "
           "match")
      .word("TEXT");
  table
      .add("cron", cron,
           "cron's text, five fields or six with the second first, or @daily; either day may match")
      .word("TEXT");
  table.add("every", every, "an interval: 30s, 1h30m, or a number of seconds").word("TIME");
  table
      .add("solar", solar,
           "an event of the sun: dawn, sunrise, noon, sunset, dusk, dawn_nautical …")
      .word("EVENT");
  table.add("clocked", clocked, "once, at this instant").word("INSTANT");
  table.begin_group("With them");
  table.add("relative", relative, "--every: aligned to the clock, not to the start");
  table.add("latitude", latitude, "--solar: degrees, north is positive").word("DEGREES");
  table.add("longitude", longitude, "--solar: degrees, east is positive").word("DEGREES");
}

bool When::is_given() const {
  return crontab || cron || every || solar || clocked || latitude || longitude || relative;
}

Value When::as_map() const {
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
  if (kinds.size() != 1) {
    throw base::ConfigError{"say when with one of --crontab, --cron, --every, --solar, --clocked"};
  }
  if (relative && !every) throw base::ConfigError{"--relative belongs to --every"};
  if ((latitude || longitude) && !solar) {
    throw base::ConfigError{"--latitude and --longitude belong to --solar"};
  }
  if (relative) kinds["relative"] = true;
  return Value{kinds};
}

beat::Schedule When::schedule() const { return or_throw(beat::Schedule::parse(as_map())); }

void What::declare(base::OptionTable& table) {
  table.begin_group("What");
  table.add("task", task, "the task's name, such as c.add").word("NAME");
  table.add("args", args, "its arguments, a JSON array").word("JSON");
  table.add("kwargs", kwargs, "its keyword arguments, a JSON object").word("JSON");
  table.add("queue", queue, "the queue (default: the network's default queue)").word("QUEUE");
  table.add("priority", priority, "0 to 9; 9 is most urgent").word("N");
  table.add("header", header, "headers, as KEY=VALUE; they replace what was there").word("TEXT");
  table.add("headers", headers, "headers, a JSON object").word("JSON");
  table.add("expires", expires, "a task that has not started so long after its tick is dropped")
      .word("TIME");
  table.begin_group("When and how often");
  table.add("zone", zone, "whose clock counts: Europe/Berlin (default: UTC)").word("ZONE");
  table.add("start", start, "no tick before it; intervals count from it").word("INSTANT");
  table.add("end", end, "no tick after it").word("INSTANT");
  table.add("one-off", one_off, "disabled after its first tick");
  table.add("max-runs", max_runs, "disabled after so many ticks").word("N");
  table.add("missed", missed, "of ticks that could not be sent in time: skip, last or all")
      .word("TEXT");
  table.add("missed-limit", missed_limit, "so many at most, with --missed all: 1 to 10000")
      .word("N");
  table
      .add("overlap", overlap,
           "while the last task is unfinished: allow sends the next, skip leaves it out")
      .word("TEXT");
  table.add("jitter", jitter, "each tick is sent up to so much later, evenly spread").word("TIME");
  table.add("description", description, "for people").word("TEXT");
}

namespace {

Value json(const char* option, const std::string& text) {
  try {
    return Value::from_json(text);
  } catch (const DecodeError& error) {
    throw base::ConfigError{std::string{option} + ": '" + text + "' is no JSON: " + error.what()};
  }
}

Value headers_of(const std::vector<std::string>& pairs) {
  Value headers = Value::object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw base::ConfigError{"--header: '" + pair + "' is not of the form KEY=VALUE"};
    }
    headers[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return headers;
}

}  // namespace

void What::lay_over(Value& map, const base::OptionTable& table) const {
  const auto lay = [&](const char* field, const std::optional<std::string>& text) {
    if (text && text->empty()) map.as_object().erase(field);
    if (text && !text->empty()) map[field] = *text;
  };
  const auto lay_json = [&](const char* option, const std::optional<std::string>& text) {
    const char* field = option + 2;  // without the dashes
    if (text && text->empty()) map.as_object().erase(field);
    if (text && !text->empty()) map[field] = json(option, *text);
  };
  lay("task", task);
  lay("queue", queue);
  lay("priority", priority);
  lay("expires", expires);
  lay("zone", zone);
  lay("start", start);
  lay("end", end);
  lay("max_runs", max_runs);
  lay("missed", missed);
  lay("missed_limit", missed_limit);
  lay("overlap", overlap);
  lay("jitter", jitter);
  lay("description", description);
  lay_json("--args", args);
  lay_json("--kwargs", kwargs);
  lay_json("--headers", headers);
  if (!header.empty() && headers) {
    throw base::ConfigError{"--header and --headers exclude each other"};
  }
  if (!header.empty()) map["headers"] = headers_of(header);
  if (table.was_given("one-off")) map["one_off"] = one_off;
}

void StoreOption::declare(base::OptionTable& table) {
  table.begin_group("Store");
  table
      .add("store", url,
           "where the schedule is kept: sqlite:PATH or postgresql://USER@HOST/DATABASE (default: "
           "$BAOZI_SCHEDULE_STORE)")
      .word("URL")
      .secret();
}

std::unique_ptr<store::ScheduleStore> StoreOption::open() const {
  if (url.empty()) {
    throw base::ConfigError{
        "--store (or BAOZI_SCHEDULE_STORE) must say where the schedule is: "
        "sqlite:PATH or postgresql://USER@HOST/DATABASE"};
  }
  if (url == "memory:") throw base::ConfigError{"--store: memory: is gone when this command ends"};
  auto store = store::open_schedule_store(url);
  if (!store && store.error().code == Errc::invalid) throw base::ConfigError{store.error().message};
  return answer(std::move(store));
}

bool read_schedule(base::OptionTable& table, const Words& words) {
  base::Environment ours;
  const base::Environment all = base::process_environment();
  if (const auto at = all.find("BAOZI_CONFIG"); at != all.end()) ours.insert(*at);
  if (const auto at = all.find("BAOZI_SCHEDULE_STORE"); at != all.end()) {
    ours["BAOZI_STORE"] = at->second;
  }
  return read(table, words, ours);
}

std::string who() {
  const passwd* const user = ::getpwuid(::getuid());
  return (user != nullptr ? std::string{user->pw_name} : std::to_string(::getuid())) + '@' +
         base::host_name();
}

WallTime wall_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return WallTime{std::chrono::duration_cast<Micros>(since)};
}

std::string next_text(const beat::Entry& entry, WallTime after) {
  if (!entry.enabled) return "disabled";
  const auto tick = entry.next(after);
  return tick ? beat::to_text(*tick) : "never";
}

}  // namespace baozi::cli
