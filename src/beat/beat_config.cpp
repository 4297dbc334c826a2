#include "beat/beat_config.hpp"

#include "beat/tick_id.hpp"
#include "store/open_store.hpp"

namespace baozi::beat {

void BeatConfig::declare(base::OptionTable& table) {
  table.begin_group("Beat");
  declare_own(table);
  table
      .add(
          "broker", brokers,
          "the brokers to hand tasks to; each entry has one of them (default tcp://127.0.0.1:7170)")
      .word("ENDPOINT");
}

void BeatConfig::declare_own(base::OptionTable& table, const std::string& store_name) {
  using namespace std::chrono_literals;
  table
      .add("schedule", schedule,
           "the entries, a YAML file (configs/schedule.yaml); read again when it changes and on "
           "SIGHUP")
      .short_name('s')
      .word("FILE");
  table
      .add(store_name, store,
           "the entries, in a database that several beats may share; instead of --schedule")
      .word("URL");
  table
      .add("state", state,
           "where the progress of a file's entries is kept, so that ticks that were due while no "
           "beat ran are known")
      .word("URL");
  table.add("scheduler", scheduler, "file or database; without it, what --schedule or a store says")
      .short_name('S')
      .word("NAME")
      .check([](const std::string& given) {
        return given.empty() || given == "file" || given == "database"
                   ? std::string{}
                   : "'" + given + "' is neither file nor database";
      });
  table
      .add("zone", zone,
           "whose clock crontabs follow, for entries of a file that name no zone: Europe/Berlin "
           "(default: UTC)")
      .word("ZONE");
  table
      .add("namespace", name_space,
           "beats of one schedule have one namespace; others need another when their entries have "
           "the same names")
      .word("TEXT");
  table
      .add("max-interval", max_interval,
           "the longest sleep: so soon it is seen that somebody set the clock")
      .range(10ms, 1h);
  table
      .add("horizon", horizon,
           "how long after its instant a tick counts at the broker; one that is older is not sent")
      .range(1s, Micros{std::chrono::hours{24 * 366}});
}

std::unique_ptr<store::ScheduleStore> BeatConfig::open_store() const {
  if (schedule.empty() && store.empty()) {
    throw base::ConfigError{"a beat needs its entries: --schedule FILE, or a store"};
  }
  if (!schedule.empty() && !store.empty()) {
    throw base::ConfigError{
        "--schedule and a store of entries exclude each other; the progress of a file's entries is "
        "kept in --state"};
  }
  if (!state.empty() && schedule.empty()) {
    throw base::ConfigError{"--state is for the entries of a file: a store keeps its own"};
  }
  if (scheduler == "file" && schedule.empty()) {
    throw base::ConfigError{"--scheduler file needs --schedule"};
  }
  if (scheduler == "database" && store.empty()) {
    throw base::ConfigError{"--scheduler database needs a store"};
  }
  const std::string& url = store.empty() ? state : store;
  if (url.empty()) return nullptr;
  auto opened = store::open_schedule_store(url);
  if (!opened) {
    throw base::ConfigError{(store.empty() ? "--state: " : "the schedule's store: ") +
                            opened.error().message};
  }
  return std::move(*opened);
}

SourceOptions BeatConfig::source_options(const std::string& holder) const {
  SourceOptions options;
  options.file = schedule;
  options.holder = holder;
  Result<Zone> found = Zone::find(zone);
  if (!found) throw base::ConfigError{"--zone: " + found.error().message};
  options.zone = *found;
  return options;
}

BeatOptions BeatConfig::core_options() const {
  BeatOptions options;
  options.name_space = beat_namespace(name_space);
  options.horizon = horizon;
  return options;
}

}  // namespace baozi::beat
