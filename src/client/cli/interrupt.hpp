/// \file interrupt.hpp
/// Ctrl-C and SIGTERM end a command that follows something, in its own time.
#pragma once

namespace baozi::cli {

void end_on_interrupt();
[[nodiscard]] bool is_interrupted();

}  // namespace baozi::cli
