/// \file detail.hpp
/// Pieces of the codec that its sources share.
#pragma once
#include "baozi/packing.hpp"
#include "wire/message.hpp"

namespace baozi::wire::detail {

[[nodiscard]] TaskView read_task(Reader& in);
[[nodiscard]] RecordView read_record(Reader& in);

}  // namespace baozi::wire::detail
