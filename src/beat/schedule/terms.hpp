/// \file terms.hpp
/// What a schedule's ticks depend on beside the schedule itself. A plain value.
#pragma once
#include <optional>

#include "base/time.hpp"
#include "beat/schedule/zone.hpp"

namespace baozi::beat {

struct NextTerms {
  Zone zone;         ///< whose clock crontabs and relative intervals follow; UTC if nothing is said
  WallTime start{};  ///< no tick before it; intervals count from it
  std::optional<WallTime> end;  ///< no tick after it
};

}  // namespace baozi::beat
