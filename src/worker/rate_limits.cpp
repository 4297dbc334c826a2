#include "worker/rate_limits.hpp"

#include <algorithm>

namespace baozi::worker {

namespace {
// Held here are those whose turn comes soon; the rest may find a worker that is less busy, and does
// not use up what this one is allowed to hold.
constexpr Micros rest_longest{2'000'000};
constexpr Micros away_longest{60'000'000};  // a limit may be raised meanwhile
}  // namespace

RateLimits::Turn RateLimits::take(std::string_view task, double registered, MonoTime now) {
  auto found = buckets_.find(task);
  if (found == buckets_.end()) {
    if (registered <= 0) return {};
    found = buckets_.emplace(task, RateBucket{}).first;
  }
  RateBucket& bucket = found->second;
  bucket.rate = bucket.asked.value_or(registered);
  if (bucket.rate <= 0) return {};
  const Micros interval = bucket.interval();
  const MonoTime turn = std::max(bucket.next, now);
  const Micros wait = turn - now;
  if (wait.count() == 0) {
    bucket.next = now + interval;
    return {};
  }
  const auto resting_max =
      std::max<std::uint64_t>(static_cast<std::uint64_t>(bucket.rate * 2), 1);  // of rest_longest
  if (wait <= rest_longest && bucket.resting < resting_max) {
    bucket.next = turn + interval;
    ++bucket.resting;
    return {Turn::Kind::rest, turn, &bucket};
  }
  const MonoTime at = std::min(std::max(bucket.promised, turn), now + away_longest);
  bucket.promised = at + interval;
  return {Turn::Kind::hand_back, at, nullptr};
}

void RateLimits::set(std::string_view task, double rate, MonoTime now) {
  RateBucket& bucket = buckets_[std::string{task}];
  bucket.asked = rate;
  change(bucket, rate, now);
  any_asked_ = true;
}

void RateLimits::reconsider(const std::function<double(std::string_view task)>& registered,
                            MonoTime now) {
  for (auto& [task, bucket] : buckets_) {
    if (bucket.asked) continue;
    const double rate = registered(task);
    if (rate != bucket.rate) change(bucket, rate, now);
  }
}

void RateLimits::change(RateBucket& bucket, double rate, MonoTime now) {
  // One that had no limit may start at once: nobody knows when it did so last.
  std::optional<MonoTime> last;
  if (bucket.rate > 0) last = bucket.next - bucket.interval();
  bucket.rate = rate;
  bucket.next = last && rate > 0 ? std::min(*last, now) + bucket.interval() : now;
  bucket.promised = bucket.next;
}

double RateLimits::rate(std::string_view task, double registered) const {
  const auto found = buckets_.find(task);
  return found == buckets_.end() ? registered : found->second.asked.value_or(registered);
}

}  // namespace baozi::worker
