/// \file worker.hpp
/// Room: worker.
/// What a task author includes.
///
///     #include <baozi/worker.hpp>
///
///     int add(int a, int b) { return a + b; }
///
///     BAOZI_TASKS(registry) {
///       registry.task("c.add", add, {"a", "b"});
///       registry.task("c.fetch", fetch).max_retries(5).backoff(1s, 2.0, 60s);
///       registry.task("c.walk", [](baozi::Context& ctx, std::string url) { ctx.progress(0.5); });
///     }
///
/// built as a shared library and run by `baozi-worker -A libtasks.so`. What a task throws becomes
/// its FAILURE: type, message, and the stack of the place that threw. Arguments that do not fit are
/// a FAILURE too, of type `baozi::ArgumentError`, and the function is not called.
#pragma once
#include "baozi/context.hpp"    // IWYU pragma: export
#include "baozi/coroutine.hpp"  // IWYU pragma: export
#include "baozi/exec.hpp"       // IWYU pragma: export
#include "baozi/hooks.hpp"      // IWYU pragma: export
#include "baozi/plugin.hpp"     // IWYU pragma: export
#include "baozi/registry.hpp"   // IWYU pragma: export
#include "baozi/task.hpp"       // IWYU pragma: export
