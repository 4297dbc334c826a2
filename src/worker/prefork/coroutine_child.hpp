/// \file coroutine_child.hpp
/// The process that runs coroutine tasks beside the slots, as many at the same time as it is given.
/// Its first thread speaks with the worker (coroutine_notes.hpp) and runs nothing of the tasks; a
/// CoroutineRunner's thread runs them.
#pragma once
#include "worker/prefork/child.hpp"

namespace baozi::worker::prefork {

/// In a process that is a child already (`enter_child`). Never returns. Throws what keeps it from
/// beginning.
[[noreturn]] void run_coroutine_child(const ChildSetup& setup);

}  // namespace baozi::worker::prefork
