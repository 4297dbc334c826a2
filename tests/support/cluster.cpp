#include "support/cluster.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include <baozi/client.hpp>

namespace baozi::test {

namespace {

/// "… listening on tcp://127.0.0.1:40123" → the address.
std::string address_in(const std::string& line) {
  const std::size_t at = line.find("tcp://");
  return line.substr(at, line.find_first_of(" ,", at) - at);
}

/// What it wrote in its log, so far.
std::string serve(Process& process, const std::string& log, const std::string& what) {
  std::string line;
  const bool serves = eventually([&] {
    std::istringstream lines{TempDir::read(log)};
    while (std::getline(lines, line)) {
      if (line.find("listening on") != std::string::npos) return true;
    }
    return process.poll().has_value();
  });
  if (!serves || line.find("listening on") == std::string::npos) {
    throw std::runtime_error{what + " did not start:\n" + process.err() + TempDir::read(log)};
  }
  return address_in(line);
}

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

Process& Cluster::start_broker(const std::vector<std::string>& more) {
  broker_.reset();
  static int starts = 0;
  const std::string log = folder_ / ("broker." + std::to_string(++starts) + ".log");
  broker_ = std::make_unique<Process>(
      with({program("baozi-broker"), "-f", log, "-n", "broker", "--listen", broker_address_,
            "--store", "sqlite:" + (folder_ / "broker.db"), "--heartbeat", "300ms", "--liveness",
            "2s", "-l", "info"},
           more));
  broker_address_ = serve(*broker_, log, "the broker");
  return *broker_;
}

Process& Cluster::start_collector(const std::vector<std::string>& more) {
  collector_.reset();
  static int starts = 0;
  const std::string log = folder_ / ("collector." + std::to_string(++starts) + ".log");
  collector_ = std::make_unique<Process>(with(
      {program("baozi-collector"), "-f", log, "-n", "collector", "--listen", collector_address_,
       "--broker", broker_address_, "--store", "sqlite:" + (folder_ / "results.db"), "-l", "info"},
      more));
  collector_address_ = serve(*collector_, log, "the collector");
  return *collector_;
}

Process& Cluster::start_worker(int number, int concurrency, const std::vector<std::string>& more) {
  const auto index = static_cast<std::size_t>(number);
  if (workers_.size() <= index) workers_.resize(index + 1);
  workers_[index].reset();
  const bool names_pool = std::find(more.begin(), more.end(), "-P") != more.end();
  static int starts = 0;
  const std::string log = folder_ / ("worker." + std::to_string(++starts) + ".log");
  workers_[index] = std::make_unique<Process>(with(
      {program("baozi-worker"), "-f", log, "-A", BAOZI_SAMPLE_TASKS, "--broker", broker_address_,
       "-n", "w" + std::to_string(number), "-c", std::to_string(concurrency), "-l", "info"},
      names_pool ? more : with({"-P", "threads"}, more)));
  const bool ready = eventually([&] {
    return TempDir::read(log).find("ready") != std::string::npos ||
           workers_[index]->poll().has_value();
  });
  if (!ready || workers_[index]->poll()) {
    throw std::runtime_error{"a worker did not start:\n" + workers_[index]->err() +
                             TempDir::read(log)};
  }
  return *workers_[index];
}

Ran Cluster::baozi(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("baozi"));
  arguments.insert(arguments.end(), {"--broker", broker_address_});
  Process process{arguments};
  Ran ran;
  ran.code = process.wait(std::chrono::seconds{60}).value_or(-1);
  ran.out = process.out();
  ran.err = process.err();
  return ran;
}

long long Cluster::status(const std::string& path) const {
  App app{AppOptions{.broker = broker_address_}};
  const NodeReplies answers = app.control("status");
  if (answers.replies.empty()) return -1;
  const Value* at = &answers.replies.front().payload;
  std::istringstream parts{path};
  for (std::string part; std::getline(parts, part, '.');) {
    at = at->is_object() ? at->find(part) : nullptr;
    if (at == nullptr) return -1;
  }
  if (at->is_bool()) return at->to<bool>() ? 1 : 0;
  return at->is_integer() ? at->to<long long>() : -1;
}

bool Cluster::books_balance() const { return status("books.balanced") == 1; }

std::string Cluster::logs() const {
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator{folder_.path()}) {
    if (entry.path().extension() != ".log") continue;
    all += "==== " + entry.path().filename().string() + "\n" + TempDir::read(entry.path());
  }
  return all;
}

}  // namespace baozi::test
