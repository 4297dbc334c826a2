#include "beat/yaml_value.hpp"

#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace baozi::beat {

namespace {

constexpr std::size_t copied_most = 1'000'000;
constexpr std::size_t depth_most = 32;

/// yaml-cpp counts from 0.
Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

std::size_t size_of(const Value& value) {
  std::size_t size = 1;
  if (value.is_array()) {
    for (const Value& item : value.as_array()) size += size_of(item);
  } else if (value.is_object()) {
    for (const auto& [key, item] : value.as_object()) size += size_of(item);
  }
  return size;
}

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(YamlDocument& document) : document_{document} {}

  struct Refused {
    YamlProblem problem;
  };

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { take(mark, anchor, {}); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(mark, "a value cannot hold itself");
    copied_ += size_of(found->second);
    if (copied_ > copied_most) refuse(mark, "its anchors stand for more than a million values");
    const Value copy = found->second;
    put(mark, copy);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (awaits_key()) {
      Frame& frame = frames_.back();
      if (frame.value.find(text) != nullptr)
        refuse(mark, "'" + text + "' stands here for the second time");
      frame.key = text;
      document_.keys.push_back({text, place_of(mark), static_cast<int>(frames_.size())});
      return;
    }
    take(mark, anchor, tag == "?" || tag.empty() ? value_of_plain(text) : Value{text});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, Value::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, Value::object());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Value value;
    std::optional<std::string> key;  // of a map: the key whose value comes next
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
  };

  [[noreturn]] static void refuse(const YAML::Mark& mark, std::string why) {
    throw Refused{{place_of(mark), std::move(why)}};
  }
  [[nodiscard]] bool awaits_key() const {
    return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().key;
  }
  void take(const YAML::Mark& mark, YAML::anchor_t anchor, Value value) {
    if (anchor != 0) anchors_[anchor] = value;
    put(mark, std::move(value));
  }
  void put(const YAML::Mark& mark, Value value) {
    if (frames_.empty()) {
      document_.value = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.value.is_array()) {
      frame.value.as_array().push_back(std::move(value));
    } else if (frame.key) {
      frame.value[*frame.key] = std::move(value);
      frame.key.reset();
    } else {
      refuse(mark, "a key is a plain word");
    }
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Value value) {
    if (awaits_key()) refuse(mark, "a key is a plain word");
    if (frames_.size() >= depth_most) refuse(mark, "it is nested too deeply");
    frames_.push_back({std::move(value), std::nullopt, anchor, mark});
  }
  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    take(frame.mark, frame.anchor, std::move(frame.value));
  }

  YamlDocument& document_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Value> anchors_;
  std::size_t copied_ = 0;
};

}  // namespace

Value value_of_plain(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto [stop, error] = std::from_chars(text.data(), end, whole);
      error == std::errc{} && stop == end) {
    return whole;
  }
  std::uint64_t large = 0;
  if (const auto [stop, error] = std::from_chars(text.data(), end, large);
      error == std::errc{} && stop == end) {
    return large;
  }
  const bool may_be_real = text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  double real = 0;
  if (const auto [stop, error] = std::from_chars(text.data(), end, real);
      may_be_real && error == std::errc{} && stop == end && std::isfinite(real)) {
    return real;
  }
  return text;
}

bool parse_yaml(const std::string& text, YamlDocument& document, YamlProblem& problem) {
  Builder builder{document};
  try {
    std::istringstream in{text};
    YAML::Parser parser{in};
    static_cast<void>(parser.HandleNextDocument(builder));
    return true;
  } catch (const Builder::Refused& refused) {
    problem = refused.problem;
  } catch (const YAML::Exception& error) {
    problem = {place_of(error.mark), error.msg};
  }
  return false;
}

}  // namespace baozi::beat
