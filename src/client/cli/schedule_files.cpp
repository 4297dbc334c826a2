// baozi schedule import, export: from a file into a store and back. The files are those of
// `baozi-beat --schedule`.
#include <cstdio>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "client/cli/schedule_options.hpp"

namespace baozi::cli {

namespace {

using Stored = std::map<std::string, beat::Entry>;

Stored stored_entries(store::ScheduleStore& store, std::vector<std::string>& broken) {
  Stored all;
  for (store::StoredEntry& stored : answer(store.load(broken))) {
    std::string name = stored.entry.name;
    all.emplace(std::move(name), std::move(stored.entry));
  }
  return all;
}

/// JSON is YAML, so each field's value stands as JSON behind its name.
std::string as_yaml(const Stored& entries) {
  if (entries.empty()) return "entries: {}\n";
  std::string text = "entries:\n";
  for (const auto& [name, entry] : entries) {
    text += fmt::format("  {}:\n", Value{name}.to_json());
    const Value map = entry.to_value();
    for (const auto& [field, value] : map.as_object()) {
      text += fmt::format("    {}: {}\n", field, value.to_json());
    }
  }
  return text;
}

std::string as_json(const Stored& entries) {
  Value all = Value::object();
  for (const auto& [name, entry] : entries) all[name] = entry.to_value();
  return Value::object({{"entries", all}}).to_json(2) + "\n";
}

}  // namespace

int schedule_export(const Words& words) {
  StoreOption option;
  std::string file;
  bool json = false;
  base::OptionTable table{
      "baozi schedule export",
      "Writes the entries of a store to a file that `baozi-beat --schedule` and `baozi schedule "
      "import` read: YAML, or JSON with --json or when its name ends with .json. What has become "
      "of "
      "them so far stays behind."};
  table.add_positional("FILE", file, "without it, to the standard output");
  option.declare(table);
  table.add("json", json, "write JSON");
  if (!read_schedule(table, words)) return 0;
  std::vector<std::string> broken;
  const Stored entries = stored_entries(*option.open(), broken);
  for (const std::string& line : broken)
    std::fprintf(stderr, "baozi schedule: left out: %s\n", line.c_str());
  const std::string text = json || file.ends_with(".json") ? as_json(entries) : as_yaml(entries);
  if (file.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    std::ofstream out{file, std::ios::binary};
    if (!(out << text << std::flush)) throw std::runtime_error{"cannot write '" + file + "'"};
    std::printf("%zu written to %s\n", entries.size(), file.c_str());
  }
  return broken.empty() ? 0 : 1;
}

int schedule_import(const Words& words, ReadSchedule read_file) {
  StoreOption option;
  std::string file;
  bool replace = false;
  bool prune = false;
  bool dry_run = false;
  base::OptionTable table{
      "baozi schedule import",
      "Takes the entries of a file, YAML or JSON as `baozi-beat --schedule` has it, into a store: "
      "all "
      "of them or, when anything is wrong, none. What has become of an entry so far stays."};
  table.add_positional("FILE", file, "the file; - is the standard input").required();
  option.declare(table);
  table.begin_group("What becomes of the store's entries");
  table.add("replace", replace,
            "the file's take the place of those with the same names; without it they are refused");
  table.add("prune", prune, "those that the file does not have are removed");
  table.add("dry-run", dry_run, "only tell what would be done");
  if (!read_schedule(table, words)) return 0;
  const std::vector<beat::Entry> entries =
      or_throw(read_file(file == "-" ? "/dev/stdin" : file, beat::Zone{}));
  const auto store = option.open();
  std::vector<std::string> broken;
  Stored rest = stored_entries(*store, broken);
  std::size_t added = 0;
  std::size_t changed = 0;
  for (const beat::Entry& entry : entries) {
    const auto there = rest.find(entry.name);
    if (there == rest.end()) {
      ++added;
      continue;
    }
    if (there->second != entry) {
      if (!replace) {
        throw std::runtime_error{fmt::format(
            "entry '{}': another one is there already; --replace takes its place", entry.name)};
      }
      ++changed;
    }
    rest.erase(there);
  }
  std::size_t removed = 0;
  if (!dry_run) answer(store->put(entries, "import", who(), wall_now()));
  if (prune) {
    for (const auto& [name, entry] : rest) {
      if (dry_run || answer(store->remove(name, who(), wall_now()))) ++removed;
    }
  }
  std::printf("%s%zu added, %zu changed, %zu as they were, %zu removed\n",
              dry_run ? "would be: " : "", added, changed, entries.size() - added - changed,
              removed);
  for (const std::string& line : broken) std::fprintf(stderr, "baozi schedule: %s\n", line.c_str());
  return 0;
}

}  // namespace baozi::cli
