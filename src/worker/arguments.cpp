// Binding a call's arguments to a task's parameters, with Python's rules and, as far as they fit,
// its words.
#include "worker/arguments.hpp"

#include <algorithm>

#include "baozi/detail/task_function.hpp"

namespace baozi {

namespace {

[[noreturn]] void refuse(const TaskDefinition& task, const std::string& why) {
  throw ArgumentError{task.name() + "() " + why};
}

std::string counted(std::size_t count, const char* noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

[[noreturn]] void refuse_count(const TaskDefinition& task, std::size_t required,
                               std::size_t given) {
  const std::size_t most = task.parameters().size();
  const std::string takes = required == most ? counted(most, "positional argument")
                                             : "from " + std::to_string(required) + " to " +
                                                   counted(most, "positional argument");
  refuse(task, "takes " + takes + " but " + std::to_string(given) +
                   (given == 1 ? " was" : " were") + " given");
}

/// "'a'", "'a' and 'b'", "'a', 'b', and 'c'".
std::string enumerated(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 < names.size() ? ", " : names.size() == 2 ? " and " : ", and ";
    text += '\'' + names[i] + '\'';
  }
  return text;
}

[[noreturn]] void refuse_missing(const TaskDefinition& task,
                                 const std::vector<std::size_t>& missing) {
  std::vector<std::string> names;
  for (const std::size_t index : missing) {
    const std::string& name = task.parameters()[index].name;
    names.push_back(name.empty() ? std::to_string(index + 1) : name);
  }
  refuse(task,
         "missing " + counted(missing.size(), "required argument") + ": " + enumerated(names));
}

}  // namespace

namespace worker {

std::string argument_label(const TaskDefinition& task, std::size_t index) {
  if (index >= task.parameters().size()) return "arguments";
  const std::string& name = task.parameters()[index].name;
  return name.empty() ? "argument " + std::to_string(index + 1) : "argument '" + name + "'";
}

}  // namespace worker

namespace detail {

void bind_arguments(const TaskDefinition& task, std::string_view body, const bool* may_be_absent,
                    std::string_view* slots) {
  const auto& parameters = task.parameters();
  const std::size_t arity = parameters.size();

  Reader in{body};
  if (in.kind() != Reader::Kind::array || in.array() < 2 || in.kind() != Reader::Kind::array) {
    refuse(task, "was called with a body that is not [args, kwargs]");
  }
  const std::size_t positional = in.array();
  for (std::size_t i = 0; i < positional; ++i) {
    const std::string_view value = in.skip();
    if (i < arity) slots[i] = value;
  }
  if (!in.ok() || in.kind() != Reader::Kind::map) {
    refuse(task, std::string{"was called with a body that is not [args, kwargs]"} +
                     (in.ok() ? "" : std::string{": "} + in.error()));
  }
  if (positional > arity) {
    const auto optional = [&](std::size_t i) {
      return parameters[i].fallback.has_value() || may_be_absent[i];
    };
    std::size_t required = arity;
    while (required > 0 && optional(required - 1)) --required;
    refuse_count(task, required, positional);
  }

  for (std::uint32_t left = in.map(); left > 0 && in.ok(); --left) {
    if (in.kind() != Reader::Kind::str) refuse(task, "keywords must be strings");
    const std::string_view name = in.str();
    const std::string_view value = in.skip();
    if (!in.ok()) break;
    const auto found =
        std::find_if(parameters.begin(), parameters.end(),
                     [&](const Parameter& parameter) { return parameter.name == name; });
    if (found == parameters.end() || name.empty()) {
      const bool unnamed = arity > 0 && parameters.front().name.empty();
      refuse(task, "got an unexpected keyword argument '" + std::string{name} + "'" +
                       (unnamed ? " (its parameters have no names)" : ""));
    }
    auto& slot = slots[static_cast<std::size_t>(found - parameters.begin())];
    if (!slot.empty()) refuse(task, "got multiple values for argument '" + std::string{name} + "'");
    slot = value;
  }
  if (!in.ok())
    refuse(task, std::string{"was called with a body that is not [args, kwargs]: "} + in.error());

  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < arity; ++i) {
    if (!slots[i].empty()) continue;
    if (parameters[i].fallback) {
      slots[i] = *parameters[i].fallback;
    } else if (!may_be_absent[i]) {
      missing.push_back(i);
    }
  }
  if (!missing.empty()) refuse_missing(task, missing);
}

}  // namespace detail

}  // namespace baozi
