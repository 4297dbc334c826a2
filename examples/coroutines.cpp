// A library of coroutine tasks: they wait without a thread, thousands of them in one worker.
// Run by `baozi-worker -A libcoroutines.so`.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <baozi/client.hpp>
#include <baozi/worker.hpp>

namespace {

using namespace std::chrono_literals;

/// This library's own way to other tasks; $BAOZI_BROKER says where.
baozi::App& app() {
  static baozi::App one;
  return one;
}

/// Waits, and says so.
baozi::Task<double> nap(baozi::Context& context, double seconds) {
  context.progress(0);
  co_await context.sleep(std::chrono::duration<double>{seconds});
  co_return seconds;
}

/// Has other tasks add the numbers, two and two, until one is left. With -c 1, too: while it waits
/// for them, the worker's only slot is free to run them.
baozi::Task<std::int64_t> total(std::vector<std::int64_t> numbers) {
  const auto add = app().task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  while (numbers.size() > 1) {
    std::vector<baozi::AsyncResult<std::int64_t>> sums;
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
      sums.push_back(add.delay(numbers[i], numbers[i + 1]));
    }
    std::vector<std::int64_t> next = co_await baozi::when_all(sums);
    if (numbers.size() % 2 == 1) next.push_back(numbers.back());
    numbers = std::move(next);
  }
  co_return numbers.empty() ? 0 : numbers.front();
}

/// Which of the naps is over first. They are tasks of their own.
baozi::Task<std::uint64_t> quickest(std::vector<double> naps) {
  const auto task = app().task<double(double)>("c.nap");
  const std::vector<baozi::AsyncResult<double>> all = task.map(naps);
  co_return co_await baozi::when_any(all);
}

/// A descriptor that is closed however the coroutine ends.
class Connection {
 public:
  Connection() : fd_{socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)} {
    if (fd_ < 0) fail("socket");
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

  [[noreturn]] static void fail(const char* what, int why = errno) {
    throw std::system_error{why, std::generic_category(), what};
  }

 private:
  int fd_;
};

/// One coroutine may await another.
baozi::Task<void> connect_to(const Connection& connection, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(connection.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    co_return;
  }
  if (errno != EINPROGRESS) Connection::fail("connect");
  if (!co_await baozi::writable(connection.fd(), 5s)) Connection::fail("connect", ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) Connection::fail("connect", error);
}

/// The first line that a server on this machine says.
baozi::Task<std::string> banner(std::uint16_t port) {
  const Connection connection;
  co_await connect_to(connection, port);
  std::string line;
  while (line.empty() || line.back() != '\n') {
    if (!co_await baozi::readable(connection.fd(), 5s)) Connection::fail("read", ETIMEDOUT);
    char next = 0;
    const ssize_t got = read(connection.fd(), &next, 1);
    if (got < 0 && errno != EAGAIN) Connection::fail("read");
    if (got == 0) break;
    if (got > 0) line += next;
  }
  co_return line;
}

}  // namespace

BAOZI_TASKS(registry) {
  registry.task("c.nap", nap, {"seconds"});
  registry.task("c.total", total);
  registry.task("c.quickest", quickest);
  registry.task("c.banner", banner, {"port"}).max_retries(3).backoff(1s, 2.0, 10s);
}
