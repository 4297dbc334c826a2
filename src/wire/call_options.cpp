#include "wire/call_options.hpp"

#include <cmath>

#include "baozi/codec.hpp"
#include "wire/codec.hpp"

namespace baozi::wire {

namespace {

/// Writes the map's entries and counts them: the count stands in front, and is known at the end.
class OptionWriter {
 public:
  Writer& key(Option option) {
    ++count_;
    out_.uinteger(static_cast<std::uint64_t>(option));
    return out_;
  }
  Bytes finish() {
    if (count_ == 0) return {};
    Bytes map;
    Writer out{map};
    out.map(count_);
    out.raw(entries_);
    return map;
  }

 private:
  Bytes entries_;
  Writer out_{entries_};
  std::size_t count_ = 0;
};

void pack_policy(Writer& out, const RetryPolicy& policy) {
  out.array(policy.retry_for.count() > 0 ? 6 : 5);
  out.integer(policy.max_retries);
  out.integer(policy.interval_start.count());
  out.integer(policy.interval_step.count());
  out.integer(policy.interval_max.count());
  out.real(policy.jitter);
  if (policy.retry_for.count() > 0) out.integer(policy.retry_for.count());
}

const char* problem_with(const CallOptions& options) {
  if (options.countdown && options.eta) return "countdown and eta together";
  if (options.countdown && options.countdown->count() < 0) return "a countdown below 0";
  if (options.labels.size() > limits::labels_max) return "a task requires at most 16 labels";
  for (const std::string& label : options.labels) {
    if (!label_problem(label).empty()) return "a label is 'key' or 'key=value', at most 255 bytes";
  }
  if (options.priority &&
      (*options.priority < 0 || *options.priority > static_cast<int>(limits::priority_max))) {
    return "a priority is 0 to 9";
  }
  if ((options.time_limit && options.time_limit->count() <= 0) ||
      (options.soft_time_limit && options.soft_time_limit->count() <= 0)) {
    return "a time limit is above 0";
  }
  if (options.on_failure &&
      !(options.on_failure->jitter >= 0.0 && options.on_failure->jitter <= 1.0)) {
    return "jitter is a share from 0 to 1";
  }
  const auto is_key = [](const std::string& key) { return key.empty() || is_valid_name(key); };
  if (!is_key(options.ordering_key) || !is_key(options.concurrency_key) ||
      (options.unique && !is_valid_name(options.unique->key))) {
    return "a key is 1 to 255 bytes without control characters";
  }
  if (!is_key(options.home)) return "a home is 1 to 255 bytes without control characters";
  if (options.once_until && options.task_id.empty()) return "once_until without a task_id";
  if (options.unique && options.unique->window.count() < 0) return "a window below 0";
  if (!options.concurrency_key.empty() && options.concurrency_limit == 0)
    return "a concurrency limit is 1 or more";
  if (options.shown_arguments.size() > limits::text_bytes_max)
    return "what is shown instead of the arguments is at most 4096 bytes";
  if (options.delivery_limit > 1'000'000) return "a delivery limit is at most 1,000,000";
  return nullptr;
}

}  // namespace

Result<Bytes> pack_options(const CallOptions& options, WallTime now, const Lineage& lineage) {
  if (const char* const problem = problem_with(options)) return unexpected(Errc::invalid, problem);
  OptionWriter map;
  const Instant instant = Instant::from_micros(micros(now));
  if (options.eta) map.key(Option::eta).integer(options.eta->micros());
  if (options.countdown) map.key(Option::eta).integer(micros(now + *options.countdown));
  if (options.expires) map.key(Option::expires).integer(options.expires->from(instant).micros());
  if (options.priority) map.key(Option::priority).integer(*options.priority);
  if (!options.labels.empty()) {
    Writer& labels = map.key(Option::labels);
    labels.array(options.labels.size());
    for (const std::string& label : options.labels) labels.str(label);
  }
  if (options.on_failure) pack_policy(map.key(Option::retry_policy), *options.on_failure);
  if (options.time_limit) map.key(Option::time_limit).integer(options.time_limit->count());
  if (options.soft_time_limit)
    map.key(Option::soft_time_limit).integer(options.soft_time_limit->count());
  if (!lineage.root.bytes.empty()) pack_id(map.key(Option::root_id), lineage.root);
  if (!lineage.parent.bytes.empty()) pack_id(map.key(Option::parent_id), lineage.parent);
  if (options.ignore_result) map.key(Option::ignore_result).boolean(true);
  if (!options.ordering_key.empty()) map.key(Option::ordering_key).str(options.ordering_key);
  if (options.unique) {
    Writer& out = map.key(Option::unique);
    out.array(3);
    out.str(options.unique->key);
    out.uinteger(static_cast<std::uint64_t>(options.unique->window.count()));
    out.uinteger(options.unique->until == Unique::Until::started ? 0 : 1);
  }
  if (!options.headers.empty()) pack_into(map.key(Option::headers), options.headers);
  if (options.acks_early) map.key(Option::acks_early).boolean(true);
  if (options.delivery_limit != 0) map.key(Option::delivery_limit).uinteger(options.delivery_limit);
  if (options.once_until) map.key(Option::once_until).integer(options.once_until->micros());
  if (!options.home.empty()) map.key(Option::home).str(options.home);
  if (!options.shadow.empty()) map.key(Option::shadow).str(options.shadow);
  if (options.track_started) map.key(Option::track_started).boolean(true);
  if (!options.concurrency_key.empty()) {
    Writer& out = map.key(Option::concurrency);
    out.array(2);
    out.str(options.concurrency_key);
    out.uinteger(options.concurrency_limit);
  }
  if (!options.shown_arguments.empty())
    map.key(Option::shown_arguments).str(options.shown_arguments);
  return map.finish();
}

Result<ExecutionOptions> read_execution_options(BytesView raw_options) {
  ExecutionOptions options;
  if (raw_options.empty()) return options;
  Reader in{raw_options};
  for (std::uint32_t left = in.map(); left > 0 && in.ok(); --left) {
    const std::uint64_t key = in.uinteger();
    switch (static_cast<Option>(key <= 255 ? key : 0)) {
      case Option::eta: options.eta_us = in.integer(); break;
      case Option::expires: options.expires_us = in.integer(); break;
      case Option::time_limit: options.time_limit = Micros{in.integer()}; break;
      case Option::soft_time_limit: options.soft_time_limit = Micros{in.integer()}; break;
      case Option::root_id: options.root = read_id(in); break;
      case Option::parent_id: options.parent = read_id(in); break;
      case Option::headers:
        options.headers = in.kind() == Reader::Kind::map ? in.skip() : BytesView{};
        if (options.headers.empty()) in.fail("headers are a map");
        break;
      case Option::track_started: options.track_started = in.boolean(); break;
      case Option::shadow: options.shadow = in.str(); break;
      case Option::shown_arguments: options.shown_arguments = in.str(); break;
      default: in.skip(); break;
    }
  }
  if (!in.ok()) return unexpected(Errc::malformed, std::string{"a task's options: "} + in.error());
  return options;
}

}  // namespace baozi::wire
