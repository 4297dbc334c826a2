/// \file exec.hpp
/// Room: worker.
/// Programs as tasks: how `Registry::exec` is told what to run. Full text: docs/exec-tasks.md.
///
///     registry.exec("pictures.shrink", {"convert", "{0}", "-resize", "{size}", "png:-"},
///                   {.input = baozi::ExecInput::none, .output = baozi::ExecOutput::binary})
///         .time_limit(30s);
///
/// Threading: plain values.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace baozi {

/// What the program finds on its stdin.
enum class ExecInput : std::uint8_t {
  json,     ///< `{"args": […], "kwargs": {…}}`; binary values as base64 text
  msgpack,  ///< the same map as msgpack
  none,     ///< nothing
};

/// How its stdout becomes the task's result.
enum class ExecOutput : std::uint8_t {
  automatic,  ///< JSON if it is JSON, else text if it is UTF-8, else binary
  json,       ///< anything else is a failure
  text,       ///< without the line ends at its end; what is not UTF-8 is a failure
  binary,     ///< as it is
  msgpack,    ///< one packed value
  none,       ///< the result is null, and stdout is thrown away
};

struct ExecOptions {
  /// The command is one text for /bin/sh. Placeholders in it become quoted variables, so that no
  /// argument is ever read as a command.
  bool shell = false;
  ExecInput input = ExecInput::json;
  ExecOutput output = ExecOutput::automatic;
  std::string cwd{};  ///< empty: the worker's
  /// Beside the worker's own variables, or instead of them; without a value: taken away.
  std::map<std::string, std::optional<std::string>> env{};
  /// Exit codes, 1 to 255, that mean "again later": a retry by the task's policy. With any of them
  /// no other end is retried; without, all failures are, if the task has a retry policy.
  std::vector<int> retry_on{};
};

/// Never thrown: the type of the failure of a program that ended badly, for
/// `autoretry_for<ExecError>()`.
class ExecError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace baozi
