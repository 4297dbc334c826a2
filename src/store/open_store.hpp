/// \file open_store.hpp
/// From the URL of `--store` to a store.
#pragma once
#include <memory>
#include <string_view>

#include "store/result_store.hpp"
#include "store/schedule_store.hpp"
#include "store/store_options.hpp"
#include "store/task_store.hpp"

namespace baozi::store {

/// "sqlite:PATH" or "memory:". A new file is created, its folder is not.
/// \return one line for the operator, naming the file and what to do; the codes are those of
/// SqliteFile::open,
///         and Errc::invalid for a URL that is none of these.
[[nodiscard]] Result<std::unique_ptr<TaskStore>> open_task_store(std::string_view url,
                                                                 const StoreOptions& options = {});
[[nodiscard]] Result<std::unique_ptr<ResultStore>> open_result_store(
    std::string_view url, const StoreOptions& options = {});

/// "sqlite:PATH", "postgresql://…" or "memory:". Any number of processes may have one open.
[[nodiscard]] Result<std::unique_ptr<ScheduleStore>> open_schedule_store(
    std::string_view url, const StoreOptions& options = {});

}  // namespace baozi::store
