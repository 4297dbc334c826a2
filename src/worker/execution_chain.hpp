/// \file execution_chain.hpp
/// A task's function with what its author put around it: the worker's middleware, and the hooks of
/// the task. Threading: everything on the thread that calls.
#pragma once
#include "baozi/registry.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

/// Runs the task as `task.run(call, reply)` does, with hooks and middleware if there are any.
/// \param start  the delivery: whether a failure will be retried chooses the hook.
void run_in_chain(const TaskDefinition& task, const TaskCall& call, const Start& start,
                  TaskReply& reply);

}  // namespace baozi::worker
