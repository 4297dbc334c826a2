/// \file own_process.hpp
/// Whether this process is the one that the fork server made for a slot, or a copy that its task
/// has made with `fork` and that shares the slot's memory without being meant to. Threading: any;
/// also for a handler of signals.
#pragma once

namespace baozi::worker::prefork {

/// This one is. Called once, before any task.
void mark_own_process();
/// One load: the mark lies in a page that the kernel empties in whoever is forked.
[[nodiscard]] bool is_own_process() noexcept;

}  // namespace baozi::worker::prefork
