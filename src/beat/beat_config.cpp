#include "beat/beat_config.hpp"

#include "beat/tick_id.hpp"

namespace baozi::beat {

void BeatConfig::declare(base::OptionTable& table) {
  table.begin_group("Beat");
  declare_own(table, true);
  table
      .add(
          "broker", brokers,
          "the brokers to hand tasks to; each entry has one of them (default tcp://127.0.0.1:7170)")
      .word("ENDPOINT");
}

void BeatConfig::declare_own(base::OptionTable& table, bool schedule_is_needed) {
  using namespace std::chrono_literals;
  auto& file = table
                   .add("schedule", schedule,
                        "the entries, a YAML file (configs/schedule.yaml); read again when it "
                        "changes and on SIGHUP")
                   .short_name('s')
                   .word("FILE");
  if (schedule_is_needed) file.required();
  table
      .add("zone", zone,
           "whose clock crontabs follow, for entries that name no zone: Europe/Berlin (default: "
           "UTC)")
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
