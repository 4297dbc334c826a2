/// \file signal_names.hpp
/// Names of signals, as operators write them. Threading: free functions.
#pragma once
#include <optional>
#include <string_view>

namespace baozi::base {

/// "SIGTERM", "TERM" or "15", in any case; nullopt for what is no signal here.
[[nodiscard]] std::optional<int> signal_number(std::string_view name);

}  // namespace baozi::base
