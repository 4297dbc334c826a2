#include "client/cli/cli.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "baozi/version.hpp"
#include "base/nearest.hpp"
#include "base/node_main.hpp"

namespace baozi::cli {

namespace {

struct Command {
  const char* name;
  const char* does;
  int (*run)(const Words&);
};
constexpr Command commands[] = {
    {"call", "hands in a task by its name, and waits for it with --wait", call},
    {"result", "shows a task's state and result", result},
    {"forget", "erases stored results", forget},
    {"revoke", "ends tasks before they run", revoke},
    {"status", "shows brokers and collectors, their peers, queues and counters", status},
    {"queues", "shows the queues", queues},
    {"purge", "ends all tasks that wait in a queue", purge},
    {"dead", "list, show, retry or drop dead letters", dead},
    {"inspect", "asks workers what they are and do", inspect},
    {"control", "tells workers and queues what to do", control},
    {"events", "shows what happens, as it happens", events},
    {"bench", "times this network, or one that is started for it", bench},
};

void help(std::FILE* to) {
  std::fprintf(to, "usage: baozi COMMAND [ARGUMENT]… [--broker ENDPOINT] [--json]\n\n");
  for (const Command& command : commands)
    std::fprintf(to, "  %-8s  %s\n", command.name, command.does);
  std::fprintf(to, "  %-8s  %s\n", "schedule", "keeps periodic tasks, and tells when they are due");
  std::fprintf(to, "  %-8s  %s\n", "top", "shows workers, queues, rates and failures, live");
  std::fprintf(
      to,
      "\n  baozi call c.add '[1, 2]' --wait\n"
      "  baozi call mail.send --kwargs '{\"to\": \"a@b.c\"}' --countdown 5m --queue mail\n"
      "  baozi result 01a2151b-6a3b-7a47-81ef-841edca6fd17\n"
      "  baozi status --json\n"
      "  baozi inspect active -d 'gpu*'\n"
      "  baozi control pool_grow 2 -d w1@host\n"
      "  baozi schedule next --crontab '*/3 * * * *' --zone Asia/Shanghai\n\n"
      "Each command has its own --help. --broker falls back to $BAOZI_BROKER, then to "
      "tcp://127.0.0.1:7170.\n"
      "Exit codes: 0; 1 when it failed, or the task did; 2 when it was used in a wrong way.\n");
}

}  // namespace

void Common::declare(base::OptionTable& table) {
  using namespace std::chrono_literals;
  table.begin_group("Network");
  table.add("broker", brokers, "the brokers to ask (default tcp://127.0.0.1:7170)")
      .word("ENDPOINT");
  table.add("timeout", timeout, "how long to wait for an answer").range(10ms, 1h);
  table.add("json", json, "print JSON");
}

App Common::app() const {
  AppOptions options;
  for (const std::string& broker : brokers)
    options.broker += (options.broker.empty() ? "" : ",") + broker;
  options.name = "baozi-cli";
  options.answer_timeout = timeout;
  options.connect_timeout = timeout;
  options.commit_at_once = true;
  try {
    return App{options};
  } catch (const std::invalid_argument& error) {
    throw base::ConfigError{std::string{"--broker: "} + error.what()};
  }
}

bool read(base::OptionTable& table, const Words& words, const base::Environment& environment) {
  switch (table.parse(words, environment)) {
    case base::Parsed::run: return true;
    case base::Parsed::help: std::printf("%s", table.help_text().c_str()); return false;
    case base::Parsed::version: std::printf("%s\n", table.version_line().c_str()); return false;
  }
  return false;
}

Asked ask(const Common& common, std::string_view command, const Value& arguments) {
  App app = common.app();
  return ask(app, common, command, arguments);
}

Asked ask(App& app, const Common& common, std::string_view command, const Value& arguments,
          Whom whom) {
  NodeReplies answers = whom == Whom::brokers ? app.control(command, arguments)
                                              : app.control_collectors(command, arguments);
  Asked asked;
  for (const std::string& silent : answers.silent) {
    std::fprintf(stderr, "baozi: %s did not answer within %s\n", silent.c_str(),
                 base::to_text(common.timeout).c_str());
    asked.complete = false;
  }
  for (NodeReply& reply : answers.replies) {
    if (reply.error.empty()) {
      asked.replies.push_back(std::move(reply));
    } else {
      std::fprintf(stderr, "baozi: %s: %s\n", reply.node.c_str(), reply.error.c_str());
      asked.complete = false;
    }
  }
  return asked;
}

std::string to_text(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_null()) return "-";
  return value.to_json();
}

void print_table(const Value::Array& rows, const std::vector<std::string>& columns) {
  std::vector<std::size_t> widths;
  for (const std::string& column : columns) widths.push_back(column.size());
  const auto cell = [](const Value& row, const std::string& column) {
    const Value* const value = row.find(column);
    return value == nullptr ? std::string{"-"} : to_text(*value);
  };
  for (const Value& row : rows) {
    for (std::size_t i = 0; i < columns.size(); ++i)
      widths[i] = std::max(widths[i], cell(row, columns[i]).size());
  }
  const auto print = [&](const auto& text_of) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::string text = text_of(i);
      const std::size_t fill = widths[i] - std::min(widths[i], text.size());
      line += (i == 0 ? "" : "  ") + std::move(text) +
              std::string(i + 1 < columns.size() ? fill : 0, ' ');
    }
    std::printf("%s\n", line.c_str());
  };
  print([&](std::size_t i) { return columns[i]; });
  for (const Value& row : rows) print([&](std::size_t i) { return cell(row, columns[i]); });
}

std::string age_text(std::uint64_t us) {
  const std::uint64_t s = us / 1'000'000;
  const auto two = [](std::uint64_t whole, const char* unit, std::uint64_t rest,
                      const char* smaller) {
    return std::to_string(whole) + ' ' + unit +
           (rest == 0 ? "" : ' ' + std::to_string(rest) + ' ' + smaller);
  };
  if (s < 120) return std::to_string(s) + " s";
  if (s < 7'200) return two(s / 60, "min", s % 60, "s");
  if (s < 172'800) return two(s / 3'600, "h", s % 3'600 / 60, "min");
  return two(s / 86'400, "d", s % 86'400 / 3'600, "h");
}

int run(int argc, const char* const* argv, OpenScreen open_screen, ReadSchedule read_schedule) {
  return base::run_guarded("baozi", [&] {
    const std::string name = argc > 1 ? argv[1] : "";
    if (name == "--version") {
      std::printf("baozi %s\n", version_text);
      return 0;
    }
    if (name == "--help" || name == "-h" || name == "help") {
      help(stdout);
      return 0;
    }
    const Words words(argv + std::min(argc, 2), argv + argc);
    if (name == "top") return top(words, open_screen);
    const auto guarded = [&](const auto& command) {
      return base::run_guarded("baozi " + name, [&] {
        try {
          return command();
        } catch (
            const std::invalid_argument& error) {  // a name, id or value that the library refuses
          throw base::ConfigError{error.what()};
        }
      });
    };
    if (name == "schedule") return guarded([&] { return schedule(words, read_schedule); });
    for (const Command& command : commands) {
      if (name == command.name) return guarded([&] { return command.run(words); });
    }
    if (name.empty()) {
      help(stderr);
      return 2;
    }
    std::vector<std::string> names;
    for (const Command& command : commands) names.emplace_back(command.name);
    names.emplace_back("schedule");
    names.emplace_back("top");
    const std::string meant = base::nearest(name, names);
    throw base::ConfigError{"there is no command '" + name + "'" +
                            (meant.empty() ? "" : "; did you mean '" + meant + "'?")};
  });
}

}  // namespace baozi::cli
