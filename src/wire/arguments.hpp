/// \file arguments.hpp
/// Reads single arguments out of a CONTROL's packed map. What is not there, or of another kind than
/// was asked for, is absent; unknown arguments are ignored. Threading: free functions on the
/// caller's data; views point into it.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"

namespace baozi::wire {

[[nodiscard]] std::optional<std::string_view> text_argument(BytesView arguments,
                                                            std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> number_argument(BytesView arguments,
                                                           std::string_view name);
/// A number with or without a fraction.
[[nodiscard]] std::optional<double> real_argument(BytesView arguments, std::string_view name);
[[nodiscard]] bool flag_argument(BytesView arguments, std::string_view name);
/// An array of texts, or a single one. Elements of another kind are left out.
[[nodiscard]] std::vector<std::string_view> texts_argument(BytesView arguments,
                                                           std::string_view name);
/// An array of ids, as text or as 16 bytes.
[[nodiscard]] std::vector<TaskId> ids_argument(BytesView arguments, std::string_view name);

}  // namespace baozi::wire
