/// \file send_terms.hpp
/// From what a caller and an App said about sending to the terms that the core keeps. Pure.
#pragma once
#include <cstdint>
#include <optional>

#include "baozi/task.hpp"
#include "client/submission.hpp"

namespace baozi::client {

/// The App's terms, for calls with the default policy.
[[nodiscard]] Terms default_terms(Micros submit_timeout, Micros connect_timeout);
/// The call's own; nothing when they are the default ones.
[[nodiscard]] std::optional<Terms> terms_of_call(const CallOptions& options, Micros submit_timeout,
                                                 Micros connect_timeout);

/// Of the key that decides which broker the call belongs to (D26, D27): its `home`, else its
/// ordering, unique or concurrency key, else its id when that counts until an instant. 0: any
/// broker may have it.
[[nodiscard]] std::uint64_t home_hash(const CallOptions& options);
/// Two calls that have the same one go in different batches: the second may be a duplicate of the
/// first. 0: none.
[[nodiscard]] std::uint64_t apart_hash(const CallOptions& options);

}  // namespace baozi::client
