// baozi schedule: periodic tasks. The table below names the actions; `next` is here, the others
// beside it.
#include <chrono>
#include <cstdio>
#include <optional>

#include "base/nearest.hpp"
#include "beat/schedule/instant.hpp"
#include "client/cli/cli.hpp"
#include "client/cli/schedule_options.hpp"

namespace baozi::cli {

namespace {

struct Action {
  const char* name;
  const char* does;
  int (*run)(const Words&);  ///< nullptr: import, which needs more
};
constexpr Action actions[] = {
    {"list", "lists the entries of a store", schedule_list},
    {"show", "shows an entry and what has become of it", schedule_show},
    {"next", "prints when a schedule, given or stored, is due", schedule_next},
    {"history", "shows who changed what, and when", schedule_history},
    {"add", "adds an entry", schedule_add},
    {"edit", "changes an entry", schedule_edit},
    {"enable", "lets entries be sent again", schedule_enable},
    {"disable", "keeps entries from being sent", schedule_disable},
    {"remove", "removes entries", schedule_remove},
    {"run", "has entries sent now, once, beside their schedule", schedule_run},
    {"import", "takes entries from a file into a store", nullptr},
    {"export", "writes a store's entries to a file", schedule_export},
};

void help(std::FILE* to) {
  std::fprintf(to, "usage: baozi schedule ACTION [ARGUMENT]…\n\nPeriodic tasks.\n\n");
  for (const Action& action : actions) std::fprintf(to, "  %-8s  %s\n", action.name, action.does);
  std::fprintf(to,
               "\n  baozi schedule next --crontab '3 * * * *' --zone Europe/Berlin --from "
               "2026-03-28T00:00:00Z -n 10 --json\n"
               "  baozi schedule next --solar sunset --latitude 52.52 --longitude 13.4\n"
               "  export BAOZI_SCHEDULE_STORE=sqlite:schedule.db\n"
               "  baozi schedule add nightly --crontab '30 2 * * *' --zone Europe/Berlin --task "
               "report.build --args '[7]'\n"
               "  baozi schedule edit nightly --queue reports --expires 1h\n"
               "  baozi schedule disable nightly\n\n"
               "Each action has its own --help. A beat sees a change within a second.\n");
}

/// Prints ticks; the terms are those of the entry or of the command line.
int print_ticks(const beat::Schedule& schedule, const beat::NextTerms& terms, WallTime after,
                std::uint64_t count, bool json) {
  Value::Array instants;
  auto tick = schedule.next(after, terms);
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

}  // namespace

int schedule_next(const Words& words) {
  When when;
  std::string name;
  std::string zone_name;
  std::optional<std::string> from;
  std::optional<std::string> start;
  std::uint64_t count = 5;
  bool json = false;
  StoreOption store;
  base::OptionTable table{"baozi schedule next",
                          "Prints the instants at which a schedule is due, in UTC."};
  table.add_positional("NAME", name, "an entry of --store, instead of a schedule that is given");
  when.declare(table);
  table.begin_group("Which of them");
  table.add("zone", zone_name, "whose clock counts, by its IANA name: Europe/Berlin (default UTC)")
      .word("ZONE");
  table.add("from", from, "the instants after this one: 2026-03-28T00:00:00Z (default now)")
      .word("INSTANT");
  table.add("start", start, "what intervals count from (default --from)").word("INSTANT");
  table.add("count", count, "how many").short_name('n').range(1, 100'000);
  table.add("json", json, "print a JSON array");
  store.declare(table);
  if (!read_schedule(table, words)) return 0;

  const WallTime now{std::chrono::floor<std::chrono::seconds>(wall_now().time_since_epoch())};
  if (!name.empty()) {
    if (when.is_given() || !zone_name.empty() || start) {
      throw base::ConfigError{"entry '" + name +
                              "' says when, in which zone and from when: leave these options away"};
    }
    const WallTime begin = from ? or_throw(beat::parse_instant(*from), "--from: ") : now;
    const auto found = answer(store.open()->find(name));
    if (!found) throw std::runtime_error{"there is no entry '" + name + "'"};
    if (!found->entry.enabled)
      std::fprintf(stderr, "baozi schedule: entry '%s' is disabled\n", name.c_str());
    return print_ticks(found->entry.schedule, found->entry.terms(), begin, count, json);
  }
  const beat::Schedule schedule = when.schedule();
  const WallTime begin = from ? or_throw(beat::parse_instant(*from), "--from: ") : now;
  beat::NextTerms terms;
  terms.zone = or_throw(beat::Zone::find(zone_name));
  terms.start = start ? or_throw(beat::parse_instant(*start), "--start: ") : begin;
  return print_ticks(schedule, terms, begin, count, json);
}

int schedule(const Words& words, ReadSchedule read_file) {
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
    if (name == action.name) {
      const Words rest{words.begin() + 1, words.end()};
      return action.run == nullptr ? schedule_import(rest, read_file) : action.run(rest);
    }
    names.emplace_back(action.name);
  }
  const std::string meant = base::nearest(name, names);
  throw base::ConfigError{"there is no action '" + name + "'" +
                          (meant.empty() ? "" : "; did you mean '" + meant + "'?")};
}

}  // namespace baozi::cli
