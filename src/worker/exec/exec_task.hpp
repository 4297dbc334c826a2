/// \file exec_task.hpp
/// A program as a task: from a call to its command, its stdin and its environment, and from how it
/// ended to what the worker is told. Threading: calls may run at the same time.
#pragma once
#include <string>
#include <string_view>

#include <baozi/registry.hpp>

#include "worker/exec/command.hpp"

namespace baozi::worker::exec {

/// What stands behind an exec task's definition.
struct ExecTask {
  ExecTask(const std::vector<std::string>& words, ExecOptions settings)
      : command{words, settings.shell}, options{std::move(settings)} {}

  Command command;
  ExecOptions options;

  /// TaskDefinition::Run
  static void run(const TaskDefinition& task, const TaskCall& call, TaskReply& reply) noexcept;
};

/// "" or why these options make no sense.
[[nodiscard]] std::string complaint_about(const ExecOptions& options);

/// stdout as the packed result. \throws std::invalid_argument  when it is not what was promised.
[[nodiscard]] std::string packed_output(std::string_view bytes, ExecOutput as);
/// What the program is given. \param body  packed `[args, kwargs]`.
[[nodiscard]] std::string packed_input(const Arguments& call, ExecInput as);

}  // namespace baozi::worker::exec
