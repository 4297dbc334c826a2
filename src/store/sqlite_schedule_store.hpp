/// \file sqlite_schedule_store.hpp
/// A schedule in an SQLite file that several processes use at the same time: beats, of which one
/// leads, and the command line. Tables: docs/beat.md.
#pragma once
#include <memory>
#include <string>

#include "store/schedule_store.hpp"
#include "store/store_options.hpp"

namespace baozi::store {

/// Opens `path`, or creates it when nothing is there. \return the codes of SqliteFile::open
[[nodiscard]] Result<std::unique_ptr<ScheduleStore>> open_sqlite_schedule_store(
    const std::string& path, const StoreOptions& options = {});

}  // namespace baozi::store
