/// \file crash_text.hpp
/// The stack of a crash as text: where the task was, without the runtime's frames above and the
/// worker's below. To be called in a process that has loaded the same files at the same places.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace baozi::worker::prefork {

[[nodiscard]] std::string crash_text(const std::vector<std::uint64_t>& frames);

}  // namespace baozi::worker::prefork
