// baozi schedule add, edit, enable, disable, remove, run: what changes a store. Everything is
// checked before it is stored, and each change stands in the history.
#include <cstdio>

#include <fmt/format.h>

#include "client/cli/schedule_options.hpp"

namespace baozi::cli {

namespace {

std::string of_entry(const std::string& name) { return fmt::format("entry '{}': ", name); }

[[noreturn]] void no_such(const std::string& name) {
  throw std::runtime_error{"there is no entry '" + name + "'"};
}

/// Reads the names and the store of an action that wants nothing else.
struct Names {
  StoreOption store;
  Words names;

  bool read(const char* action, const char* summary, const Words& words) {
    base::OptionTable table{std::string{"baozi schedule "} + action, summary};
    table.add_positional("NAME", names, "the entries").required();
    store.declare(table);
    return read_schedule(table, words);
  }
};

/// Does it for each; one that is not there does not keep the others from it.
template <class Each>
int for_each(const Names& given, const char* done, const Each& each) {
  const auto store = given.store.open();
  int code = 0;
  for (const std::string& name : given.names) {
    if (answer(each(*store, name))) {
      std::printf("%s %s\n", name.c_str(), done);
    } else {
      std::fprintf(stderr, "baozi schedule: there is no entry '%s'\n", name.c_str());
      code = 1;
    }
  }
  return code;
}

int set_enabled(const Words& words, bool enabled) {
  const char* const action = enabled ? "enable" : "disable";
  Names given;
  if (!given.read(action,
                  enabled
                      ? "Lets entries be sent again. Ticks of the time before are not made up for."
                      : "Keeps entries from being sent, until they are enabled.",
                  words)) {
    return 0;
  }
  return for_each(given, enabled ? "enabled" : "disabled",
                  [&](store::ScheduleStore& store, const std::string& name) {
                    const auto change = [&](const beat::Entry& before) -> Result<beat::Entry> {
                      beat::Entry after = before;
                      after.enabled = enabled;
                      return after;
                    };
                    return store.edit(name, change, action, who(), wall_now());
                  });
}

}  // namespace

int schedule_add(const Words& words) {
  When when;
  What what;
  StoreOption option;
  std::string name;
  bool disabled = false;
  base::OptionTable table{"baozi schedule add",
                          "Adds an entry: a schedule, and the task that is sent by it."};
  table.add_positional("NAME", name, "the entry's name").required();
  when.declare(table);
  what.declare(table);
  table.add("disabled", disabled, "not to be sent until it is enabled");
  option.declare(table);
  if (!read_schedule(table, words)) return 0;
  Value map = when.as_map();
  what.lay_over(map, table);
  if (disabled) map["enabled"] = false;
  const beat::Entry entry = or_throw(beat::Entry::parse(name, map), of_entry(name));
  const auto store = option.open();
  if (answer(store->find(name))) {
    throw std::runtime_error{of_entry(name) + "is there already; `baozi schedule edit` changes it"};
  }
  answer(store->put(std::span{&entry, 1}, "add", who(), wall_now()));
  std::printf("%s added, next %s\n", name.c_str(), next_text(entry, wall_now()).c_str());
  return 0;
}

int schedule_edit(const Words& words) {
  When when;
  What what;
  StoreOption option;
  std::string name;
  base::OptionTable table{
      "baozi schedule edit",
      "Changes an entry: what is given, and nothing else. An empty text takes a field back to its "
      "default: --queue ''. What has become of it so far stays."};
  table.add_positional("NAME", name, "the entry").required();
  when.declare(table);
  what.declare(table);
  option.declare(table);
  if (!read_schedule(table, words)) return 0;
  const auto change = [&](const beat::Entry& before) -> Result<beat::Entry> {
    Value map = before.to_value();
    if (when.is_given()) {
      for (const char* kind : {"every", "relative", "crontab", "cron", "solar", "clocked"}) {
        map.as_object().erase(kind);
      }
      const Value schedule = when.as_map();
      for (const auto& [field, value] : schedule.as_object()) map[field] = value;
    }
    what.lay_over(map, table);
    return beat::Entry::parse(name, map);
  };
  const auto store = option.open();
  const auto edited = store->edit(name, change, "edit", who(), wall_now());
  if (!edited && (edited.error().code == Errc::invalid || edited.error().code == Errc::not_found)) {
    throw base::ConfigError{of_entry(name) + edited.error().message};
  }
  if (!answer(edited)) no_such(name);
  const auto after = answer(store->find(name));
  if (!after) no_such(name);
  std::printf("%s edited, next %s\n", name.c_str(), next_text(after->entry, wall_now()).c_str());
  return 0;
}

int schedule_enable(const Words& words) { return set_enabled(words, true); }
int schedule_disable(const Words& words) { return set_enabled(words, false); }

int schedule_remove(const Words& words) {
  Names given;
  if (!given.read("remove", "Removes entries. The history keeps what they were.", words)) return 0;
  return for_each(given, "removed", [](store::ScheduleStore& store, const std::string& name) {
    return store.remove(name, who(), wall_now());
  });
}

int schedule_run(const Words& words) {
  Names given;
  if (!given.read("run",
                  "Has entries sent now, once, beside their schedule: the beat that leads does it "
                  "within a second, or as "
                  "soon as there is one.",
                  words)) {
    return 0;
  }
  return for_each(given, "will be sent", [](store::ScheduleStore& store, const std::string& name) {
    return store.request_run(name, who(), wall_now());
  });
}

}  // namespace baozi::cli
