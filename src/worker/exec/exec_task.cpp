#include "worker/exec/exec_task.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <sys/wait.h>
#include <unistd.h>

#include "baozi/detail/task_function.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "worker/exec/program.hpp"
#include "worker/exec/supervise.hpp"
#include "worker/failure.hpp"
#include "worker/invoke.hpp"

namespace baozi::worker::exec {

namespace {

using Verdict = TaskReply::Verdict;

Arguments arguments_of(const TaskDefinition& task, std::string_view body) {
  try {
    Value value = unpack<Value>(body);
    if (value.is_array() && value.size() >= 2 && value.at(0).is_array() &&
        value.at(1).is_object()) {
      Value::Array& parts = value.as_array();
      return {std::move(parts[0].as_array()), std::move(parts[1].as_object())};
    }
  } catch (const DecodeError& why) {
    throw ArgumentError{task.name() +
                        "() was called with arguments that are no values: " + why.what()};
  }
  throw ArgumentError{task.name() + "() was called with a body that is not [args, kwargs]"};
}

using Variables = std::map<std::string, std::string, std::less<>>;

Variables variables_for(const ExecOptions& options, const Command::Filled& filled,
                        const Context& context) {
  Variables all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      all.insert_or_assign(std::string{text.substr(0, equals)},
                           std::string{text.substr(equals + 1)});
    }
  }
  for (const auto& [name, value] : options.env) {
    if (value) {
      all.insert_or_assign(name, *value);
    } else {
      all.erase(name);
    }
  }
  for (const auto& [name, value] : filled.variables) all.insert_or_assign(name, value);
  all.insert_or_assign("BAOZI_TASK_ID", context.id());
  all.insert_or_assign("BAOZI_TASK_NAME", std::string{context.name()});
  all.insert_or_assign("BAOZI_TASK_RETRIES", std::to_string(context.retries()));
  return all;
}

Program::Plan plan_of(const ExecTask& task, Command::Filled filled, const Context& context,
                      std::string_view input) {
  const Variables variables = variables_for(task.options, filled, context);
  const auto path = variables.find("PATH");
  const std::string_view folders =
      path == variables.end() ? std::string_view{"/usr/local/bin:/usr/bin:/bin"} : path->second;
  const auto found = find_program(filled.argv.front(), folders);
  if (!found) {
    throw ExecError{"cannot run '" + filled.argv.front() + "': no such program in PATH (" +
                    std::string{folders} + ")"};
  }
  Program::Plan plan{.path = *found,
                     .argv = std::move(filled.argv),
                     .environment = {},
                     .cwd = task.options.cwd,
                     .input = input,
                     .keeps_output = task.options.output != ExecOutput::none};
  for (const auto& [name, value] : variables) {
    std::string entry = name;
    entry.append("=").append(value);
    plan.environment.push_back(std::move(entry));
  }
  return plan;
}

/// How it ended, for people; empty for exit code 0.
std::string how_it_ended(const ExecTask& task, const std::optional<Report>& report) {
  const std::string& program = task.command.program();
  if (!report) return program + " was killed, and with it the process that watched over it";
  const auto system = [&] { return std::generic_category().message(report->value); };
  switch (report->what) {
    case Report::What::no_folder:
      return "cannot run " + program + " in '" + task.options.cwd + "': " + system();
    case Report::What::no_program: return "cannot run '" + program + "': " + system();
    case Report::What::no_process: return "no process for " + program + ": " + system();
    case Report::What::ended: break;
  }
  if (WIFSIGNALED(report->value)) {
    const int number = WTERMSIG(report->value);
    const char* const name = sigdescr_np(number);
    return program + " was killed by signal " + std::to_string(number) +
           (name != nullptr ? std::string{" ("} + name + ")" : std::string{});
  }
  const int code = WEXITSTATUS(report->value);
  return code == 0 ? std::string{} : program + " ended with exit code " + std::to_string(code);
}

class Execution {
 public:
  Execution(const TaskDefinition& definition, const TaskCall& call, TaskReply& reply)
      : definition_{definition},
        task_{*static_cast<const ExecTask*>(definition.function())},
        call_{call},
        reply_{reply} {}

  void run() {
    const Context context{*call_.host, *call_.facts};
    const Arguments arguments = arguments_of(definition_, call_.facts->body);
    Command::Filled filled;
    try {
      filled = task_.command.fill(arguments);
    } catch (const std::invalid_argument& why) {
      throw ArgumentError{definition_.name() + "() " + why.what()};
    }
    const std::string input = packed_input(arguments, task_.options.input);
    reply_.entered = true;
    const std::string label = definition_.name() + ' ' + context.id();
    Program program{plan_of(task_, std::move(filled), context, input)};
    report(supervise(
        program, {.output_bytes_max = value_bytes_max,
                  .time_limit = call_.facts->time_limit,
                  .revoked = [&] { return call_.host->revoked(); },
                  .soft_limit_struck = [&] { return call_.host->soft_limit_strikes(); },
                  .log = [&](const std::string& line) { log::warning("{}: {}", label, line); }}));
  }

 private:
  void report(const ProgramEnd& end) {
    const std::string how = how_it_ended(task_, end.report);
    if (end.revoked) {
      tell(Verdict::revoked, "baozi::TaskRevoked", "revoked", end);
    } else if (end.over_hard_limit) {
      fail<TimeLimitExceeded>("TimeLimitExceeded",
                              "still running after its time limit of " +
                                  base::to_text(call_.facts->time_limit) +
                                  "; its processes were killed",
                              end);
    } else if (end.too_large) {
      tell(Verdict::failed, "baozi::ResultTooLarge",
           task_.command.program() + " wrote more than " + std::to_string(value_bytes_max) +
               " bytes to its stdout, which is the most that a result may have; it was killed",
           end);
      reply_.entered = false;  // another try would not end otherwise
    } else if (!how.empty() && wants_retry(end)) {
      tell(Verdict::retry, "ExecError", how, end);
    } else if (!how.empty() && end.over_soft_limit) {
      fail<SoftTimeLimitExceeded>("baozi::SoftTimeLimitExceeded",
                                  "asked to end after the soft time limit; " + how, end);
    } else if (!how.empty()) {
      fail<ExecError>("ExecError", how, end);
    } else {
      succeed(end);
    }
  }

  void succeed(const ProgramEnd& end) {
    try {
      *reply_.value = packed_output(end.output, task_.options.output);
      reply_.verdict = Verdict::returned;
    } catch (const std::invalid_argument& why) {
      fail<ExecError>("ExecError", task_.command.program() + ": " + why.what(), end);
    }
  }

  [[nodiscard]] bool wants_retry(const ProgramEnd& end) const {
    if (!end.report || end.report->what != Report::What::ended || !WIFEXITED(end.report->value)) {
      return false;
    }
    const auto& codes = task_.options.retry_on;
    return std::find(codes.begin(), codes.end(), WEXITSTATUS(end.report->value)) != codes.end();
  }

  template <class Kind>
  void fail(const char* type, const std::string& message, const ProgramEnd& end) {
    tell(Verdict::failed, type, message, end);
    reply_.retryable = task_.options.retry_on.empty() &&
                       definition_.retries_on(std::make_exception_ptr(Kind{message}));
  }

  void tell(Verdict verdict, const char* type, const std::string& message, const ProgramEnd& end) {
    reply_.verdict = verdict;
    *reply_.value = Failure{type, utf8(message), utf8(end.tail)}.packed();
  }

  const TaskDefinition& definition_;
  const ExecTask& task_;
  const TaskCall& call_;
  TaskReply& reply_;
};

bool is_variable(const std::string& name) {
  return !name.empty() && name.find_first_of(std::string_view{"=\0", 2}) == std::string::npos;
}

}  // namespace

void ExecTask::run(const TaskDefinition& task, const TaskCall& call, TaskReply& reply) noexcept {
  try {
    try {
      Execution{task, call, reply}.run();
    } catch (const ExecError& error) {
      reply.verdict = Verdict::failed;
      reply.retryable = task.retries_on(std::current_exception());
      *reply.value = Failure{"ExecError", utf8(error.what()), ""}.packed();
    }
  } catch (...) {
    detail::report_exception(task, reply);
  }
}

std::string complaint_about(const ExecOptions& options) {
  for (const int code : options.retry_on) {
    if (code < 1 || code > 255) {
      return "retry_on holds exit codes from 1 to 255, not " + std::to_string(code);
    }
  }
  for (const auto& [name, value] : options.env) {
    if (!is_variable(name)) return "'" + name + "' is no name for a variable";
    if (value && value->find('\0') != std::string::npos) {
      return "the variable " + name + " holds a zero byte";
    }
  }
  if (options.cwd.find('\0') != std::string::npos) return "cwd holds a zero byte";
  return {};
}

std::string packed_input(const Arguments& call, ExecInput as) {
  if (as == ExecInput::none) return {};
  Value all = Value::object();
  all["args"] = call.args;
  all["kwargs"] = call.kwargs;
  return as == ExecInput::json ? all.to_json() + '\n' : pack(all);
}

std::string packed_output(std::string_view bytes, ExecOutput as) {
  const auto is_text = [&] { return utf8(bytes) == bytes; };
  const auto text = [&] {
    std::string_view shown = bytes;
    while (!shown.empty() && (shown.back() == '\n' || shown.back() == '\r')) shown.remove_suffix(1);
    return pack(shown);
  };
  switch (as) {
    case ExecOutput::none: return pack(Value{});
    case ExecOutput::binary: return pack(Binary{std::string{bytes}});
    case ExecOutput::text:
      if (!is_text()) throw std::invalid_argument{"its stdout is not UTF-8 text"};
      return text();
    case ExecOutput::json: try { return pack(Value::from_json(bytes));
      } catch (const DecodeError& why) {
        throw std::invalid_argument{std::string{"its stdout is not JSON: "} + why.what()};
      }
    case ExecOutput::msgpack: {
      Reader in{bytes};
      in.skip();
      if (!in.ok() || !in.at_end()) {
        throw std::invalid_argument{"its stdout is not one msgpack value"};
      }
      return std::string{bytes};
    }
    case ExecOutput::automatic: break;
  }
  try {
    return pack(Value::from_json(bytes));
  } catch (const DecodeError&) {
    return is_text() ? text() : pack(Binary{std::string{bytes}});
  }
}

}  // namespace baozi::worker::exec

namespace baozi {

TaskDefinition& Registry::exec(std::string name, std::vector<std::string> command,
                               ExecOptions options) {
  const auto refuse = [&](const std::string& why) {
    throw RegistrationError{"task \"" + name + "\": " + why};
  };
  using worker::exec::ExecTask;
  if (const std::string why = worker::exec::complaint_about(options); !why.empty()) refuse(why);
  std::shared_ptr<const ExecTask> task;
  try {
    task = std::make_shared<const ExecTask>(command, std::move(options));
  } catch (const std::invalid_argument& why) {
    refuse(why.what());
  }
  TaskDefinition definition{std::move(name), std::move(task), &ExecTask::run};
  definition.keeps_time_limit_ = true;
  return add(std::move(definition), {}, 0);
}

}  // namespace baozi
