/// \file postgres_server.hpp
/// A PostgreSQL server of a test's own, on a socket in a temporary folder; gone with it. Needs
/// Debian's package postgresql; without it the constructor throws, and the test fails.
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "support/process.hpp"

namespace baozi::test {

class PostgresServer {
 public:
  PostgresServer() : programs_{find_programs()} {
    if (::geteuid() == 0) {  // which the server refuses to run as
      owner_ = {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"};
      run({"/bin/chown", "postgres", folder_.path().string()});
    }
    run(as_owner({programs_ + "initdb", "--pgdata", data(), "--username=postgres", "--auth=trust",
                  "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"}));
    start();
  }
  ~PostgresServer() {
    if (server_) stop();
  }

  void start() {
    server_ = std::make_unique<Process>(
        as_owner({programs_ + "postgres", "-D", data(), "-k", folder_.path().string(), "-c",
                  "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=30"}));
    const auto answers = [&] {
      if (server_->poll()) throw std::runtime_error{"PostgreSQL ended: " + server_->err()};
      Process asked{{programs_ + "pg_isready", "-q", "-h", folder_.path().string()}};
      return asked.wait() == 0;
    };
    if (!eventually(answers, std::chrono::seconds{60})) {
      throw std::runtime_error{"PostgreSQL does not answer: " + server_->err()};
    }
  }
  /// At once, with connections open; what was committed stays.
  void stop() {
    server_->signal(SIGQUIT);
    if (!server_->wait(std::chrono::seconds{60})) server_->kill();
    server_.reset();
  }
  /// Neither it nor the process that serves a connection does anything until `thaw`.
  void freeze() { signal_all(SIGSTOP); }
  void thaw() { signal_all(SIGCONT); }

  /// Of the database "postgres", or another; `more` as in "&connect_timeout=1".
  [[nodiscard]] std::string url(const std::string& database = "postgres",
                                const std::string& more = "") const {
    return "postgresql://postgres@/" + database + "?host=" + folder_.path().string() + more;
  }
  /// Runs SQL; what it prints, without headings.
  std::string sql(const std::string& text, const std::string& database = "postgres") const {
    return run({programs_ + "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                url(database), "-c", text});
  }
  /// A new database, by its URL.
  std::string new_database() {
    const std::string name = "test" + std::to_string(++databases_);
    sql("CREATE DATABASE " + name);
    return name;
  }

 private:
  static std::string find_programs() {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& version :
         std::filesystem::directory_iterator{"/usr/lib/postgresql", ignored}) {
      if (std::filesystem::exists(version.path() / "bin/postgres")) {
        found.push_back((version.path() / "bin/").string());
      }
    }
    if (found.empty()) {
      throw std::runtime_error{"there is no PostgreSQL server: scripts/packages test installs it"};
    }
    return *std::max_element(found.begin(), found.end());
  }
  [[nodiscard]] std::string data() const { return folder_ / "data"; }
  [[nodiscard]] std::vector<std::string> as_owner(std::vector<std::string> command) const {
    command.insert(command.begin(), owner_.begin(), owner_.end());
    return command;
  }
  static std::string run(const std::vector<std::string>& command) {
    Process process{command, {.folder = "/", .environment = {"LC_ALL=C"}}};
    if (process.wait(std::chrono::seconds{60}) != 0) {
      throw std::runtime_error{command.front() + ": " + process.err() + process.out()};
    }
    return process.out();
  }
  void signal_all(int number) const {
    const pid_t main = server_->pid();
    std::string list = TempDir::read("/proc/" + std::to_string(main) + "/task/" +
                                     std::to_string(main) + "/children");
    server_->signal(number);
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = std::min(list.find(' ', at), list.size());
      if (end > at) ::kill(static_cast<pid_t>(std::stol(list.substr(at, end - at))), number);
      at = end + 1;
    }
  }

  std::string programs_;
  TempDir folder_;
  std::vector<std::string> owner_;
  std::unique_ptr<Process> server_;
  int databases_ = 0;
};

}  // namespace baozi::test
