/// \file own_process.hpp
/// Whether this process is the one that the fork server made, or a copy that one of its tasks has
/// made with `fork` and that shares its memory with the worker without being meant to. Threading:
/// any; the questions also in a handler of signals.
#pragma once
#include <string_view>

namespace baozi::worker::prefork {

/// This one is. Called once, before any task.
void mark_own_process();
/// One load: the mark lies in a page that the kernel empties in whoever is forked.
[[nodiscard]] bool is_own_process() noexcept;
/// The copy of one that is. False in a process that never had the mark.
[[nodiscard]] bool is_copy() noexcept;

/// Of a copy that came back as if it were the task: it would answer for it, and take others, two
/// processes in the memory of one.
[[noreturn]] void end_copy(std::string_view task);

}  // namespace baozi::worker::prefork
