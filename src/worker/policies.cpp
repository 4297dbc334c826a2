#include "worker/policies.hpp"

#include <algorithm>

#include <baozi/packing.hpp>

#include "wire/types.hpp"

namespace baozi::worker {

namespace {

/// Leaves the reader at the value of `key`; false when there is no such key.
bool seek(Reader& in, std::uint64_t key) {
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    if (in.uinteger() == key) return in.ok();
    in.skip();
  }
  return false;
}

}  // namespace

std::optional<RetryPolicy> retry_policy_in(BytesView raw_options) {
  Reader in{raw_options};
  if (raw_options.empty() || !seek(in, static_cast<std::uint64_t>(wire::Option::retry_policy))) {
    return std::nullopt;
  }
  const std::uint32_t fields = in.array();
  if (fields < 4) return std::nullopt;
  RetryPolicy policy;
  const std::int64_t max = in.integer();
  policy.max_retries = static_cast<int>(std::clamp<std::int64_t>(max, -1, INT32_MAX));
  policy.interval_start = Micros{std::max<std::int64_t>(in.integer(), 0)};
  policy.interval_step = Micros{std::max<std::int64_t>(in.integer(), 0)};
  policy.interval_max = Micros{std::max<std::int64_t>(in.integer(), 0)};
  policy.jitter = fields > 4 ? in.real() : 0.0;
  if (fields > 5) policy.retry_for = Micros{std::max<std::int64_t>(in.integer(), 0)};
  if (!in.ok()) return std::nullopt;
  return policy;
}

RetryTerms retry_terms(BytesView raw_options, const RetryPolicy& of_task, const Finished& end) {
  RetryTerms terms;
  const bool asked = end.verdict == Verdict::retry;
  if (!asked && (end.verdict != Verdict::failure || end.permanent)) return terms;
  const std::optional<RetryPolicy> own = retry_policy_in(raw_options);  // before the task's
  terms.of_call = own.has_value();
  terms.wanted = asked || own || end.retryable;
  terms.policy = own ? *own : of_task;
  if (end.max_retries) terms.policy.max_retries = *end.max_retries;
  return terms;
}

std::string TaskPolicies::label(const TaskFacts*, std::string_view name, const wire::IdView& id,
                                BytesView, BytesView) const {
  std::string text{name};
  return text.append("[").append(id.to_id().to_string()).append("]");
}

bool has_option(BytesView raw_options, std::uint64_t key) {
  Reader in{raw_options};
  if (raw_options.size() <= 1 || !seek(in, key)) return false;
  switch (in.kind()) {
    case Reader::Kind::nil: return false;
    case Reader::Kind::boolean: return in.boolean();
    default: return in.ok();
  }
}

Micros span_in(BytesView raw_options, std::uint64_t key) {
  Reader in{raw_options};
  if (raw_options.size() <= 1 || !seek(in, key)) return Micros{0};
  const std::int64_t span = in.integer();
  return Micros{in.ok() ? std::max<std::int64_t>(span, 0) : 0};
}

}  // namespace baozi::worker
