/// \file cluster.hpp
/// A network of real processes in a temporary folder, on free ports of 127.0.0.1, with short
/// heartbeats.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace baozi::test {

/// One of the programs that were built with the tests.
[[nodiscard]] inline std::string program(const std::string& name) {
  return std::string{BAOZI_BINARY_DIR} + "/bin/" + name;
}

struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};

class Cluster {
 public:
  Cluster() = default;

  /// Starts them and waits until they serve. A broker or collector that is started again keeps its
  /// port and store.
  Process& start_broker(const std::vector<std::string>& more = {});
  Process& start_collector(const std::vector<std::string>& more = {});
  /// A worker named wN with the sample tasks and `concurrency` threads, unless `more` names another
  /// pool.
  Process& start_worker(int number, int concurrency = 2, const std::vector<std::string>& more = {});

  [[nodiscard]] Process& broker() { return *broker_; }
  [[nodiscard]] Process& collector() { return *collector_; }
  [[nodiscard]] Process& worker(int number) {
    return *workers_.at(static_cast<std::size_t>(number));
  }
  [[nodiscard]] const std::string& address() const { return broker_address_; }
  [[nodiscard]] const std::string& collector_address() const { return collector_address_; }
  [[nodiscard]] const TempDir& folder() const { return folder_; }

  /// `baozi ARGUMENTS… --broker ADDRESS`.
  [[nodiscard]] Ran baozi(std::vector<std::string> arguments) const;
  /// A number of the broker's status, by its path: "books.accepted", "counters.redelivered"; -1
  /// when it is not there.
  [[nodiscard]] long long status(const std::string& path) const;
  /// accepted = what ended + what is open, as the broker tells it.
  [[nodiscard]] bool books_balance() const;
  /// What every process printed, for a failing test.
  [[nodiscard]] std::string logs() const;

 private:
  TempDir folder_;
  std::string broker_address_ = "tcp://127.0.0.1:0";
  std::string collector_address_ = "tcp://127.0.0.1:0";
  std::unique_ptr<Process> broker_;
  std::unique_ptr<Process> collector_;
  std::vector<std::unique_ptr<Process>> workers_;
};

}  // namespace baozi::test
