#include "worker/describe.hpp"

#include <algorithm>

#include "wire/call_options.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t value_bytes_max = 128;
constexpr std::size_t text_bytes_max = 1'024;

/// Not in the middle of a character.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80) --most;
  text.resize(most);
  return text += "...";
}

class Arguments {
 public:
  explicit Arguments(const TaskDefinition& task) : task_{task} {}

  void add(std::string_view name, bool positional, const Value& value) {
    if (text_.size() > text_bytes_max) return;
    if (text_.size() > 1) text_ += ", ";
    if (!positional) text_.append(name).append("=");
    text_ += is_hidden(name) ? "***" : cut(value.to_json(), value_bytes_max);
  }
  [[nodiscard]] std::string take() && { return cut(std::move(text_), text_bytes_max) + ")"; }

 private:
  [[nodiscard]] bool is_hidden(std::string_view name) const {
    const auto& settings = task_.settings();
    return settings.redact_all || std::find(settings.redacted.begin(), settings.redacted.end(),
                                            name) != settings.redacted.end();
  }
  const TaskDefinition& task_;
  std::string text_ = "(";
};

}  // namespace

std::string arguments_text(const TaskDefinition& task, BytesView body, BytesView raw_options) {
  if (const auto options = wire::read_execution_options(raw_options);
      options && !options->shown_arguments.empty()) {
    return "(" + std::string{options->shown_arguments} + ")";
  }
  try {
    const auto packed = unpack<Value>(body);
    const Value::Array& both = packed.as_array();
    Arguments text{task};
    std::size_t index = 0;
    for (const Value& value : both.at(0).as_array()) {
      const bool named = index < task.parameters().size();
      text.add(named ? task.parameters()[index].name : std::string{}, true, value);
      ++index;
    }
    for (const auto& [name, value] : both.at(1).as_object()) text.add(name, false, value);
    return std::move(text).take();
  } catch (const std::exception&) {
    return "(?)";  // no arguments, or what JSON cannot show
  }
}

std::string shown_name(const TaskDefinition& task, BytesView raw_options) {
  const auto options = wire::read_execution_options(raw_options);
  if (options && !options->shadow.empty()) return std::string{options->shadow};
  return task.settings().shadow.empty() ? task.name() : task.settings().shadow;
}

}  // namespace baozi::worker
