/// \file call_settings.hpp
/// Room: client.
/// CallOptions in the fluent form, in any order: `.countdown(5s).queue("math")`.
#pragma once
#include <chrono>
#include <string>
#include <utility>

#include "baozi/codec.hpp"
#include "baozi/task.hpp"

namespace baozi::detail {

template <class Self>
class CallSettings {
 public:
  CallSettings() = default;
  explicit CallSettings(CallOptions options) : options_{std::move(options)} {}

  [[nodiscard]] const CallOptions& options() const { return options_; }

  Self& countdown(std::chrono::microseconds from_now) { return set(options_.countdown, from_now); }
  Self& eta(Instant at) { return set(options_.eta, at); }
  Self& expires(Expiry at) { return set(options_.expires, at); }
  Self& queue(std::string name) { return set(options_.queue, std::move(name)); }
  Self& labels(std::vector<std::string> all) { return set(options_.labels, std::move(all)); }
  Self& priority(int zero_to_nine) { return set(options_.priority, zero_to_nine); }
  Self& task_id(std::string id) { return set(options_.task_id, std::move(id)); }
  Self& ignore_result(bool on = true) { return set(options_.ignore_result, on); }
  Self& header(std::string name, Value value) {
    return set(options_.headers[std::move(name)], std::move(value));
  }
  Self& retry(bool on) { return set(options_.retry, on); }
  Self& retry_policy(RetryPolicy policy) { return set(options_.retry_policy, policy); }
  Self& on_failure(RetryPolicy policy) { return set(options_.on_failure, policy); }
  Self& acks_early(bool on = true) { return set(options_.acks_early, on); }
  Self& time_limit(std::chrono::microseconds limit) { return set(options_.time_limit, limit); }
  Self& soft_time_limit(std::chrono::microseconds limit) {
    return set(options_.soft_time_limit, limit);
  }
  Self& delivery_limit(std::uint32_t lost) { return set(options_.delivery_limit, lost); }
  Self& shadow(std::string name) { return set(options_.shadow, std::move(name)); }
  Self& track_started(bool on = true) { return set(options_.track_started, on); }
  Self& unique(std::string key, std::chrono::microseconds window = {},
               Unique::Until until = Unique::Until::finished) {
    return set(options_.unique, Unique{std::move(key), window, until});
  }
  Self& ordering_key(std::string key) { return set(options_.ordering_key, std::move(key)); }
  Self& concurrency(std::string key, std::uint32_t limit) {
    options_.concurrency_limit = limit;
    return set(options_.concurrency_key, std::move(key));
  }
  Self& shown_arguments(std::string text) { return set(options_.shown_arguments, std::move(text)); }
  /// `task_id(id)`, and no second task of that id until then.
  Self& once(std::string id, Instant until) {
    options_.once_until = until;
    return set(options_.task_id, std::move(id));
  }
  Self& home(std::string key) { return set(options_.home, std::move(key)); }

 private:
  template <class Field, class V>
  Self& set(Field& field, V value) {
    field = std::move(value);
    return static_cast<Self&>(*this);
  }

  CallOptions options_;
};

}  // namespace baozi::detail
