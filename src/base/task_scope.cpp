#include "base/task_scope.hpp"

namespace baozi::base {

namespace {
thread_local int depth = 0;
}

TaskScope::TaskScope() { ++depth; }
TaskScope::~TaskScope() { --depth; }
bool TaskScope::is_active() { return depth > 0; }

}  // namespace baozi::base
