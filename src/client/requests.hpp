/// \file requests.hpp
/// What is asked of all collectors or all brokers, as callers get to see it: forget, revoke,
/// control. Threading: blocks the calling thread. Throw NoAnswer, WouldBlock, AppClosed.
#pragma once
#include <string>
#include <vector>

#include "client/engine.hpp"

namespace baozi::client {

[[nodiscard]] std::size_t forget(Engine& engine, const std::vector<TaskId>& ids);
/// One for each id, in order.
[[nodiscard]] std::vector<Revocation> revoke(Engine& engine, const std::vector<TaskId>& ids,
                                             bool terminate);
enum class Asked : std::uint8_t { brokers, collectors };
[[nodiscard]] NodeReplies control(Engine& engine, Asked whom, std::string_view command,
                                  const Value& arguments);

}  // namespace baozi::client
