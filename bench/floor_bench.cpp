// What this machine allows before any of our own work: ZeroMQ's sockets between processes over tcp
// loopback, SQLite with a sync per commit, and the disk. One JSON line per figure; scripts/bench
// floor runs it beside our own figures.
//   floor_bench [N]   N round trips (5,000), 200 times as many one-way messages and 100 times as
//   many rows
//
// Raw on purpose: no room of ours is in it, so that a ratio to it says what we add.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t message_bytes = 64;
constexpr long warm_up = 200;
const std::array<char, message_bytes> payload{};

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

[[noreturn]] void fail(const char* what, const char* why) {
  std::fprintf(stderr, "floor_bench: %s: %s\n", what, why);
  std::exit(1);
}

void check(int result, const char* what) {
  if (result < 0) fail(what, zmq_strerror(zmq_errno()));
}

void figure(const char* metric, double value, const char* unit, const char* settings) {
  std::printf(R"({"metric":"%s","value":%.1f,"unit":"%s","settings":"%s"})"
              "\n",
              metric, value, unit, settings);
}

void percentiles(std::vector<double>& us, const std::string& name, const char* settings) {
  std::sort(us.begin(), us.end());
  figure((name + "_p50").c_str(), us[us.size() / 2], "us", settings);
  figure((name + "_p99").c_str(), us[us.size() * 99 / 100], "us", settings);
}

// ZeroMQ ------------------------------------------------------------------------------------------

/// A socket that waits at most a minute for anything, so that a lost process ends the run.
class Socket {
 public:
  Socket(void* context, int type) : raw_{zmq_socket(context, type)} {
    if (raw_ == nullptr) fail("socket", zmq_strerror(zmq_errno()));
    for (const int option : {ZMQ_SNDTIMEO, ZMQ_RCVTIMEO}) set(option, 60'000);
    set(ZMQ_LINGER, 1'000);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { zmq_close(raw_); }

  void connect(const std::string& endpoint) {
    check(zmq_connect(raw_, endpoint.c_str()), endpoint.c_str());
  }
  std::string bind() {
    check(zmq_bind(raw_, "tcp://127.0.0.1:*"), "bind");
    std::array<char, 64> endpoint{};
    std::size_t size = endpoint.size();
    check(zmq_getsockopt(raw_, ZMQ_LAST_ENDPOINT, endpoint.data(), &size), "bind");
    return endpoint.data();
  }
  void send(std::string_view bytes, int flags = 0) {
    check(zmq_send(raw_, bytes.data(), bytes.size(), flags), "send");
  }
  std::string_view receive() {
    const int size = zmq_recv(raw_, buffer_.data(), buffer_.size(), 0);
    check(size, "receive");
    return {buffer_.data(), static_cast<std::size_t>(size)};
  }

 private:
  void set(int option, int value) {
    check(zmq_setsockopt(raw_, option, &value, sizeof value), "socket option");
  }

  void* raw_;
  std::array<char, 256> buffer_{};
};

/// One process of its own for each part, as in the real network; contexts are made after the fork.
class Processes {
 public:
  void start(const std::function<void(void* context)>& part) {
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) fail("fork", "no process left");
    if (pid == 0) {
      void* const context = zmq_ctx_new();
      part(context);
      zmq_ctx_term(context);
      std::_Exit(0);
    }
    pids_.push_back(pid);
  }
  void join() {
    for (const pid_t pid : pids_) {
      int status = 0;
      if (waitpid(pid, &status, 0) != pid || status != 0) fail("a part of the run", "it failed");
    }
    pids_.clear();
  }

 private:
  std::vector<pid_t> pids_;
};

/// How one process tells others where it listens.
class Word {
 public:
  Word() {
    if (pipe(ends_.data()) != 0) fail("pipe", "no descriptor left");
  }
  void say(const std::string& text) const {
    if (write(ends_[1], text.data(), text.size()) < 0) fail("pipe", "cannot be written");
  }
  [[nodiscard]] std::string hear() const {
    std::array<char, 64> text{};
    const ssize_t size = read(ends_[0], text.data(), text.size());
    if (size <= 0) fail("pipe", "nothing came");
    return {text.data(), static_cast<std::size_t>(size)};
  }

 private:
  std::array<int, 2> ends_{};
};

std::string_view bytes_of(const std::array<char, message_bytes>& bytes) {
  return {bytes.data(), bytes.size()};
}

/// client DEALER, ROUTER broker ROUTER, DEALER worker DEALER, ROUTER collector ROUTER, DEALER
/// client: our own four hops, with nothing done at any of them.
void four_hops(long count) {
  const long total = count + warm_up;
  Word broker_at;
  Word collector_at;
  Processes processes;
  // Whoever speaks first is the one to send to, and is told that it was heard.
  const auto relay = [total](const Word& at) {
    return [total, &at](void* context) {
      Socket router{context, ZMQ_ROUTER};
      at.say(router.bind());
      const std::string receiver{router.receive()};
      router.receive();
      router.send(receiver, ZMQ_SNDMORE);
      router.send("heard");
      for (long i = 0; i < total; ++i) {
        router.receive();
        const std::string_view body = router.receive();
        router.send(receiver, ZMQ_SNDMORE);
        router.send(body);
      }
    };
  };
  processes.start(relay(broker_at));
  processes.start(relay(collector_at));
  const std::string broker = broker_at.hear();
  const std::string collector = collector_at.hear();
  Word worker_is_up;
  processes.start([&](void* context) {
    Socket from{context, ZMQ_DEALER};
    Socket to{context, ZMQ_DEALER};
    from.connect(broker);
    to.connect(collector);
    from.send("worker");
    from.receive();
    worker_is_up.say("up");
    for (long i = 0; i < total; ++i) to.send(from.receive());
  });
  static_cast<void>(worker_is_up.hear());
  std::vector<double> us;
  void* const context = zmq_ctx_new();
  {
    Socket to{context, ZMQ_DEALER};
    Socket from{context, ZMQ_DEALER};
    from.connect(collector);
    from.send("client");
    from.receive();
    to.connect(broker);
    for (long i = 0; i < total; ++i) {
      const auto start = Clock::now();
      to.send(bytes_of(payload));
      from.receive();
      if (i >= warm_up) us.push_back(seconds(Clock::now() - start) * 1e6);
    }
  }
  zmq_ctx_term(context);
  processes.join();
  percentiles(us, "floor_four_hops",
              "DEALER-ROUTER-DEALER-ROUTER-DEALER over tcp, 64 B, 4 processes, one at a time");
}

void one_way(long count) {
  Processes processes;
  void* context = nullptr;
  Word at;
  processes.start([&](void* own) {
    Socket dealer{own, ZMQ_DEALER};
    dealer.connect(at.hear());
    for (long i = 0; i < count; ++i) dealer.send(bytes_of(payload));
    dealer.receive();  // the other side has it all
  });
  context = zmq_ctx_new();
  {
    Socket router{context, ZMQ_ROUTER};
    at.say(router.bind());
    const std::string sender{router.receive()};
    router.receive();
    const auto start = Clock::now();
    for (long i = 1; i < count; ++i) {
      router.receive();
      router.receive();
    }
    figure("floor_dealer_router", static_cast<double>(count - 1) / seconds(Clock::now() - start),
           "msg/s", "one way over tcp, 64 B a message, 2 processes");
    router.send(sender, ZMQ_SNDMORE);
    router.send("all");
  }
  zmq_ctx_term(context);
  processes.join();
}

// The disk ----------------------------------------------------------------------------------------

void sql(sqlite3* db, const char* text) {
  if (sqlite3_exec(db, text, nullptr, nullptr, nullptr) != SQLITE_OK)
    fail(text, sqlite3_errmsg(db));
}

/// 200-byte rows under growing keys, 1,000 a commit, each commit synced; one thread.
void sqlite_rows(const std::string& file, long count) {
  constexpr long rows_a_commit = 1'000;
  sqlite3* db = nullptr;
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) fail(file.c_str(), sqlite3_errmsg(db));
  sql(db,
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(k INTEGER PRIMARY KEY, v "
      "BLOB)");
  sqlite3_stmt* put = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?, ?)", -1, &put, nullptr);
  const std::string row(200, 'x');
  const auto start = Clock::now();
  for (long i = 0; i < count; ++i) {
    if (i % rows_a_commit == 0) sql(db, "BEGIN");
    sqlite3_bind_int64(put, 1, i);
    sqlite3_bind_blob(put, 2, row.data(), static_cast<int>(row.size()), SQLITE_STATIC);
    if (sqlite3_step(put) != SQLITE_DONE) fail("INSERT", sqlite3_errmsg(db));
    sqlite3_reset(put);
    if ((i + 1) % rows_a_commit == 0 || i + 1 == count) sql(db, "COMMIT");
  }
  figure("floor_sqlite_rows", static_cast<double>(count) / seconds(Clock::now() - start), "rows/s",
         "200 B a row, 1,000 a commit, each synced, WAL");
  sqlite3_finalize(put);
  sqlite3_close(db);
}

void syncs(const std::string& file) {
  const int fd = open(file.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  if (fd == -1) fail(file.c_str(), "cannot be opened");
  const std::string page(4'096, 'x');
  std::vector<double> us;
  for (int i = 0; i < 500; ++i) {
    const auto start = Clock::now();
    if (write(fd, page.data(), page.size()) < 0 || fdatasync(fd) != 0)
      fail(file.c_str(), "cannot be written");
    us.push_back(seconds(Clock::now() - start) * 1e6);
  }
  close(fd);
  percentiles(us, "floor_fdatasync", "after a 4-KiB append, temporary folder");
}

}  // namespace

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 5'000;
  if (count < 1) {
    std::fprintf(stderr, "usage: floor_bench [N]\n");
    return 2;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "floor-bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) fail(folder.c_str(), "cannot be made");
  four_hops(count);
  one_way(count * 200);
  sqlite_rows(folder + "/rows.db", count * 100);
  syncs(folder + "/syncs");
  std::filesystem::remove_all(folder);
}
