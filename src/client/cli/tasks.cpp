// baozi call, result, forget, revoke.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "base/signal_names.hpp"
#include "client/cli/cli.hpp"

namespace baozi::cli {

namespace {

Value json_argument(const std::string& text, const char* what) {
  try {
    return Value::from_json(text);
  } catch (const std::exception& error) {
    throw base::ConfigError{std::string{what} + " is not JSON: " + error.what()};
  }
}

/// "2026-03-01T08:15:30Z", with a fraction if you like, or "+01:00" instead of Z. A local time is
/// refused.
std::chrono::sys_time<std::chrono::microseconds> instant(const std::string& text) {
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto wrong = [&] {
    return base::ConfigError{
        "--eta '" + text +
        "': write 2026-03-01T08:15:30Z, or an offset such as +01:00 instead of Z"};
  };
  if (rest == nullptr) throw wrong();
  std::int64_t us = static_cast<std::int64_t>(timegm(&parts)) * 1'000'000;
  if (*rest == '.') {
    std::int64_t unit = 100'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) us += (*rest - '0') * unit;
  }
  if (*rest == '+' || *rest == '-') {
    int hours = 0;
    int minutes = 0;
    if (std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2) throw wrong();
    const std::int64_t offset = std::int64_t{hours * 3600 + minutes * 60} * 1'000'000;
    us += *rest == '+' ? -offset : offset;
  } else if (std::string_view{rest} != "Z") {
    throw wrong();
  }
  return std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{us}};
}

volatile std::sig_atomic_t interrupted = 0;

/// From now on Ctrl-C ends the waiting and not the program.
void take_interrupts() {
  struct sigaction ours {};
  ours.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &ours, nullptr);
}

/// Waits until the task has ended, the time is up, or somebody presses Ctrl-C. True: it has ended.
bool wait_for(const AsyncResult<Value>& task, const std::optional<Micros>& patience) {
  const auto start = std::chrono::steady_clock::now();
  bool ended = false;
  while (!ended && interrupted == 0) {
    Micros slice{100'000};  // how long a Ctrl-C may go unnoticed
    if (patience) {
      const auto left =
          *patience - std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - start);
      if (left <= Micros{0}) break;
      slice = std::min(slice, left);
    }
    ended = task.wait(slice);
  }
  return ended || task.ready();
}

/// Prints what became of the task, after it ended where `wait` says so.
int show(App& app, const AsyncResult<Value>& task, bool wait, const std::optional<Micros>& patience,
         bool json) {
  const bool ended = wait && wait_for(task, patience);
  if (interrupted != 0 && !ended) {
    std::fprintf(stderr, "\nbaozi: the task goes on; to see its result: baozi result %s --wait\n",
                 task.id().c_str());
    return 130;
  }
  const State state = task.state();
  if (!ended && !task.ready()) {
    // PENDING is also what nobody has heard of; so first be sure that somebody was asked.
    const NodeReplies asked = app.control_collectors("ping");
    for (const std::string& silent : asked.silent)
      std::fprintf(stderr, "baozi: %s did not answer\n", silent.c_str());
    if (wait) {
      std::fprintf(stderr, "baozi: %s has not ended in time (%s)\n", task.id().c_str(),
                   to_string(state));
      return 1;
    }
    if (!json && state == State::pending) {
      std::fprintf(
          stderr, "baozi: no result is kept of %s: it waits, or it is forgotten, or it never was\n",
          task.id().c_str());
    }
  }
  const Outcome<Value> outcome = task.outcome();
  const TaskError* const error = outcome.error();
  if (json) {
    Value::Object answer;
    answer["id"] = Value{task.id()};
    answer["state"] = Value{std::string{to_string(state)}};
    if (outcome.state() == State::success) answer["result"] = outcome.value();
    if (!task.worker().empty()) answer["worker"] = Value{task.worker()};
    if (error != nullptr) {
      answer["type"] = Value{std::string{error->type()}};
      answer["message"] = Value{std::string{error->message()}};
      answer["traceback"] = Value{std::string{error->traceback()}};
    }
    std::printf("%s\n", Value{answer}.to_json(2).c_str());
  } else if (outcome.state() == State::success) {
    std::printf("%s\n", outcome.value().to_json().c_str());
  } else if (error != nullptr) {
    std::fprintf(stderr, "baozi: %s: %s: %s: %s\n", task.id().c_str(), to_string(state),
                 std::string{error->type()}.c_str(), std::string{error->message()}.c_str());
    std::string trace = task.traceback();
    const std::string first =
        std::string{error->type()} + ": " + std::string{error->message()} + '\n';
    if (trace.starts_with(first)) trace.erase(0, first.size());  // it has just been said
    while (!trace.empty() && trace.back() == '\n') trace.pop_back();
    if (!trace.empty()) std::fprintf(stderr, "%s\n", trace.c_str());
  } else {
    std::printf("%s\n", to_string(state));
  }
  return outcome.state() == State::failure || outcome.state() == State::revoked ? 1 : 0;
}

std::optional<Micros> patience_of(const std::string& wait) {
  if (wait.empty() || wait == "forever") return std::nullopt;
  const auto parsed = base::parse_duration(wait);
  if (!parsed) throw base::ConfigError{"--wait: " + parsed.error().message};
  return *parsed;
}

}  // namespace

int call(const Words& words) {
  Common common;
  std::string name;
  std::string arguments = "[]";
  std::string kwargs = "{}";
  std::string eta;
  std::string wait;
  std::string unique;
  std::optional<Micros> countdown;
  std::optional<Micros> expires;
  std::optional<Micros> once;
  std::optional<int> priority;
  CallOptions options;
  base::OptionTable table{"baozi call", "Hands in a task by its name."};
  table.add_positional("NAME", name, "the task's name, such as c.add").required();
  table.add_positional("ARGUMENTS", arguments, "its arguments, as a JSON array");
  table.begin_group("Call");
  table.add("kwargs", kwargs, "arguments by name, as a JSON object").word("JSON");
  table.add("queue", options.queue, "the queue (default: the broker's default queue)");
  table.add("label", options.labels, "only for workers that have this label: gpu, or gpu=1")
      .word("LABEL");
  table.add("countdown", countdown, "not before so long from now");
  table.add("eta", eta, "not before this instant: 2026-03-01T08:15:30Z").word("INSTANT");
  table.add("expires", expires, "not later than so long from now");
  table.add("priority", priority, "0 to 9, 9 first").range(0, 9);
  table.add("id", options.task_id, "the task's id (default: a new UUID)");
  table.add("once", once,
            "with --id: no second task of that id for so long; another such call is one more look "
            "at the first");
  table.add("time-limit", options.time_limit, "it is ended by force after so long");
  table.add("soft-time-limit", options.soft_time_limit, "it is told to end after so long");
  table
      .add("unique", unique,
           "one task at a time has this key; another such call is one more look at it")
      .word("KEY");
  table
      .add("ordering-key", options.ordering_key,
           "tasks with this key run one after the other, in order")
      .word("KEY");
  table.add("ignore-result", options.ignore_result, "a success stores no result");
  table.add("wait", wait, "wait for the result, at most so long").implicit("forever").word("TIME");
  common.declare(table);
  if (!read(table, words)) return 0;
  if (once && options.task_id.empty())
    throw base::ConfigError{"--once needs --id: the same one in every call"};
  const Value args = json_argument(arguments, "ARGUMENTS");
  const Value named = json_argument(kwargs, "--kwargs");
  if (!args.is_array()) throw base::ConfigError{"ARGUMENTS must be a JSON array, such as '[1, 2]'"};
  if (!named.is_object())
    throw base::ConfigError{"--kwargs must be a JSON object, such as '{\"a\": 1}'"};
  options.countdown = countdown;
  if (expires) options.expires = *expires;
  if (!eta.empty()) options.eta = instant(eta);
  if (once) {
    options.once_until =
        std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now()) + *once;
  }
  if (!unique.empty()) options.unique = Unique{.key = unique};
  options.priority = priority;
  const std::optional<Micros> patience = patience_of(wait);
  if (!wait.empty()) take_interrupts();
  App app = common.app();
  const AsyncResult<Value> task = app.apply(name, args.as_array(), named.as_object(), options);
  task.wait_submitted(common.timeout + Micros{1'000'000});
  if (!wait.empty()) return show(app, task, true, patience, common.json);
  if (common.json) {
    Value::Object answer;
    answer["id"] = Value{task.id()};
    if (once || options.unique) answer["duplicate"] = Value{task.is_duplicate()};
    std::printf("%s\n", Value{answer}.to_json(2).c_str());
  } else {
    std::printf("%s\n", task.id().c_str());
  }
  return 0;
}

int result(const Words& words) {
  Common common;
  std::string id;
  std::string wait;
  base::OptionTable table{"baozi result", "Shows a task's state and result."};
  table.add_positional("ID", id, "the task's id").required();
  table.add("wait", wait, "wait for the result, at most so long").implicit("forever").word("TIME");
  common.declare(table);
  if (!read(table, words)) return 0;
  if (!wait.empty()) take_interrupts();
  App app = common.app();
  return show(app, app.result(id), !wait.empty(), patience_of(wait), common.json);
}

int forget(const Words& words) {
  Common common;
  Words ids;
  base::OptionTable table{"baozi forget", "Erases stored results."};
  table.add_positional("ID", ids, "the tasks' ids").required();
  common.declare(table);
  if (!read(table, words)) return 0;
  App app = common.app();
  const std::size_t erased = app.forget(ids);
  if (common.json) {
    std::printf("{\"forgotten\": %zu}\n", erased);
  } else {
    std::printf("%zu of %zu results erased\n", erased, ids.size());
  }
  return erased > 0 ? 0 : 1;
}

int revoke(const Words& words) {
  Common common;
  Words ids;
  bool terminate = false;
  std::string signal;
  base::OptionTable table{"baozi revoke", "Ends tasks before they run."};
  table.add_positional("ID", ids, "the tasks' ids").required();
  table.add("terminate", terminate, "also end those that run");
  table
      .add("signal", signal, "with --terminate: what processes that run them get (default SIGTERM)")
      .word("NAME");
  common.declare(table);
  if (!read(table, words)) return 0;
  if (!signal.empty() && !terminate) throw base::ConfigError{"--signal goes with --terminate"};
  if (!signal.empty() && !base::signal_number(signal)) {
    throw base::ConfigError{"--signal: '" + signal + "' is no signal, such as TERM or KILL"};
  }
  App app = common.app();
  const std::vector<Revocation> answers = app.revoke(ids, terminate, signal);
  Value::Array rows;
  bool all = true;
  for (std::size_t i = 0; i < answers.size() && i < ids.size(); ++i) {
    Value::Object row;
    const char* verdict = "unknown";
    switch (answers[i].verdict) {
      case Revocation::Verdict::unknown: break;
      case Revocation::Verdict::revoked: verdict = "revoked"; break;
      case Revocation::Verdict::pending: verdict = "pending"; break;
      case Revocation::Verdict::too_late: verdict = "too_late"; break;
    }
    all = all && (answers[i].verdict == Revocation::Verdict::revoked ||
                  answers[i].verdict == Revocation::Verdict::pending);
    row["id"] = Value{ids[i]};
    row["verdict"] = Value{std::string{verdict}};
    if (answers[i].verdict == Revocation::Verdict::too_late)
      row["state"] = Value{std::string{to_string(answers[i].state)}};
    if (!answers[i].unasked.empty()) row["not_asked"] = Value{answers[i].unasked};
    rows.emplace_back(row);
  }
  if (common.json) {
    std::printf("%s\n", Value{rows}.to_json(2).c_str());
  } else {
    print_table(rows, {"id", "verdict", "state"});
    if (!answers.empty() && !answers.front().unasked.empty()) {
      std::fprintf(stderr, "baozi: not asked: %s\n", answers.front().unasked.c_str());
    }
  }
  return all ? 0 : 1;
}

}  // namespace baozi::cli
