#include "worker/invoke.hpp"

#include "base/task_scope.hpp"
#include "worker/execution_chain.hpp"
#include "worker/running.hpp"
#include "worker/throw_trace.hpp"

namespace baozi::worker {

Ended invoke(const Start& start, std::string_view worker_name, ExecutionPort& port,
             Random& random) {
  Running running{start, worker_name, port, random};
  if (running.begin()) {
    const base::TaskScope scope;
    const ThrowTrace trace;
    run_in_chain(running.task(), running.call(), start, running.reply());
  }
  return running.end();
}

}  // namespace baozi::worker
