/// \file yaml_value.hpp
/// YAML as a Value, with the place of each key. Reads the parser's events and builds no tree of its
/// nodes, which takes several times as long: 100,000 entries are some 700,000 nodes.
/// Threading: none; any thread.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "baozi/value.hpp"
#include "base/result.hpp"

namespace baozi::beat {

struct Place {
  int line = 0;  ///< from 1
  int column = 0;
};

/// A key and where it stands. The keys of a document in the order in which they stand there.
struct KeyPlace {
  std::string key;
  Place place;
  int depth = 0;  ///< 1: a key of the document's own map
};

struct YamlDocument {
  Value value;
  std::vector<KeyPlace> keys;
};

struct YamlProblem {
  Place place;
  std::string text;
};

/// One document. Refused, with its place: what is no YAML, keys that are no plain words or stand
/// twice, anchors of more than a million values when they are put in.
/// \return false: `problem` says why
[[nodiscard]] bool parse_yaml(const std::string& text, YamlDocument& document,
                              YamlProblem& problem);

/// What a plain word stands for, by YAML 1.2's core schema without octal and hexadecimal numbers:
/// null, true or false, a number, or itself.
[[nodiscard]] Value value_of_plain(const std::string& text);

}  // namespace baozi::beat
