/// \file schedule_file.hpp
/// A YAML file of periodic tasks: what `baozi-beat --schedule FILE` names (docs/beat.md). JSON is
/// YAML, too.
///
///     zone: Asia/Shanghai        # of entries that name none; optional
///     entries:
///       add every 3 seconds: {every: 3, task: c.add, args: [10, 10]}
///
/// Threading: none; any thread.
#pragma once
#include <string>
#include <vector>

#include "base/result.hpp"
#include "beat/schedule/entry.hpp"

namespace baozi::beat {

/// \param zone  of entries that name none, where the file names none either
/// \return Errc::not_found  the file cannot be read; Errc::invalid  one line:
/// "FILE:LINE:COLUMN: entry 'NAME': FIELD: …"
[[nodiscard]] Result<std::vector<Entry>> read_schedule_file(const std::string& path,
                                                            const Zone& zone = {});
/// The same of a text. \param path  for messages
[[nodiscard]] Result<std::vector<Entry>> parse_schedule_text(const std::string& text,
                                                             const std::string& path,
                                                             const Zone& zone = {});

}  // namespace baozi::beat
