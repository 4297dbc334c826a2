// Tasks that leave a trace: each run appends a line to a file, so that a test can count what really happened.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>

#include <baozi/worker.hpp>

namespace {

void append(const std::string& path, const std::string& line) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error{"cannot open " + path};
  const std::string text = line + "\n";
  const auto written = write(fd, text.data(), text.size());
  close(fd);
  if (written != static_cast<ssize_t>(text.size())) throw std::runtime_error{"cannot write " + path};
}

}  // namespace

BAOZI_TASKS(registry) {
  registry.task("c.add", [](std::int64_t a, std::int64_t b) { return a + b; }, {"a", "b"});
  registry.task("t.mark", [](const std::string& path, std::int64_t number) {
    append(path, std::to_string(number));
    return number;
  }, {"path", "number"});
  registry.task("t.mark_slowly", [](const std::string& path, std::int64_t number, std::int64_t ms) {
    append(path, std::to_string(number));
    std::this_thread::sleep_for(std::chrono::milliseconds{ms});
    return number;
  }, {"path", "number", "ms"});
  registry.task("t.fail", [](const std::string& message) -> std::int64_t { throw std::runtime_error{message}; }, {"message"});
  registry.task("t.fail_until", [](baozi::Context& context, std::int64_t retries) -> std::int64_t {
    if (context.retries() < static_cast<std::uint32_t>(retries)) throw std::runtime_error{"not yet"};
    return static_cast<std::int64_t>(context.retries());
  }, {"retries"});
  registry.task("t.parent", [](baozi::Context& context, const std::string& path, std::int64_t children) {
    for (std::int64_t i = 0; i < children; ++i) context.enqueue("t.mark", path, i);
    return children;
  }, {"path", "children"});
  registry.task("t.size", [](const std::string& text) { return static_cast<std::int64_t>(text.size()); }, {"text"});
}
