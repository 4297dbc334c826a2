/// \file local_runner.hpp
/// Runs packed tasks in this process: what an eager App hands them to. Implemented beside the
/// worker, whose path it is.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "baozi/task.hpp"

namespace baozi::client {

class LocalRunner {
 public:
  struct Ended {
    State state = State::failure;
    std::string body;  ///< SUCCESS: the packed value; otherwise packed `[type, message, traceback]`
    std::uint32_t retries = 0;
    std::int64_t started_us = 0;
    std::int64_t finished_us = 0;
    std::vector<std::string> follow_ups;  ///< packed tasks
  };
  /// What a running task says about itself: its word and the packed value beside it.
  using Tell = std::function<void(std::string_view state, std::string_view meta)>;

  virtual ~LocalRunner() = default;
  /// Runs it until it has ended for good, its retries included, without waiting for any countdown.
  [[nodiscard]] virtual Ended run(std::string_view packed_task, const Tell& tell) = 0;
};

}  // namespace baozi::client
