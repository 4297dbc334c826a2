// The parts of coroutine.hpp that need no template.
#include "baozi/coroutine.hpp"
#include "baozi/detail/task_function.hpp"
#include "worker/failure.hpp"

namespace baozi::detail {

bool finish_wait(const CoroutineHost& host) {
  switch (host.woken()) {
    case Woken::ready: return true;
    case Woken::timed_out: return false;
    case Woken::revoked: throw Revoked{};
    case Woken::soft_limit: throw SoftTimeLimitExceeded{"the soft time limit has passed"};
    case Woken::hard_limit: break;
  }
  throw TimeLimitExceeded{"the time limit has passed"};
}

void refuse_coroutine(const TaskDefinition&, const TaskCall&, TaskReply& reply) noexcept {
  reply.verdict = TaskReply::Verdict::failed;
  reply.entered = false;
  try {
    *reply.value =
        worker::Failure{"baozi::NotRun",
                        "a coroutine task runs beside the slots of a worker, not in one", ""}
            .packed();
  } catch (...) {  // out of memory: an empty value says only that it failed
    reply.value->clear();
  }
}

}  // namespace baozi::detail
