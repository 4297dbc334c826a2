#include "beat/schedule_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "beat/yaml_value.hpp"

namespace baozi::beat {

namespace {

Unexpected wrong(const std::string& path, const Place& place, const std::string& what) {
  return unexpected(Errc::invalid,
                    fmt::format("{}:{}:{}: {}", path, place.line, place.column, what));
}

/// Finds the place that a message is about: "minute: '61' is outside 0 to 59" names a key.
class Places {
 public:
  explicit Places(const std::vector<KeyPlace>& keys) : keys_{keys} {
    bool is_in_entries = false;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].depth == 1) is_in_entries = keys[i].key == "entries";
      if (keys[i].depth == 1) top_.emplace(keys[i].key, keys[i].place);
      if (keys[i].depth == 2 && is_in_entries) entries_.emplace(keys[i].key, i);
    }
  }

  [[nodiscard]] Place of_top(const std::string& key) const {
    const auto found = top_.find(key);
    return found != top_.end() ? found->second : Place{1, 1};
  }
  /// Of the key that the message names, if the entry has it, else of the entry.
  [[nodiscard]] Place of_entry(const std::string& name, const std::string& message) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return of_top("entries");
    const std::size_t entry = found->second;
    for (std::size_t i = entry + 1; i < keys_.size() && keys_[i].depth > 2; ++i) {
      const std::string& key = keys_[i].key;
      if (message.starts_with(key + ":") || message.starts_with("there is no field '" + key + "'"))
        return keys_[i].place;
    }
    return keys_[entry].place;
  }

 private:
  const std::vector<KeyPlace>& keys_;
  std::map<std::string, Place, std::less<>> top_;
  std::map<std::string, std::size_t, std::less<>> entries_;
};

}  // namespace

Result<std::vector<Entry>> parse_schedule_text(const std::string& text, const std::string& path,
                                               const Zone& zone) {
  YamlDocument document;
  YamlProblem problem;
  if (!parse_yaml(text, document, problem)) return wrong(path, problem.place, problem.text);
  const Places places{document.keys};
  if (!document.value.is_object()) {
    return wrong(path, {1, 1}, "a schedule is a map with 'entries', and may be 'zone'");
  }
  for (const auto& [key, value] : document.value.as_object()) {
    if (key != "entries" && key != "zone") {
      return wrong(path, places.of_top(key),
                   fmt::format("there is no '{}' here, only 'entries' and 'zone'", key));
    }
  }
  Zone default_zone = zone;
  if (const Value* const named = document.value.find("zone");
      named != nullptr && !named->is_null()) {
    if (!named->is_string())
      return wrong(path, places.of_top("zone"), "zone: it is no text such as Europe/Berlin");
    Result<Zone> found = Zone::find(named->as_string());
    if (!found) return wrong(path, places.of_top("zone"), found.error().message);
    default_zone = *found;
  }
  const Value* const listed = document.value.find("entries");
  if (listed == nullptr) {
    return wrong(path, {1, 1}, "'entries' is missing; to send nothing, write 'entries: {}'");
  }
  if (!listed->is_object()) {
    return wrong(path, places.of_top("entries"),
                 "entries: lines of the form 'NAME: {every: 30s, task: mail.send}' are needed");
  }
  std::vector<Entry> entries;
  entries.reserve(listed->size());
  for (const auto& [name, value] : listed->as_object()) {
    Result<Entry> entry = Entry::parse(name, value, default_zone);
    if (!entry) {
      const std::string& why = entry.error().message;
      return wrong(path, places.of_entry(name, why), fmt::format("entry '{}': {}", name, why));
    }
    entries.push_back(std::move(*entry));
  }
  return entries;
}

Result<std::vector<Entry>> read_schedule_file(const std::string& path, const Zone& zone) {
  errno = 0;
  std::ostringstream text;
  if (std::ifstream file{path};
      !file || (file.peek() != EOF && !(text << file.rdbuf())) || file.bad()) {
    return unexpected(Errc::not_found, fmt::format("cannot read the schedule '{}': {}", path,
                                                   std::strerror(errno != 0 ? errno : EIO)));
  }
  return parse_schedule_text(text.str(), path, zone);
}

}  // namespace baozi::beat
