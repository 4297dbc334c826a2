#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include <yaml-cpp/yaml.h>

#include "base/config_source.hpp"

namespace baozi::base {
namespace {

/// yaml-cpp counts lines from 0, and from -1 where it knows none.
int line_of(const YAML::Mark& mark) { return mark.line + 1; }

[[noreturn]] void complain(const std::string& path, int line, const std::string& what) {
  throw ConfigError{path + ':' + std::to_string(line) + ": " + what};
}

std::vector<std::string> texts_of(const std::string& path, const YAML::Node& key_node,
                                  const YAML::Node& value) {
  const std::string& key = key_node.Scalar();
  if (value.IsScalar()) return {value.Scalar()};
  if (value.IsNull()) complain(path, line_of(key_node.Mark()), key + " has no value");
  if (!value.IsSequence())
    complain(path, line_of(value.Mark()), key + " must be a value or a list of values");
  std::vector<std::string> texts;
  for (const auto& item : value) {
    if (!item.IsScalar())
      complain(path, line_of(item.Mark()), key + " must be a list of plain values");
    texts.push_back(item.Scalar());
  }
  return texts;
}

}  // namespace

std::vector<Setting> read_config_file(const std::string& path) {
  errno = 0;
  std::ostringstream text;
  if (std::ifstream file{path};
      !file || (file.peek() != EOF && !(text << file.rdbuf())) || file.bad()) {
    throw ConfigError{"cannot read the configuration file '" + path + "': " + std::strerror(errno)};
  }
  std::vector<Setting> settings;
  try {
    const YAML::Node root = YAML::Load(text.str());
    if (root.IsNull()) return {};  // nothing but comments
    if (!root.IsMap())
      complain(path, line_of(root.Mark()), "must be lines of the form 'option: value'");
    std::map<std::string, int> seen;
    for (const auto& entry : root) {
      const YAML::Node& key = entry.first;
      const YAML::Node& value = entry.second;
      const int line = line_of(key.Mark());
      if (!key.IsScalar()) complain(path, line, "a key must be the name of an option");
      const auto [earlier, is_new] = seen.emplace(key.Scalar(), line);
      if (!is_new) {
        complain(path, line,
                 key.Scalar() + " stands here and in line " + std::to_string(earlier->second));
      }
      settings.push_back({key.Scalar(), texts_of(path, key, value), line});
    }
  } catch (const YAML::Exception& error) {
    complain(path, line_of(error.mark), error.msg);
  }
  return settings;
}

}  // namespace baozi::base
