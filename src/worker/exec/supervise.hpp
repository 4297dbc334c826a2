/// \file supervise.hpp
/// Runs a program to its end: takes its output in, bounded, and ends it when it is time.
/// Threading: blocks the calling thread; needs no other. Looks every 50 ms whether it is revoked.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "worker/exec/program.hpp"

namespace baozi::worker::exec {

/// How long a program may take to end after SIGTERM, when it is revoked, before SIGKILL.
inline constexpr Micros revoke_patience{2'000'000};
/// What is kept of stderr for the traceback: its end.
inline constexpr std::size_t tail_bytes_max = 8'192;
/// What is logged of stderr: lines are cut, and after so many bytes there are no more.
inline constexpr std::size_t line_bytes_max = 1'024;
inline constexpr std::size_t logged_bytes_max = std::size_t{256} << 10U;

struct Supervision {
  std::size_t output_bytes_max = 0;
  Micros time_limit{0};                     ///< 0: none
  std::function<bool()> revoked;            ///< polled
  std::function<bool()> soft_limit_struck;  ///< polled; true once
  std::function<void(const std::string& line)> log;
};

struct ProgramEnd {
  std::optional<Report> report;  ///< nullopt: it was killed together with its guardian
  Bytes output;                  ///< no more than `output_bytes_max`
  bool too_large = false;        ///< it wrote more, and was killed
  bool revoked = false;          ///< ended for that reason
  bool over_soft_limit = false;  ///< it got SIGTERM for that reason
  bool over_hard_limit = false;  ///< killed for that reason
  std::string tail;              ///< the end of stderr
};

/// \throws std::system_error  when it could not be watched; it is killed then.
[[nodiscard]] ProgramEnd supervise(Program& program, const Supervision& wishes);

}  // namespace baozi::worker::exec
