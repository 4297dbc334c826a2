// baozi status, queues, purge, dead.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "client/cli/cli.hpp"

namespace baozi::cli {

namespace {

void print_json(const Asked& asked) {
  Value::Array all;
  for (const NodeReply& reply : asked.replies) all.push_back(reply.payload);
  std::printf("%s\n", all.size() == 1 ? all.front().to_json(2).c_str() : Value{all}.to_json(2).c_str());
}

const std::vector<std::string> queue_columns = {"name", "ready", "scheduled", "leased", "ending", "bytes", "consumers", "policy"};

void print_status(const NodeReply& reply) {
  const Value& status = reply.payload;
  const Value& node = status.at("node");
  std::printf("%s  %s %s, up %.0f s, epoch %s%s\n", to_text(node.at("name")).c_str(), to_text(node.at("role")).c_str(),
              to_text(node.at("version")).c_str(), static_cast<double>(node.at("uptime_us").to<std::uint64_t>()) / 1e6,
              to_text(node.at("epoch")).c_str(), node.at("holding").to<bool>() ? ", waiting for its workers" : "");
  const Value& books = status.at("books");
  std::printf("\ntasks   ");
  for (const auto& [name, value] : books.as_object()) {
    if (value.is_object()) {
      for (const auto& [why, count] : value.as_object()) std::printf("  %s(%s) %s", name.c_str(), why.c_str(), to_text(count).c_str());
    } else if (value.is_integer()) {
      std::printf("  %s %s", name.c_str(), to_text(value).c_str());
    }
  }
  std::printf("%s\n", books.at("balanced").to<bool>() ? "" : "  THE BOOKS DO NOT BALANCE");
  std::printf("\n");
  print_table(status.at("peers").as_array(), {"role", "name", "concurrency", "leases", "credit"});
  if (!status.at("queues").as_array().empty()) {
    std::printf("\n");
    print_table(status.at("queues").as_array(), queue_columns);
  }
  std::printf("\ncounters");
  for (const auto& [name, value] : status.at("counters").as_object()) {
    if (value.is_integer() && value.to<std::int64_t>() != 0) std::printf("  %s %s", name.c_str(), to_text(value).c_str());
  }
  std::printf("\n");
}

}  // namespace

int status(const Words& words) {
  Common common;
  base::OptionTable table{"baozi status", "Shows brokers, their peers, queues and counters."};
  common.declare(table);
  if (!read(table, words)) return 0;
  const Asked asked = ask(common, "status");
  if (common.json) {
    print_json(asked);
  } else {
    for (const NodeReply& reply : asked.replies) print_status(reply);
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

int queues(const Words& words) {
  Common common;
  base::OptionTable table{"baozi queues", "Shows the queues."};
  common.declare(table);
  if (!read(table, words)) return 0;
  const Asked asked = ask(common, "queues");
  if (common.json) {
    print_json(asked);
  } else {
    for (const NodeReply& reply : asked.replies) print_table(reply.payload.as_array(), queue_columns);
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

int purge(const Words& words) {
  Common common;
  std::string queue;
  bool force = false;
  base::OptionTable table{"baozi purge", "Ends all tasks that wait in a queue: they become REVOKED."};
  table.add_positional("QUEUE", queue, "the queue").required();
  table.add("force", force, "do not ask").short_name('f');
  common.declare(table);
  if (!read(table, words)) return 0;
  if (!force) {
    if (isatty(0) == 0) throw base::ConfigError{"purge asks before it ends tasks; say --force where nobody can answer"};
    std::printf("End every task that waits in '%s'? [y/N] ", queue.c_str());
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "yes") return 1;
  }
  Value::Object arguments;
  arguments["queue"] = Value{queue};
  const Asked asked = ask(common, "purge", Value{arguments});
  if (common.json) {
    print_json(asked);
  } else {
    for (const NodeReply& reply : asked.replies) {
      std::printf("%s: %s tasks are being ended\n", reply.node.c_str(), to_text(reply.payload.at("purged")).c_str());
    }
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

int dead(const Words& words) {
  Common common;
  std::string action;
  Words ids;
  bool all = false;
  std::uint64_t limit = 100;
  base::OptionTable table{"baozi dead", "Dead letters: tasks that ran out of deliveries or retries."};
  table.add_positional("ACTION", action, "list, show, retry or drop").required();
  table.add_positional("ID", ids, "the tasks' ids");
  table.add("all", all, "retry or drop all of them");
  table.add("limit", limit, "how many to list").range(1, 1'000);
  common.declare(table);
  if (!read(table, words)) return 0;
  if (action != "list" && action != "show" && action != "retry" && action != "drop") {
    throw base::ConfigError{"dead: '" + action + "' is not one of list, show, retry, drop"};
  }
  if (action != "list" && ids.empty() && !all) throw base::ConfigError{"dead " + action + " needs ids, or --all"};
  Value::Object arguments;
  arguments["limit"] = Value{limit};
  arguments["all"] = Value{all};
  Value::Array wanted;
  for (const std::string& id : ids) wanted.emplace_back(id);
  arguments["ids"] = Value{wanted};
  const Asked asked = ask(common, "dead." + action, Value{arguments});
  if (common.json) {
    print_json(asked);
  } else {
    for (const NodeReply& reply : asked.replies) {
      if (action == "list") {
        print_table(reply.payload.at("letters").as_array(), {"id", "name", "queue", "retries", "lost_deliveries", "reason"});
      } else if (action == "show") {
        std::printf("%s\n", reply.payload.to_json(2).c_str());
      } else {
        std::printf("%s: %s %s\n", reply.node.c_str(), action == "retry" ? "retried" : "dropped",
                    to_text(reply.payload.at(action == "retry" ? "retried" : "dropped")).c_str());
      }
    }
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

}  // namespace baozi::cli
