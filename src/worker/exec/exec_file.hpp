/// \file exec_file.hpp
/// A YAML file of exec tasks: what `baozi-worker -A exec:FILE.yaml` names (docs/exec-tasks.md).
#pragma once
#include <string>

#include <baozi/registry.hpp>

namespace baozi::worker::exec {

/// \throws std::runtime_error  one line: "FILE:LINE: task 'NAME': KEY …".
[[nodiscard]] Registry read_exec_file(const std::string& path);

}  // namespace baozi::worker::exec
