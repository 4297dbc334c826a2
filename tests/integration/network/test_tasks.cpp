// Tasks that leave a trace: each run appends a line to a file, so that a test can count what really
// happened.
#include <chrono>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <baozi/worker.hpp>

namespace {

void append(const std::string& path, const std::string& line) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error{"cannot open " + path};
  const std::string text = line + "\n";
  const auto written = write(fd, text.data(), text.size());
  close(fd);
  if (written != static_cast<ssize_t>(text.size()))
    throw std::runtime_error{"cannot write " + path};
}

}  // namespace

BAOZI_TASKS(registry) {
  registry.task("c.add", [](std::int64_t a, std::int64_t b) { return a + b; }, {"a", "b"});
  registry.task("t.mark",
                [](const std::string& path, std::int64_t number) {
                  append(path, std::to_string(number));
                  return number;
                },
                {"path", "number"});
  registry.task(
      "t.mark_id",
      [](baozi::Context& context, const std::string& path) { append(path, context.id()); },
      {"path"});
  registry.task("t.mark_slowly",
                [](const std::string& path, std::int64_t number, std::int64_t ms) {
                  append(path, std::to_string(number));
                  std::this_thread::sleep_for(std::chrono::milliseconds{ms});
                  return number;
                },
                {"path", "number", "ms"});
  registry.task(
      "t.fail",
      [](const std::string& message) -> std::int64_t { throw std::runtime_error{message}; },
      {"message"});
  registry.task("t.fail_until",
                [](baozi::Context& context, std::int64_t retries) -> std::int64_t {
                  if (context.retries() < static_cast<std::uint32_t>(retries))
                    throw std::runtime_error{"not yet"};
                  return static_cast<std::int64_t>(context.retries());
                },
                {"retries"});
  registry.task("t.parent",
                [](baozi::Context& context, const std::string& path, std::int64_t children) {
                  for (std::int64_t i = 0; i < children; ++i) context.enqueue("t.mark", path, i);
                  return children;
                },
                {"path", "children"});
  registry.task("t.parent_of",
                [](baozi::Context& context, const std::string& queue, const std::string& path,
                   std::int64_t number) {
                  context.with({.queue = queue}).enqueue("t.mark", path, number);
                  return number;
                },
                {"queue", "path", "number"});
  // Leaves a line when it begins and one when it ends: "+7", "-7".
  const auto span = [](const std::string& path, std::int64_t number, std::int64_t ms) {
    append(path, "+" + std::to_string(number));
    std::this_thread::sleep_for(std::chrono::milliseconds{ms});
    append(path, "-" + std::to_string(number));
    return number;
  };
  registry.task("t.span", span, {"path", "number", "ms"});
  // The same, one of each name at a time: so many names that several brokers are home of some.
  for (int i = 0; i < 16; ++i) {
    registry.task("t.alone_" + std::to_string(i), span, {"path", "number", "ms"})
        .concurrency_limit(1);
  }
  // A follow-up that leaves a span in the file of its ordering key.
  registry.task("t.parent_ordered",
                [](baozi::Context& context, const std::string& path, const std::string& key,
                   std::int64_t number) {
                  context.with({.ordering_key = key})
                      .enqueue("t.span", path + "." + key, number, std::int64_t{2});
                  return number;
                },
                {"path", "key", "number"});
  registry.task("t.snooze_once",
                [](baozi::Context& context, const std::string& path) -> std::int64_t {
                  std::string line;
                  std::ifstream before{path};
                  const bool first = !std::getline(before, line);
                  append(path, "1");
                  if (first) context.snooze(std::chrono::milliseconds{20}, "not yet");
                  return static_cast<std::int64_t>(context.retries());
                },
                {"path"});
  registry.task("t.ignored", [](baozi::Context& context) -> std::int64_t { context.ignore(); });
  registry.task("t.header", [](baozi::Context& context) { return context.header("trace"); });
  registry.task("t.steps",
                [](baozi::Context& context, std::int64_t steps) {
                  for (std::int64_t i = 1; i <= steps; ++i) {
                    context.update_state("STEP", i);
                    std::this_thread::sleep_for(std::chrono::milliseconds{50});
                  }
                  return steps;
                },
                {"steps"});
  registry
      .task("t.expected",
            [](const std::string& secret) -> std::int64_t {
              throw std::out_of_range{"as ever " + std::to_string(secret.size())};
            },
            {"secret"})
      .throws<std::out_of_range>()
      .redact({"secret"});
  registry.task("t.hooked", [](std::int64_t number) { return number; }, {"number"})
      .on_success([](baozi::Context& context, const baozi::ExecutionEnd& end) {
        if (end.value() == baozi::Value{13}) throw std::runtime_error{"an unlucky number"};
        context.update_state("TOLD");
      });
  registry.middleware("counts", [](baozi::Context& context, const baozi::TaskNext& next) {
    if (context.header("refused") == baozi::Value{true}) throw std::runtime_error{"not today"};
    next();
  });
  const auto until_file = [](baozi::Context& context, const std::string& path,
                             const std::string& gate) {
    append(path, "started");
    while (access(gate.c_str(), F_OK) != 0) {
      if (context.revoked()) throw baozi::Revoked{};
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return std::int64_t{1};
  };
  registry.task("t.until_file", until_file, {"path", "gate"});
  registry.task("t.until_file_unnamed", until_file, {"path", "gate"}).shadow("something");
  registry.task("t.size",
                [](const std::string& text) { return static_cast<std::int64_t>(text.size()); },
                {"text"});
}
