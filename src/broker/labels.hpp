/// \file labels.hpp
/// Labels: what a worker has ("gpu=1", "ssd") and what a task requires. Source: docs/protocol.md,
/// section 7. Threading: free functions.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace baozi::broker {

/// Whether `has` satisfies everything that is required: "key=value" wants that very label, "key"
/// one with that key.
[[nodiscard]] bool satisfies(const std::vector<std::string>& has,
                             const std::vector<std::string>& required);

/// A queue's tasks that require labels stand in a queue of their own, with this key; the same
/// labels in another order, or twice, make the same key. Control characters keep it apart from
/// every name.
[[nodiscard]] std::string labelled_key(std::string_view queue,
                                       std::vector<std::string_view> labels);
struct KeyParts {
  std::string name;
  std::vector<std::string> labels;  ///< sorted; empty: a plain queue
};
[[nodiscard]] KeyParts parts_of_key(std::string_view key);

}  // namespace baozi::broker
