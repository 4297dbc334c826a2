#include "worker/exec/exec_file.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/nearest.hpp"
#include "base/units.hpp"

namespace baozi::worker::exec {

namespace {

using std::chrono::microseconds;

/// yaml-cpp counts lines from 0, and from -1 where it knows none.
int line_of(const YAML::Mark& mark) { return mark.line + 1; }

[[noreturn]] void complain(const std::string& path, int line, const std::string& what) {
  throw std::runtime_error{path + ':' + std::to_string(line) + ": " + what};
}

/// One value of one task, and where it stands.
class Field {
 public:
  Field(const std::string& path, std::string label, const YAML::Node& node, int line)
      : path_{path}, label_{std::move(label)}, node_{node}, line_{line} {}

  [[noreturn]] void wrong(const std::string& what) const {
    complain(path_, line_, label_ + ' ' + what);
  }

  [[nodiscard]] std::string text() const {
    if (!node_.IsScalar()) wrong("must be a plain value");
    return node_.Scalar();
  }
  [[nodiscard]] bool flag() const {
    const std::string said = text();
    if (said == "true" || said == "yes" || said == "on") return true;
    if (said == "false" || said == "no" || said == "off") return false;
    wrong("must be true or false, not '" + said + "'");
  }
  [[nodiscard]] int whole() const {
    const std::string said = text();
    int number = 0;
    const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), number);
    if (error != std::errc{} || end != said.data() + said.size()) {
      wrong("must be a whole number, not '" + said + "'");
    }
    return number;
  }
  [[nodiscard]] double real() const {
    const std::string said = text();
    double number = 0;
    const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), number);
    if (error != std::errc{} || end != said.data() + said.size()) {
      wrong("must be a number, not '" + said + "'");
    }
    return number;
  }
  [[nodiscard]] microseconds duration() const {
    const std::string said = text();
    const Result<Micros> parsed = base::parse_duration(said);
    if (!parsed) wrong("must be a duration as 30s, 1m30s or 200ms, not '" + said + "'");
    return *parsed;
  }
  template <class T>
  [[nodiscard]] T one_of(const std::vector<std::pair<std::string, T>>& words) const {
    const std::string said = text();
    std::string list;
    for (const auto& [word, meaning] : words) {
      if (word == said) return meaning;
      list += (list.empty() ? "" : ", ") + word;
    }
    wrong("must be one of " + list + ", not '" + said + "'");
  }
  /// Its elements; a plain value counts as a list of one.
  [[nodiscard]] std::vector<Field> list() const {
    if (node_.IsScalar()) return {*this};
    if (!node_.IsSequence()) wrong("must be a list");
    std::vector<Field> fields;
    for (const auto& item : node_) {
      fields.emplace_back(path_, label_, item, line_of(item.Mark()));
    }
    return fields;
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Field& item : list()) all.push_back(item.text());
    return all;
  }
  [[nodiscard]] bool is_null() const { return node_.IsNull(); }
  [[nodiscard]] bool is_plain() const { return node_.IsScalar(); }

  /// Each entry of a map once, in the file's order.
  void each(const std::function<void(const std::string& key, const Field& value)>& take) const {
    if (!node_.IsMap()) wrong("must be lines of the form 'name: value'");
    std::map<std::string, int> seen;
    for (const auto& entry : node_) {
      const int line = line_of(entry.first.Mark());
      if (!entry.first.IsScalar()) complain(path_, line, label_ + ": a key must be a plain word");
      const std::string key = entry.first.Scalar();
      const auto [earlier, is_new] = seen.emplace(key, line);
      if (!is_new) {
        complain(
            path_, line,
            label_ + ": " + key + " stands here and in line " + std::to_string(earlier->second));
      }
      const std::string label = label_.empty() ? "task '" + key + "'" : label_ + ": " + key;
      take(key, Field{path_, label, entry.second, line});
    }
  }

 private:
  const std::string& path_;
  std::string label_;
  YAML::Node node_;
  int line_;
};

/// What a file says of one task: the program, and then what is to be called on its definition.
struct Draft {
  std::vector<std::string> command;
  ExecOptions options;
  std::vector<std::pair<Field, std::function<void(TaskDefinition&)>>> settings;
};

using Reader = void (*)(Draft&, const Field&);

template <class Read>
void later(Draft& draft, const Field& field, Read read) {
  draft.settings.emplace_back(field, std::move(read));
}

void read_backoff(Draft& draft, const Field& field) {
  const std::vector<Field> numbers = field.list();
  if (numbers.size() != 3) field.wrong("must be [first delay, factor, longest delay]");
  const microseconds first = numbers[0].duration();
  const double factor = numbers[1].real();
  const microseconds longest = numbers[2].duration();
  later(draft, field, [=](TaskDefinition& task) { task.backoff(first, factor, longest); });
}

const std::map<std::string, Reader>& readers() {
  static const std::map<std::string, Reader> all{
      {"command", [](Draft& draft, const Field& field) { draft.command = field.texts(); }},
      {"shell", [](Draft& draft, const Field& field) { draft.options.shell = field.flag(); }},
      {"input",
       [](Draft& draft, const Field& field) {
         draft.options.input = field.one_of<ExecInput>({{"json", ExecInput::json},
                                                        {"msgpack", ExecInput::msgpack},
                                                        {"none", ExecInput::none}});
       }},
      {"output",
       [](Draft& draft, const Field& field) {
         draft.options.output = field.one_of<ExecOutput>({{"auto", ExecOutput::automatic},
                                                          {"json", ExecOutput::json},
                                                          {"text", ExecOutput::text},
                                                          {"binary", ExecOutput::binary},
                                                          {"msgpack", ExecOutput::msgpack},
                                                          {"none", ExecOutput::none}});
       }},
      {"cwd", [](Draft& draft, const Field& field) { draft.options.cwd = field.text(); }},
      {"env",
       [](Draft& draft, const Field& field) {
         field.each([&](const std::string& name, const Field& value) {
           draft.options.env[name] =
               value.is_null() ? std::nullopt : std::optional<std::string>{value.text()};
         });
       }},
      {"retry_on",
       [](Draft& draft, const Field& field) {
         for (const Field& code : field.list()) {
           const int number = code.whole();
           if (number < 1 || number > 255) code.wrong("must be exit codes from 1 to 255");
           draft.options.retry_on.push_back(number);
         }
       }},
      {"max_retries",
       [](Draft& draft, const Field& field) {
         later(draft, field,
               [count = field.whole()](TaskDefinition& task) { task.max_retries(count); });
       }},
      {"backoff", &read_backoff},
      {"jitter",
       [](Draft& draft, const Field& field) {
         later(draft, field, [share = field.real()](TaskDefinition& task) { task.jitter(share); });
       }},
      {"time_limit",
       [](Draft& draft, const Field& field) {
         later(draft, field,
               [limit = field.duration()](TaskDefinition& task) { task.time_limit(limit); });
       }},
      {"soft_time_limit",
       [](Draft& draft, const Field& field) {
         later(draft, field,
               [limit = field.duration()](TaskDefinition& task) { task.soft_time_limit(limit); });
       }},
      {"rate_limit",
       [](Draft& draft, const Field& field) {
         later(draft, field,
               [rate = field.text()](TaskDefinition& task) { task.rate_limit(rate); });
       }},
      {"ignore_result",
       [](Draft& draft, const Field& field) {
         later(draft, field, [on = field.flag()](TaskDefinition& task) { task.ignore_result(on); });
       }},
      {"acks_early",
       [](Draft& draft, const Field& field) {
         later(draft, field, [on = field.flag()](TaskDefinition& task) { task.acks_early(on); });
       }},
  };
  return all;
}

std::string unknown_key(const std::string& key) {
  std::vector<std::string> known;
  for (const auto& [name, reader] : readers()) known.push_back(name);
  const std::string meant = base::nearest(key, known);
  return "is no key of a task" + (meant.empty() ? std::string{} : "; did you mean " + meant + "?");
}

/// What RegistrationError says, without the task that the place names already.
std::string reason_of(const RegistrationError& why, const std::string& task) {
  std::string text = why.what();
  const std::string prefix = "task \"" + task + "\": ";
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return text;
}

void add_task(Registry& registry, const std::string& name, const Field& field) {
  Draft draft;
  std::optional<Field> command;
  field.each([&](const std::string& key, const Field& value) {
    const auto found = readers().find(key);
    if (found == readers().end()) value.wrong(unknown_key(key));
    if (value.is_null()) value.wrong("has no value");
    if (key == "command") command.emplace(value);
    found->second(draft, value);
  });
  if (!command) field.wrong("has no command");
  if (!draft.options.shell && command->is_plain()) {
    command->wrong("must be a list of words; with 'shell: true' it is a text for the shell");
  }
  const Field* at = &*command;
  try {
    TaskDefinition& task = registry.exec(name, draft.command, draft.options);
    for (const auto& [setting, apply] : draft.settings) {
      at = &setting;
      apply(task);
    }
  } catch (const RegistrationError& why) {
    at->wrong("cannot be: " + reason_of(why, name));
  }
}

}  // namespace

Registry read_exec_file(const std::string& path) {
  errno = 0;
  std::ostringstream text;
  if (std::ifstream file{path};
      !file || (file.peek() != EOF && !(text << file.rdbuf())) || file.bad()) {
    throw std::runtime_error{std::strerror(errno)};
  }
  Registry registry;
  try {
    const YAML::Node root = YAML::Load(text.str());
    if (!root.IsMap())
      complain(path, line_of(root.Mark()), "must be lines of the form 'task: {…}'");
    Field{path, "", root, 1}.each(
        [&](const std::string& name, const Field& task) { add_task(registry, name, task); });
  } catch (const YAML::Exception& error) {
    complain(path, line_of(error.mark), error.msg);
  }
  return registry;
}

}  // namespace baozi::worker::exec
