// What left a task by exception, as the wrapper's reply. Runs inside the wrapper's catch block.
#include "baozi/detail/task_function.hpp"
#include "worker/arguments.hpp"
#include "worker/failure.hpp"

namespace baozi::detail {

namespace {

using worker::Failure;
using Verdict = TaskReply::Verdict;

std::string wrong_argument(const TaskDefinition& task, const TaskReply& reply,
                           const DecodeError& error) {
  std::string place = worker::argument_label(task, reply.argument);
  if (!error.path().empty()) place += (error.path().front() == '[' ? "" : ".") + error.path();
  return task.name() + "() " + place + ": " + error.reason();
}

void report_refusal(TaskReply& reply, std::string message) {
  reply.verdict = Verdict::failed;
  *reply.value = Failure{"baozi::ArgumentError", std::move(message), ""}.packed();
}

void report_retry(TaskReply& reply, const Retry& retry) {
  reply.verdict = Verdict::retry;
  reply.countdown = retry.countdown;
  reply.eta = retry.eta;
  reply.max_retries = retry.max_retries;
  Failure failure{"baozi::Retry", retry.reason, ""};
  if (retry.cause != nullptr) {
    failure = worker::failure_of(retry.cause, true);
    if (!retry.reason.empty()) failure.message = retry.reason + " (" + failure.message + ")";
  }
  *reply.value = failure.packed();
}

/// What the task's author said of such exceptions.
void judge(const TaskDefinition& task, TaskReply& reply) {
  const std::exception_ptr thrown = std::current_exception();
  reply.retryable = task.retries_on(thrown);
  reply.expected = task.expects(thrown);
}

void report_thrown(const TaskDefinition& task, TaskReply& reply) {
  try {
    throw;
  } catch (const Retry& retry) {
    report_retry(reply, retry);
  } catch (const Reject& reject) {
    reply.verdict = reject.requeue ? Verdict::snooze : Verdict::reject;
    reply.countdown.reset();
    *reply.value = Failure{"baozi::Rejected", reject.reason, ""}.packed();
  } catch (const Snooze& snooze) {
    reply.verdict = Verdict::snooze;
    reply.countdown = snooze.delay;
    *reply.value = Failure{"baozi::Snooze", snooze.reason, ""}.packed();
  } catch (const Ignore&) {
    reply.verdict = Verdict::ignore;
  } catch (const Revoked&) {
    reply.verdict = Verdict::revoked;
    *reply.value = Failure{"baozi::TaskRevoked", "revoked", ""}.packed();
  } catch (const ArgumentError& error) {
    if (!reply.entered) return report_refusal(reply, error.what());
    reply.expected = task.expects(std::current_exception());
    *reply.value = worker::current_failure(true).packed();
  } catch (const DecodeError& error) {
    if (!reply.entered) return report_refusal(reply, wrong_argument(task, reply, error));
    judge(task, reply);
    *reply.value = worker::current_failure(true).packed();
  } catch (...) {
    judge(task, reply);
    *reply.value = worker::current_failure(true).packed();
  }
}

}  // namespace

void report_exception(const TaskDefinition& task, TaskReply& reply) noexcept {
  reply.verdict = Verdict::failed;
  try {
    reply.value->clear();  // a result that could not be packed to its end
    report_thrown(task, reply);
  } catch (...) {
    // Out of memory while telling what happened: an empty value says only that it failed.
    reply.verdict = Verdict::failed;
    reply.value->clear();
  }
}

}  // namespace baozi::detail
