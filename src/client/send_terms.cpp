#include "client/send_terms.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/rendezvous.hpp"
#include "wire/home.hpp"

namespace baozi::client {

namespace {

constexpr Micros longest =
    std::chrono::hours{24 * 3650};  // beyond it nobody waits, and sums stay in range

Micros bounded(Micros span) { return std::clamp(span, Micros{0}, longest); }

Terms make_terms(bool retry, const RetryPolicy& policy, Micros submit_timeout,
                 Micros connect_timeout) {
  Terms terms;
  terms.deadline = bounded(submit_timeout);
  terms.retries_max = retry ? policy.max_retries : 0;
  terms.interval_start = bounded(policy.interval_start);
  terms.interval_step = bounded(policy.interval_step);
  terms.interval_max = bounded(std::max(policy.interval_max, policy.interval_start));
  // While no broker can be reached, each retry of the policy adds its interval to the time for a
  // first connection.
  if (terms.retries_max < 0) {
    terms.patience = terms.deadline;
  } else {
    terms.patience = bounded(connect_timeout);
    for (int i = 0; i < terms.retries_max && terms.patience < terms.deadline; ++i) {
      terms.patience += terms.interval(static_cast<std::uint32_t>(i));
      if (terms.interval_step == Micros{0} && terms.interval(0) == Micros{0}) break;
    }
    terms.patience = std::min(terms.patience, terms.deadline);
  }
  return terms;
}

/// The same for a UUID in upper and in lower case.
std::uint64_t id_hash(const CallOptions& options) {
  return base::key_hash(TaskId::from_text(options.task_id).to_string());
}

}  // namespace

Terms default_terms(Micros submit_timeout, Micros connect_timeout) {
  return make_terms(true, RetryPolicy{}, submit_timeout, connect_timeout);
}

std::optional<Terms> terms_of_call(const CallOptions& options, Micros submit_timeout,
                                   Micros connect_timeout) {
  if (options.retry && options.retry_policy == RetryPolicy{}) return std::nullopt;
  return make_terms(options.retry, options.retry_policy, submit_timeout, connect_timeout);
}

std::uint64_t home_hash(const CallOptions& options) {
  wire::TaskKeys keys;
  keys.home = options.home;
  keys.ordering = options.ordering_key;
  if (options.unique) keys.unique = options.unique->key;
  keys.concurrency = options.concurrency_key;
  return wire::home_hash(keys, options.once_until ? TaskId::from_text(options.task_id) : TaskId{});
}

std::uint64_t apart_hash(const CallOptions& options) {
  if (options.unique) return base::key_hash(options.unique->key);
  return options.once_until ? id_hash(options) : 0;
}

}  // namespace baozi::client
