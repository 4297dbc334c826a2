#include "worker/running.hpp"

#include <algorithm>

#include <unistd.h>

#include <baozi/packing.hpp>

#include "base/limits.hpp"
#include "base/system_clock.hpp"
#include "worker/failure.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {

namespace {

WireId wire_id(const wire::IdView& id) { return {id.bytes, id.uuid}; }

CallFacts facts_of(const Start& start, const wire::ExecutionOptions& options,
                   std::string_view worker_name) {
  CallFacts facts;
  facts.id = wire_id(start.id);
  facts.name = start.name;
  facts.queue = start.queue;
  facts.body = start.body;
  facts.headers = options.headers;
  facts.root = wire_id(options.root);
  facts.parent = wire_id(options.parent);
  facts.worker = worker_name;
  facts.origin = start.origin;
  facts.retries = start.retries;
  facts.delivery_count = start.delivery_count;
  facts.redelivered = start.redelivered;
  facts.priority = start.priority;
  facts.time_limit = start.time_limit;
  if (options.eta_us) facts.eta = Instant::from_micros(*options.eta_us);
  if (options.expires_us) facts.expires = Instant::from_micros(*options.expires_us);
  return facts;
}

void settle(Ended& ended, Verdict verdict, const char* type, std::string message) {
  ended.verdict = verdict;
  ended.value = Failure{type, std::move(message), ""}.packed();
}

void fail_for_good(Ended& ended, const char* type, std::string message) {
  settle(ended, Verdict::failure, type, std::move(message));
  ended.permanent = true;
}

void returned(const TaskHost& host, Ended& ended) {
  if (ended.value.size() > value_bytes_max) {
    return fail_for_good(
        ended, "baozi::ResultTooLarge",
        "the result has " + std::to_string(ended.value.size()) + " bytes; 1 MiB is the most");
  }
  ended.verdict = Verdict::success;
  ended.follow_ups = host.follow_ups();
}

}  // namespace

Running::Running(const Start& start, std::string_view worker_name, ExecutionPort& port,
                 Random& random)
    : start_{start},
      worker_name_{worker_name},
      port_{port},
      random_{random},
      began_{base::mono_now()},
      options_{wire::read_execution_options(start.raw_options)} {
  ended_.token = start.token;
  ended_.started = base::wall_now();
  reply_.value = &ended_.value;
}

bool Running::begin() {
  if (port_.revoked()) {
    settle(ended_, Verdict::revoked, "baozi::TaskRevoked", "revoked");
  } else if (!options_) {
    fail_for_good(ended_, "baozi::ArgumentError", options_.error().message);
  } else if (options_->expires_us && *options_->expires_us < micros(ended_.started)) {
    settle(ended_, Verdict::revoked, "baozi::TaskRevoked", "expired");
  } else {
    facts_ = facts_of(start_, *options_, worker_name_);
    host_.emplace(start_, *options_, task(), port_, random_, began_);
    if (options_->track_started || task().settings().track_started) tell_started();
  }
  return host_.has_value();
}

void Running::tell_started() {
  Bytes meta;
  Writer packed{meta};
  packed.map(2);
  packed.str("hostname");
  packed.str(worker_name_);
  packed.str("pid");
  packed.uinteger(static_cast<std::uint64_t>(getpid()));
  port_.update_state("STARTED", std::move(meta));
}

const TaskDefinition& Running::task() const { return definition_of(start_.definition); }

Ended Running::end() {
  if (host_) judge();
  ended_.ran = base::mono_now() - began_;
  return std::move(ended_);
}

void Running::judge() {
  switch (reply_.verdict) {
    case TaskReply::Verdict::returned: returned(*host_, ended_); break;
    case TaskReply::Verdict::failed:
      ended_.verdict = Verdict::failure;
      ended_.permanent = !reply_.entered;
      ended_.retryable = reply_.retryable;
      ended_.expected = reply_.expected;
      if (ended_.value.empty())
        settle(ended_, Verdict::failure, "std::bad_alloc", "out of memory while telling a failure");
      break;
    case TaskReply::Verdict::retry:
      ended_.verdict = Verdict::retry;
      ended_.max_retries = reply_.max_retries;
      if (reply_.eta) {
        ended_.delay = std::max(
            Micros{0}, reply_.eta->time() - Instant::from_micros(micros(base::wall_now())).time());
      } else if (reply_.countdown) {
        ended_.delay = std::max(Micros{0}, *reply_.countdown);
      }
      break;
    case TaskReply::Verdict::revoked: ended_.verdict = Verdict::revoked; break;
    case TaskReply::Verdict::reject: ended_.verdict = Verdict::reject; break;
    case TaskReply::Verdict::ignore: ended_.verdict = Verdict::ignore; break;
    case TaskReply::Verdict::snooze:
      ended_.verdict = Verdict::snooze;
      ended_.delay = std::max(Micros{0}, reply_.countdown.value_or(Micros{0}));
      break;
  }
}

}  // namespace baozi::worker
