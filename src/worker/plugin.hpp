/// \file plugin.hpp
/// Loads shared libraries of tasks: what `baozi-worker -A libtasks.so` names, and files of
/// programs:
/// `-A exec:FILE.yaml`.
/// A library is opened RTLD_NOW and RTLD_LOCAL, so that two of them cannot take each other's
/// symbols, and never closed: exceptions, defaults and callbacks may point into it as long as the
/// process lives. Threading: start-up only. Errors: PluginError, one line for the operator: which
/// file, and why.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>

#include "worker/task_table.hpp"

namespace baozi::worker {

class PluginError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// \param name  a path ("./build/libtasks.so"), a file in the current folder ("libtasks.so"), or a
/// name that the dynamic
///              linker finds; "tasks" stands for "libtasks.so".
void load_plugin(const std::string& name, TaskTable& tasks);
/// A comma list of them, in order.
void load_plugins(std::string_view names, TaskTable& tasks);

}  // namespace baozi::worker
