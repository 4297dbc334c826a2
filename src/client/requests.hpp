/// \file requests.hpp
/// What is asked of all collectors or all brokers, as callers get to see it: forget, revoke,
/// control, and questions to the workers. Threading: blocks the calling thread. Throw NoAnswer,
/// WouldBlock, AppClosed.
#pragma once
#include <string>
#include <vector>

#include "client/engine.hpp"

namespace baozi::client {

[[nodiscard]] std::size_t forget(Engine& engine, const std::vector<TaskId>& ids);
/// One for each id, in order.
[[nodiscard]] std::vector<Revocation> revoke(Engine& engine, const std::vector<TaskId>& ids,
                                             bool terminate, std::string_view signal);
enum class Asked : std::uint8_t { brokers, collectors };
[[nodiscard]] NodeReplies control(Engine& engine, Asked whom, std::string_view command,
                                  const Value& arguments, Micros peers_patience = Micros{0});
[[nodiscard]] WorkerReplies ask_workers(Engine& engine, std::string_view command,
                                        const Value& arguments,
                                        const std::vector<std::string>& destination,
                                        Micros timeout);
/// What several brokers say of their workers, as one answer: a worker that answered through any of
/// them has answered, and a destination is missing when all of them miss it.
[[nodiscard]] WorkerReplies merge_worker_replies(const NodeReplies& replies);

}  // namespace baozi::client
