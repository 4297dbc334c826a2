/// \file postgres_schedule_store.hpp
/// A schedule in a PostgreSQL database, for any number of beats. Tables: docs/beat.md.
#pragma once
#include <memory>
#include <string>

#include "store/schedule_store.hpp"

namespace baozi::store {

/// \param url  "postgresql://user:password@host:port/database?option=…", as libpq has it; several
/// hosts and target_session_attrs too. The tables are made when they are not there.
/// \return one line that names host and database, never the password:
///   Errc::store_failed     nobody answers, no such database, not let in
///   Errc::store_newer      made by a newer baozi
///   Errc::store_read_only  the server is a standby, or the user may not make the tables
///   Errc::invalid          not a URL
[[nodiscard]] Result<std::unique_ptr<ScheduleStore>> open_postgres_schedule_store(
    const std::string& url);

}  // namespace baozi::store
