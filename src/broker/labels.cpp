#include "broker/labels.hpp"

#include <algorithm>

namespace baozi::broker {

namespace {
constexpr char labels_begin = '\x1e';
constexpr char labels_separate = '\x1f';
}  // namespace

bool satisfies(const std::vector<std::string>& has, const std::vector<std::string>& required) {
  return std::all_of(required.begin(), required.end(), [&](const std::string& label) {
    if (label.find('=') != std::string::npos)
      return std::find(has.begin(), has.end(), label) != has.end();
    return std::any_of(has.begin(), has.end(), [&](const std::string& one) {
      return one.starts_with(label) && (one.size() == label.size() || one[label.size()] == '=');
    });
  });
}

std::string labelled_key(std::string_view queue, std::vector<std::string_view> labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  std::string key{queue};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    key += i == 0 ? labels_begin : labels_separate;
    key += labels[i];
  }
  return key;
}

KeyParts parts_of_key(std::string_view key) {
  KeyParts parts;
  const std::size_t end = std::min(key.find(labels_begin), key.size());
  parts.name = key.substr(0, end);
  for (std::size_t at = end; at < key.size();) {
    const std::size_t next = std::min(key.find(labels_separate, at + 1), key.size());
    parts.labels.emplace_back(key.substr(at + 1, next - at - 1));
    at = next;
  }
  return parts;
}

}  // namespace baozi::broker
