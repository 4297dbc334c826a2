/// \file postgres_schedule_places.hpp
/// The one server of this program.
#pragma once
#include "support/postgres_server.hpp"

namespace baozi::test {

/// Started when it is first asked for, stopped at the program's end.
[[nodiscard]] PostgresServer& postgres();

}  // namespace baozi::test
