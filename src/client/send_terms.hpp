/// \file send_terms.hpp
/// From what a caller and an App said about sending to the terms that the core keeps. Pure.
#pragma once
#include <optional>

#include "baozi/task.hpp"
#include "client/submission.hpp"

namespace baozi::client {

/// The App's terms, for calls with the default policy.
[[nodiscard]] Terms default_terms(Micros submit_timeout, Micros connect_timeout);
/// The call's own; nothing when they are the default ones.
[[nodiscard]] std::optional<Terms> terms_of_call(const CallOptions& options, Micros submit_timeout,
                                                 Micros connect_timeout);

}  // namespace baozi::client
