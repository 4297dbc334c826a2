// baozi inspect and control: what workers are asked, and told.
#include <algorithm>
#include <cstdio>
#include <map>

#include "base/nearest.hpp"
#include "base/units.hpp"
#include "client/cli/cli.hpp"
#include "client/cli/event_line.hpp"

namespace baozi::cli {

namespace {

/// One thing to ask or to tell. `shape` lists its arguments: a name, in brackets when it may be
/// left out, with … when there may be many.
struct Action {
  const char* name;
  const char* shape;
  const char* does;
};

constexpr Action inspections[] = {
    {"ping", "", "is it there?"},
    {"active", "", "tasks that run now"},
    {"reserved", "", "tasks that it holds and has not started"},
    {"scheduled", "", "the next tasks to start later (the brokers keep them)"},
    {"registered", "", "tasks that it can run"},
    {"stats", "", "its pool, its brokers, its counters, what it uses"},
    {"revoked", "", "marks of revoked tasks (the brokers keep them)"},
    {"conf", "", "its settings"},
    {"query_task", "ID…", "where these tasks stand, there and in the brokers"},
    {"active_queues", "", "queues that it takes tasks from"},
    {"report", "", "all of that a bug report should say"},
};

constexpr Action orders[] = {
    {"revoke", "ID…", "ends tasks before they run; --terminate: also when they run"},
    {"shutdown", "", "finish what runs, hand back the rest, stop"},
    {"rate_limit", "TASK RATE", "at most so many starts: 10/s, 100/m, 5/h; 0: no limit"},
    {"time_limit", "TASK SOFT [HARD]", "how long it may run: 30s, 5m; 0: no limit"},
    {"pool_grow", "[N]", "N more tasks at a time"},
    {"pool_shrink", "[N]", "N tasks fewer at a time"},
    {"pool_restart", "",
     "new processes or threads, each once its task has ended; --reload: with the task libraries "
     "as they are now"},
    {"autoscale", "MAX MIN", "so many tasks at a time, as there is work"},
    {"add_consumer", "QUEUE", "take tasks from this queue, too"},
    {"cancel_consumer", "QUEUE", "take no more tasks from this queue"},
    {"pause", "[QUEUE]",
     "the workers take no more tasks; with QUEUE: the brokers deliver none from it"},
    {"resume", "[QUEUE]", "ends a pause"},
    {"enable_events", "", "publish task events, the brokers too (with -d: these workers only)"},
    {"disable_events", "", "do not"},
};

template <std::size_t count>
std::string list_of(const Action (&actions)[count], const std::string& what) {
  std::string text = what + "\n";
  for (const Action& action : actions) {
    std::string words = std::string{action.name} + " " + action.shape;
    words.resize(std::max<std::size_t>(words.size(), 27), ' ');
    text += "\n  " + words + "  " + action.does;
  }
  return text;
}

template <std::size_t count>
const Action& find(const Action (&actions)[count], const std::string& name) {
  for (const Action& action : actions) {
    if (name == action.name) return action;
  }
  std::vector<std::string> names;
  for (const Action& action : actions) names.emplace_back(action.name);
  const std::string meant = base::nearest(name, names);
  throw base::ConfigError{"there is no '" + name + "'" +
                          (meant.empty() ? "" : "; did you mean '" + meant + "'?")};
}

void check_count(const std::string& command, const Action& action, const Words& words) {
  std::size_t least = 0;
  std::size_t most = 0;
  std::string shape{action.shape};
  for (std::size_t at = 0; at < shape.size();) {
    const std::size_t end = std::min(shape.find(' ', at), shape.size());
    const std::string word = shape.substr(at, end - at);
    if (word.front() != '[') ++least;
    most = word.ends_with("…") ? SIZE_MAX : most + 1;
    at = end + 1;
  }
  if (words.size() >= least && words.size() <= most) return;
  throw base::ConfigError{"write: baozi " + command + " " + action.name +
                          (shape.empty() ? "" : " " + shape)};
}

std::uint64_t count_in(const std::string& word, const char* what) {
  try {
    std::size_t end = 0;
    const unsigned long number = std::stoul(word, &end);
    if (end == word.size() && number >= 1 && word.front() != '-') return number;
  } catch (const std::exception&) {
  }
  throw base::ConfigError{std::string{what} + " '" + word + "' is no number above 0"};
}

std::int64_t span_in(const std::string& word, const char* what) {
  if (word == "0") return 0;
  const auto span = base::parse_duration(word);
  if (!span) throw base::ConfigError{std::string{what} + ": " + span.error().message};
  return span->count();
}

// ---- output

std::string shown(const Value& value) {
  if (!value.is_array()) return to_text(value);
  std::string text;
  for (const Value& element : value.as_array()) text += (text.empty() ? "" : ", ") + shown(element);
  return text;
}

/// "a.b  value" lines, aligned.
void flatten(const std::string& path, const Value& value,
             std::vector<std::pair<std::string, std::string>>& lines) {
  const bool of_maps = value.is_array() && value.size() > 0 && value.at(std::size_t{0}).is_object();
  if (value.is_object()) {
    for (const auto& [name, field] : value.as_object())
      flatten(path.empty() ? name : path + "." + name, field, lines);
  } else if (of_maps) {
    for (std::size_t i = 0; i < value.size(); ++i)
      flatten(path + "." + std::to_string(i), value.at(i), lines);
  } else {
    lines.emplace_back(path, shown(value));
  }
}

void print_map(const Value& map) {
  std::vector<std::pair<std::string, std::string>> lines;
  flatten("", map, lines);
  std::size_t width = 0;
  for (const auto& [name, text] : lines) width = std::max(width, name.size());
  for (const auto& [name, text] : lines) {
    std::printf("    %s%s  %s\n", name.c_str(), std::string(width - name.size(), ' ').c_str(),
                text.c_str());
  }
}

const std::vector<std::string> task_columns = {"worker", "id",    "name", "args",   "kwargs",
                                               "queue",  "state", "for",  "retries"};

/// A row of `active` and its like.
Value task_row(const std::string& worker, const Value& task) {
  Value row = Value::object();
  row["worker"] = worker;
  for (const char* const field : {"id", "name", "args", "kwargs", "retries"}) {
    if (const Value* const value = task.find(field)) row[field] = *value;
  }
  if (const Value* const info = task.find("delivery_info");
      info != nullptr && info->find("routing_key") != nullptr) {
    row["queue"] = info->at("routing_key");
  }
  if (const Value* const running = task.find("running_us");
      running != nullptr && running->is_integer()) {
    const std::int64_t us = running->to<std::int64_t>();
    row["for"] =
        base::to_text(Micros{us < 1'000'000 ? us / 1'000 * 1'000 : us / 100'000 * 100'000});
  }
  return row;
}

void print_rows(const Value::Array& rows, const std::vector<std::string>& columns) {
  std::vector<std::string> used;
  for (const std::string& column : columns) {
    if (std::any_of(rows.begin(), rows.end(),
                    [&](const Value& row) { return row.find(column) != nullptr; }))
      used.push_back(column);
  }
  print_table(rows, used.empty() ? columns : used);
}

void print_answers(const std::string& what, const WorkerReplies& replies) {
  Value::Array rows;
  const auto add = [&](const std::string& worker, const char* column, const Value& value) {
    Value row = Value::object();
    row["worker"] = worker;
    row[column] = value;
    rows.push_back(std::move(row));
  };
  std::string idle;
  for (const WorkerReply& one : replies.workers) {
    if (!one.error.empty()) continue;
    const Value& answer = one.answer;
    const bool is_list = answer.is_array() || (answer.is_object() && what == "query_task");
    if (is_list && answer.size() == 0) idle.append(idle.empty() ? "" : ", ").append(one.worker);
    if (what == "active" || what == "reserved") {
      for (const Value& task : answer.as_array()) rows.push_back(task_row(one.worker, task));
    } else if (what == "query_task") {
      for (const auto& [id, found] : answer.as_object()) {
        Value row = task_row(one.worker, found.at(1));
        row["state"] = found.at(std::size_t{0});
        rows.push_back(std::move(row));
      }
    } else if (what == "registered") {
      for (const Value& name : answer.as_array()) add(one.worker, "task", name);
    } else if (what == "active_queues") {
      for (const Value& queue : answer.as_array()) {
        const Value& name = queue.at("name");
        add(one.worker, "queue", name.is_null() ? Value{"(the broker's default queue)"} : name);
        if (queue.at("paused").to<bool>()) rows.back()["note"] = "paused";
      }
    } else if (answer.is_object()) {
      std::printf("%s\n", one.worker.c_str());
      print_map(answer);
    } else if (what == "report") {
      std::printf("%s\n%s\n", one.worker.c_str(), to_text(answer).c_str());
    } else {
      add(one.worker, "answer", answer);
    }
  }
  if (!rows.empty())
    print_rows(rows, what == "active" || what == "reserved" || what == "query_task"
                         ? task_columns
                         : std::vector<std::string>{"worker", "task", "queue", "answer", "note"});
  if (!idle.empty()) std::printf("nothing at %s\n", idle.c_str());
}

/// Names are what operators ask by: two workers of one name are asked as one, and shown as two.
void warn_of_namesakes(const WorkerReplies& replies) {
  std::map<std::string, int> count;
  for (const WorkerReply& one : replies.workers) ++count[one.worker];
  for (const auto& [name, times] : count) {
    if (times == 1) continue;
    std::fprintf(stderr, "baozi: %d workers bear the name %s; give each its own (-n)\n", times,
                 name.c_str());
  }
}

int finish(const Common& common, const std::string& what, const WorkerReplies& replies) {
  if (common.json) {
    Value all = Value::object();
    for (const WorkerReply& one : replies.workers) {
      std::string name = one.worker;  // two processes may bear one name
      for (int n = 2; all.find(name) != nullptr; ++n)
        name = one.worker + " (" + std::to_string(n) + ")";
      all[name] = one.error.empty() ? Value::object({{"ok", one.answer}})
                                    : Value::object({{one.silent ? "silent" : "error", one.error}});
    }
    std::printf("%s\n", all.to_json(2).c_str());
  } else {
    print_answers(what, replies);
  }
  for (const WorkerReply& one : replies.workers) {
    if (!one.error.empty() && !common.json)
      std::fprintf(stderr, "baozi: %s: %s\n", one.worker.c_str(), one.error.c_str());
  }
  warn_of_namesakes(replies);
  for (const std::string& name : replies.missing)
    std::fprintf(stderr, "baozi: no worker matches '%s'\n", name.c_str());
  for (const NodeReply& broker : replies.refusals)
    std::fprintf(stderr, "baozi: %s: %s\n", broker.node.c_str(), broker.error.c_str());
  for (const std::string& broker : replies.silent) {
    std::fprintf(stderr, "baozi: %s did not answer; its workers may be missing\n", broker.c_str());
  }
  if (replies.workers.empty()) std::fprintf(stderr, "baozi: no worker was asked\n");
  return replies.all_answered() ? 0 : 1;
}

/// For people: instants of fields such as "eta_us", as "eta".
Value with_instants(Value row) {
  for (const char* const name : {"eta", "at"}) {
    const Value* const us = row.find(std::string{name} + "_us");
    if (us == nullptr || !us->is_integer()) continue;
    row[name] = instant_text(std::chrono::sys_time<Micros>{Micros{us->to<std::int64_t>()}});
  }
  return row;
}

/// What brokers answer for themselves: a map with a list in it.
int ask_brokers(const Common& common, const std::string& command, const Value& arguments,
                const char* list, const std::vector<std::string>& columns) {
  const Asked asked = ask(common, command, arguments);
  if (common.json) {
    Value all = Value::object();
    for (const NodeReply& reply : asked.replies)
      all[reply.node] = Value::object({{"ok", reply.payload}});
    std::printf("%s\n", all.to_json(2).c_str());
  } else {
    Value::Array rows;
    for (const NodeReply& reply : asked.replies) {
      if (list == nullptr) {
        Value row = reply.payload;
        row["broker"] = reply.node;
        rows.push_back(std::move(row));
        continue;
      }
      for (const Value& entry : reply.payload.at(list).as_array()) {
        Value row = with_instants(entry);
        row["broker"] = reply.node;
        rows.push_back(std::move(row));
      }
    }
    print_table(rows, columns);
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

struct Question {
  Common common;
  std::string action;
  Words words;
  std::vector<std::string> destination;

  void declare(base::OptionTable& table) {
    table.add_positional("WHAT", action, "see above").required();
    table.add_positional("ARGUMENT", words, "as WHAT wants it");
    table
        .add("destination", destination,
             "workers to ask: names, or patterns such as 'gpu*' (default: all)")
        .short_name('d')
        .word("WORKER");
    common.declare(table);
  }
  [[nodiscard]] int ask(const std::string& command, const Value& arguments) const {
    App app = common.app();
    return finish(common, action, app.ask_workers(command, arguments, destination, common.timeout));
  }
  /// The workers, and the brokers too, unless only some workers are meant.
  template <class ToAnswer>
  [[nodiscard]] int ask_both(const std::string& command, const std::string& of_brokers,
                             const Value& arguments, ToAnswer to_answer) const {
    App app = common.app();
    WorkerReplies all = app.ask_workers(command, arguments, destination, common.timeout);
    if (destination.empty()) {
      const NodeReplies brokers = app.control(of_brokers, arguments);
      for (const NodeReply& one : brokers.replies) {
        const Value answer = one.error.empty() ? to_answer(one.payload) : Value{};
        all.workers.push_back({.worker = one.node, .error = one.error, .answer = answer});
      }
      for (const std::string& silent : brokers.silent) {
        const auto named = std::find(all.silent.begin(), all.silent.end(), silent);
        if (named == all.silent.end()) all.silent.push_back(silent);
      }
    }
    return finish(common, action, all);
  }
};

}  // namespace

int inspect(const Words& words) {
  Question question;
  base::OptionTable table{
      "baozi inspect", list_of(inspections, "Asks workers what they are and do. WHAT is one of:")};
  question.declare(table);
  if (!read(table, words)) return 0;
  const Action& action = find(inspections, question.action);
  check_count("inspect", action, question.words);
  if (question.action == "scheduled" || question.action == "revoked") {
    if (!question.destination.empty())
      throw base::ConfigError{"inspect " + question.action +
                              " asks the brokers: it has no --destination"};
    return question.action == "scheduled"
               ? ask_brokers(question.common, "scheduled", Value::object(), "tasks",
                             {"broker", "id", "name", "queue", "eta", "priority", "retries"})
               : ask_brokers(question.common, "revoked", Value::object(), "marks",
                             {"broker", "id", "at", "terminate", "signal"});
  }
  Value arguments = Value::object();
  if (question.action == "query_task") {
    arguments["ids"] = Value{Value::Array{question.words.begin(), question.words.end()}};
    return question.ask_both("inspect.query_task", "query_task", arguments,
                             [](const Value& payload) { return payload; });
  }
  return question.ask("inspect." + question.action, arguments);
}

int control(const Words& words) {
  if (!words.empty() && words.front() == "revoke") return revoke({words.begin() + 1, words.end()});
  Question question;
  base::OptionTable table{"baozi control",
                          list_of(orders, "Tells workers and queues what to do. WHAT is one of:")};
  bool reload = false;
  table.add("reload", reload,
            "with pool_restart, for pools of processes: load the task libraries anew first");
  question.declare(table);
  if (!read(table, words)) return 0;
  const std::string& name = question.action;
  const Action& action = find(orders, name);
  check_count("control", action, question.words);
  const Words& given = question.words;
  Value arguments = Value::object();
  if (reload) {
    if (name != "pool_restart") throw base::ConfigError{"--reload is for pool_restart alone"};
    arguments["reload"] = true;
  }
  if (name == "revoke")
    throw base::ConfigError{
        "write revoke before its options: baozi control revoke ID… [--terminate]"};
  if ((name == "pause" || name == "resume") && !given.empty()) {
    if (!question.destination.empty()) {
      throw base::ConfigError{name +
                              " QUEUE is for the brokers: it has no --destination (cancel_consumer "
                              "QUEUE is for workers)"};
    }
    arguments["queue"] = given[0];
    return ask_brokers(question.common, "queue." + name, arguments, nullptr,
                       {"broker", "queue", "paused"});
  }
  if (name == "rate_limit") {
    arguments["task"] = given[0];
    arguments["rate"] = given[1];
  } else if (name == "time_limit") {
    arguments["task"] = given[0];
    arguments["soft_us"] = span_in(given[1], "SOFT");
    arguments["hard_us"] = given.size() > 2 ? span_in(given[2], "HARD") : 0;
  } else if (name == "pool_grow" || name == "pool_shrink") {
    arguments["n"] = given.empty() ? 1 : count_in(given[0], "N");
  } else if (name == "autoscale") {
    arguments["max"] = count_in(given[0], "MAX");
    arguments["min"] = count_in(given[1], "MIN");
  } else if (name == "add_consumer" || name == "cancel_consumer") {
    arguments["queue"] = given[0];
  }
  if (name == "enable_events" || name == "disable_events") {
    const std::string word = name == "enable_events" ? "enabled" : "disabled";
    return question.ask_both(
        "worker." + name, name == "enable_events" ? "events.enable" : "events.disable", arguments,
        [&](const Value& payload) {
          const bool changed = payload.at("changed").to<bool>();
          return Value{(changed ? "task events " : "task events already ") + word};
        });
  }
  return question.ask("worker." + name, arguments);
}

}  // namespace baozi::cli
