/// \file arguments.hpp
/// Words about a task's arguments that several error messages share.
#pragma once
#include <cstddef>
#include <string>

#include "baozi/registry.hpp"

namespace baozi::worker {

/// "argument 'b'", or "argument 2" where it has no name.
[[nodiscard]] std::string argument_label(const TaskDefinition& task, std::size_t index);

}  // namespace baozi::worker
