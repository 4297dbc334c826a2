// baozi status, queues, purge, dead.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include <unistd.h>

#include "client/cli/cli.hpp"

namespace baozi::cli {

namespace {

void print_json(const Asked& asked) {
  Value::Array all;
  for (const NodeReply& reply : asked.replies) all.push_back(reply.payload);
  std::printf("%s\n",
              all.size() == 1 ? all.front().to_json(2).c_str() : Value{all}.to_json(2).c_str());
}

const std::vector<std::string> queue_columns = {"name",   "labels", "ready", "scheduled",
                                                "leased", "ending", "bytes", "consumers",
                                                "policy", "note"};

/// Rows as they are printed: labels as one word, and what keeps a queue's tasks waiting.
Value::Array queue_rows(const Value& queues) {
  Value::Array rows = queues.as_array();
  for (Value& row : rows) {
    if (const Value* const labels = row.find("labels")) {
      std::string text;
      for (const Value& label : labels->as_array())
        text += (text.empty() ? "" : ",") + label.as_string();
      row["labels"] = text;
    }
    const Value* const paused = row.find("paused");
    if (paused != nullptr && paused->to<bool>()) {
      row["note"] = "paused";
    } else if (row.at("ready").to<std::uint64_t>() > 0 &&
               row.at("consumers").to<std::uint64_t>() == 0) {
      row["note"] = "no worker takes these";
    }
  }
  return rows;
}

/// Other brokers, with times that people read.
Value::Array broker_rows(const Value& brokers) {
  Value::Array rows = brokers.as_array();
  for (Value& row : rows) {
    row["since"] = age_text(row.at("since_us").to<std::uint64_t>());
    if (const Value* const oldest = row.find("oldest_us"))
      row["oldest"] = age_text(oldest->to<std::uint64_t>());
  }
  return rows;
}

/// "name 12, other 3": those first that everybody looks for, then whatever else there is.
void print_numbers(const char* title, const Value& numbers, const Words& first, bool zeros) {
  std::string line;
  const auto add = [&](const std::string& name, const Value& value) {
    if (value.is_object()) {
      std::uint64_t sum = 0;
      std::string parts;
      for (const auto& [why, count] : value.as_object()) {
        sum += count.to<std::uint64_t>();
        if (count.to<std::uint64_t>() != 0)
          parts += (parts.empty() ? "" : ", ") + why + ' ' + to_text(count);
      }
      line += (line.empty() ? "" : ", ") + name + ' ' + std::to_string(sum) +
              (parts.empty() ? "" : " (" + parts + ')');
    } else if (value.is_integer() && (zeros || value.to<std::uint64_t>() != 0)) {
      line += (line.empty() ? "" : ", ") + name + ' ' + to_text(value);
    }
  };
  for (const std::string& name : first) {
    if (const Value* const value = numbers.find(name)) add(name, *value);
  }
  for (const auto& [name, value] : numbers.as_object()) {
    if (std::find(first.begin(), first.end(), name) == first.end()) add(name, value);
  }
  std::printf("%-9s %s\n", title, line.empty() ? "none" : line.c_str());
}

void print_status(const Value& status) {
  const Value& node = status.at("node");
  const auto is = [&](const char* name) {
    const Value* const value = node.find(name);
    return value != nullptr && value->is_bool() && value->to<bool>();
  };
  std::printf("%s  %s %s, pid %s", to_text(node.at("name")).c_str(),
              to_text(node.at("role")).c_str(), to_text(node.at("version")).c_str(),
              to_text(node.at("pid")).c_str());
  if (const Value* const up = node.find("uptime_us")) {
    std::printf(", up %s, start %s", age_text(up->to<std::uint64_t>()).c_str(),
                to_text(node.at("epoch")).c_str());
  }
  std::printf("%s%s%s\n", is("holding") ? ", waiting for its workers" : "",
              is("draining") ? ", draining" : "",
              is("store_full") ? ", THE DISK IS FULL: no new tasks" : "");
  if (const Value* const books = status.find("books")) {
    print_numbers("tasks", *books,
                  {"accepted", "queued", "leased", "succeeded", "failed", "revoked", "dead"}, true);
    if (!books->at("balanced").to<bool>())
      std::printf("          THE BOOKS DO NOT BALANCE: keep the store's file, and tell us\n");
  }
  if (const Value* const results = status.find("results")) {
    print_numbers("results", *results,
                  {"taken", "succeeded", "failed", "revoked", "committed", "waiting"}, true);
  }
  print_numbers("counters", status.at("counters"), {}, false);
  if (status.find("books") != nullptr) {
    std::printf("\n");
    print_table(status.at("peers").as_array(), {"role", "name", "concurrency", "leases", "credit"});
  }
  if (const Value* const brokers = status.find("brokers")) {
    std::printf("\n");
    print_table(broker_rows(*brokers),
                {"address", "name", "state", "since", "waiting", "oldest", "trouble"});
  }
  if (const Value* const queues = status.find("queues");
      queues != nullptr && !queues->as_array().empty()) {
    std::printf("\n");
    print_table(queue_rows(*queues), queue_columns);
  }
}

/// Does any broker name a collector?
bool has_collectors(const Asked& brokers) {
  for (const NodeReply& reply : brokers.replies) {
    for (const Value& peer : reply.payload.at("peers").as_array()) {
      if (peer.at("role").as_string() == "collector") return true;
    }
  }
  return false;
}

/// Lays what the collectors said beside each broker that they serve: its member "collectors".
void add_collectors(Asked& brokers, const Asked& collectors) {
  for (NodeReply& broker : brokers.replies) {
    Value::Array serving;
    for (const NodeReply& collector : collectors.replies) {
      const std::string& name = collector.payload.at("node").at("name").as_string();
      for (const Value& peer : broker.payload.at("peers").as_array()) {
        if (peer.at("role").as_string() != "collector" || peer.at("name").as_string() != name)
          continue;
        serving.push_back(collector.payload);
        break;
      }
    }
    broker.payload.as_object()["collectors"] = Value{serving};
  }
}

}  // namespace

int status(const Words& words) {
  Common common;
  base::OptionTable table{
      "baozi status",
      "Shows brokers and their collectors: tasks, peers, queues, and what was counted."};
  common.declare(table);
  if (!read(table, words)) return 0;
  App app = common.app();
  Asked asked = ask(app, common, "status");
  Asked collectors;
  if (has_collectors(asked))
    collectors = ask(app, common, "status", Value::object(), Whom::collectors);
  add_collectors(asked, collectors);
  if (common.json) {
    print_json(asked);
  } else {
    const char* gap = "";
    for (const auto* nodes : {&asked, &collectors}) {
      for (const NodeReply& reply : nodes->replies) {
        std::printf("%s", gap);
        print_status(reply.payload);
        gap = "\n";
      }
    }
  }
  return asked.complete && collectors.complete && !asked.replies.empty() ? 0 : 1;
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
    for (const NodeReply& reply : asked.replies)
      print_table(queue_rows(reply.payload), queue_columns);
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

int purge(const Words& words) {
  Common common;
  std::string queue;
  bool force = false;
  base::OptionTable table{"baozi purge",
                          "Ends all tasks that wait in a queue: they become REVOKED."};
  table.add_positional("QUEUE", queue, "the queue").required();
  table.add("force", force, "do not ask").short_name('f');
  common.declare(table);
  if (!read(table, words)) return 0;
  if (!force) {
    if (isatty(0) == 0)
      throw base::ConfigError{"it asks before it ends tasks; say --force where nobody can answer"};
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
      std::printf("%s: %s tasks are ended\n", reply.node.c_str(),
                  to_text(reply.payload.at("purged")).c_str());
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
  base::OptionTable table{"baozi dead",
                          "Dead letters: tasks that ran out of deliveries or retries."};
  table.add_positional("ACTION", action, "list, show, retry or drop").required();
  table.add_positional("ID", ids, "the tasks' ids");
  table.add("all", all, "retry or drop all of them");
  table.add("limit", limit, "how many to list").range(1, 1'000);
  common.declare(table);
  if (!read(table, words)) return 0;
  if (action != "list" && action != "show" && action != "retry" && action != "drop") {
    throw base::ConfigError{"'" + action + "' is not one of list, show, retry, drop"};
  }
  if (action != "list" && ids.empty() && !all)
    throw base::ConfigError{action + " needs ids, or --all"};
  Value::Object arguments;
  arguments["limit"] = Value{limit};
  arguments["all"] = Value{all};
  Value::Array wanted;
  for (const std::string& id : ids) wanted.emplace_back(id);
  arguments["ids"] = Value{wanted};
  const Asked asked = ask(common, "dead." + action, Value{arguments});
  std::size_t found = 0;
  for (const NodeReply& reply : asked.replies) {
    if (action == "show") found += reply.payload.as_array().size();
    if (action == "retry") found += reply.payload.at("retried").to<std::size_t>();
    if (action == "drop") found += reply.payload.at("dropped").to<std::size_t>();
  }
  if (common.json) {
    print_json(asked);
  } else {
    for (const NodeReply& reply : asked.replies) {
      if (action == "list") {
        const Value::Array& letters = reply.payload.at("letters").as_array();
        if (letters.empty()) {
          std::printf("%s: no dead letters\n", reply.node.c_str());
        } else {
          print_table(letters, {"id", "name", "queue", "retries", "lost_deliveries", "reason"});
          const auto total = reply.payload.at("total").to<std::uint64_t>();
          if (total > letters.size())
            std::printf("… and %llu more: --limit shows them\n",
                        static_cast<unsigned long long>(total - letters.size()));
        }
      } else if (action == "show") {
        std::printf("%s\n", reply.payload.to_json(2).c_str());
      } else {
        std::printf("%s: %s %s\n", reply.node.c_str(), action == "retry" ? "retried" : "dropped",
                    to_text(reply.payload.at(action == "retry" ? "retried" : "dropped")).c_str());
      }
    }
  }
  if (action != "list" && !all && found == 0 && asked.complete) {
    std::fprintf(stderr, "baozi dead: no dead letter has such an id\n");
    return 1;
  }
  return asked.complete && !asked.replies.empty() ? 0 : 1;
}

}  // namespace baozi::cli
