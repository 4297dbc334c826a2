// baozi bench: how fast a network is, one that runs or one made for it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <unistd.h>

#include "client/cli/children.hpp"
#include "client/cli/cli.hpp"
#include "client/measure.hpp"

namespace baozi::cli {

namespace {

namespace fs = std::filesystem;

const Words all_figures = {"enqueue", "drain", "e2e", "rtt"};

/// Where a network's files are written: on a disk, so that a sync is one.
std::string disk_folder() {
  if (const char* chosen = std::getenv("TMPDIR"); chosen != nullptr && *chosen != '\0')
    return chosen;
  std::error_code ignored;
  return fs::is_directory("/var/tmp", ignored) ? "/var/tmp"
                                               : fs::temp_directory_path(ignored).string();
}

/// The library with the task that the workers run: where it is installed, or built.
std::string task_library() {
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path library = bin / BAOZI_FROM_BIN_TO_LIB / "baozi" / "libbaozi_bench_tasks.so";
  if (error || !fs::exists(library, error)) {
    throw std::runtime_error{"the workers' library is missing: " +
                             library.lexically_normal().string()};
  }
  return library.lexically_normal().string();
}

std::string address_in(const std::string& line) {
  const std::size_t at = line.find("tcp://");
  return at == std::string::npos ? std::string{}
                                 : line.substr(at, line.find_first_of(" ,", at) - at);
}

std::string with_commas(double value) {
  std::string digits = std::to_string(std::llround(value));
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

struct Bench {
  Common common;
  Words figures;
  std::size_t tasks = 100'000;
  std::uint32_t workers = 2;
  std::uint32_t concurrency = 1;
  std::string folder{};

  std::unique_ptr<Children> children{};
  bool own_network = false;
  bool workers_run = false;

  [[nodiscard]] bool wants(const char* figure) const {
    return std::find(figures.begin(), figures.end(), figure) != figures.end();
  }
  void progress(const std::string& text) const {
    if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s", text.c_str());
  }
  void show(const client::Figure& figure) const {
    progress("");
    if (common.json) {
      std::printf("%s\n", to_json(figure).c_str());
    } else {
      std::printf("%-16s %14s %-8s  %s\n", figure.metric.c_str(), with_commas(figure.value).c_str(),
                  figure.unit.c_str(), figure.settings.c_str());
    }
    std::fflush(stdout);
  }
  void start_network() {
    progress("starting a broker and a collector");
    common.brokers = {address_in(children->start(
        "broker", "baozi-broker",
        {"--listen", "tcp://127.0.0.1:0", "--store", "sqlite:" + children->folder() + "/tasks.db"},
        "listening on"))};
    children->start(
        "collector", "baozi-collector",
        {"--listen", "tcp://127.0.0.1:0", "--store", "sqlite:" + children->folder() + "/results.db",
         "--broker", common.brokers.front()},
        "listening on");
  }
  void start_workers(const std::string& brokers) {
    if (workers_run) return;
    workers_run = true;
    for (std::uint32_t i = 1; i <= workers; ++i) {
      const std::string name = "bench-" + std::to_string(getpid()) + "-" + std::to_string(i);
      Words words = {"-A", task_library(), "-n", name,     "-c", std::to_string(concurrency),
                     "-Q", queue(),        "-P", "threads"};
      if (!brokers.empty()) words.insert(words.end(), {"--broker", brokers});
      children->start(name, "baozi-worker", words);  // the figures wait for them
    }
  }
  /// Its own, so that nobody else's tasks are touched, and nobody else's worker takes these.
  static std::string queue() { return "baozi.bench"; }

  void run() {
    children = std::make_unique<Children>(folder.empty() ? disk_folder() : folder);
    try {
      measure();
    } catch (const std::exception&) {
      const std::string why = children->ended_early();  // then that is the reason
      progress("");
      if (!why.empty()) throw std::runtime_error{why};
      throw;
    }
  }

  void measure() {
    if (own_network) start_network();
    std::string brokers;
    for (const std::string& broker : common.brokers)
      brokers += (brokers.empty() ? "" : ",") + broker;
    AppOptions options;
    options.broker = brokers;
    options.name = "baozi-bench";
    options.answer_timeout = options.connect_timeout = common.timeout;
    App app{options};
    const client::Load load{.task = "bench.add", .queue = queue(), .tasks = tasks};
    const Value::Object named{{"queue", Value{queue()}}};
    static_cast<void>(app.control("queues"));  // throws when there is nobody
    if (!own_network) {                        // what this leaves in a network that goes on
      options.answer_timeout = options.connect_timeout = std::chrono::seconds{2};
      children->on_interrupt([options, named] {
        try {
          App last{options};
          static_cast<void>(last.control("purge", Value{named}));
        } catch (const std::exception& error) {
          std::fprintf(stderr, "baozi bench: tasks may be left in the queue %s: %s\n",
                       queue().c_str(), error.what());
        }
      });
    }
    if (wants("enqueue")) {
      progress("enqueue: " + std::to_string(tasks) + " tasks");
      show(measure_enqueue(app, load));
      if (!wants("drain")) {
        static_cast<void>(app.control("purge", Value{named}));
        client::wait_until_empty(
            app, load);  // what comes while a purge goes on may be taken for what was there
      }
    } else if (wants("drain")) {
      progress("drain: putting " + std::to_string(tasks) + " tasks into the queue");
      preload(app, load);
    }
    if (wants("drain")) {
      start_workers(brokers);
      progress("drain: " + std::to_string(tasks) + " tasks");
      show(measure_drain(app, load));
    }
    if (wants("e2e")) {
      start_workers(brokers);
      progress("e2e: " + std::to_string(tasks) + " tasks");
      for (const client::Figure& figure : measure_e2e(app, load)) show(figure);
    }
    if (wants("rtt")) {
      start_workers(brokers);
      const client::Load one{
          .task = load.task, .queue = load.queue, .tasks = std::max<std::size_t>(tasks / 50, 10)};
      progress("rtt: " + std::to_string(one.tasks) + " tasks, one at a time");
      for (const client::Figure& figure : measure_rtt(app, one)) show(figure);
    }
    app.close();
    progress("stopping");
    children->stop();
    progress("");
  }
};

}  // namespace

int bench(const Words& words) {
  Bench bench;
  base::OptionTable table{
      "baozi bench",
      "Times a network: tasks confirmed after the sync (enqueue), a full queue worked off (drain), "
      "from the submit "
      "to the result in hand (e2e), and one task at a time (rtt). With --broker or BAOZI_BROKER it "
      "is that network, "
      "else one that is started for it and removed again. The tasks go to the queue baozi.bench, "
      "and to workers "
      "that are started for them, so a network in use is slowed down but not disturbed."};
  table.add_positional("FIGURE", bench.figures, "enqueue, drain, e2e, rtt; without any, all four");
  table.begin_group("Load");
  table.add("tasks", bench.tasks, "how many tasks; one at a time a fiftieth of them")
      .range(10, 100'000'000);
  table.add("workers", bench.workers, "how many workers are started").range(1, 256);
  table.add("concurrency", bench.concurrency, "how many tasks each worker runs at the same time")
      .short_name('c')
      .range(1, 1'024);
  table
      .add("folder", bench.folder,
           "where files are kept while it runs: on the disk that is to be measured (default: "
           "$TMPDIR, else /var/tmp)")
      .word("FOLDER");
  bench.common.declare(table);
  if (!read(table, words)) return 0;
  for (const std::string& figure : bench.figures) {
    if (std::find(all_figures.begin(), all_figures.end(), figure) == all_figures.end()) {
      throw base::ConfigError{"'" + figure + "' is not one of enqueue, drain, e2e, rtt"};
    }
  }
  if (bench.figures.empty()) bench.figures = all_figures;
  bench.own_network = bench.common.brokers.empty();
  bench.run();
  return 0;
}

}  // namespace baozi::cli
