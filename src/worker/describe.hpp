/// \file describe.hpp
/// A call in words, for logs and tools: its name or what stands for it, its arguments as far as
/// they may be seen. Threading: any.
#pragma once
#include <string>
#include <string_view>

#include "baozi/registry.hpp"
#include "base/bytes.hpp"

namespace baozi::worker {

/// "(1, \"x\", b=2)", long values cut off; "***" where the task's `redact` says so. The call's own
/// words (option 27) go before everything. \param raw_options  the packed option map.
[[nodiscard]] std::string arguments_text(const TaskDefinition& task, BytesView body,
                                         BytesView raw_options);
/// The call's shadow name, else the task's, else its name.
[[nodiscard]] std::string shown_name(const TaskDefinition& task, BytesView raw_options);

}  // namespace baozi::worker
