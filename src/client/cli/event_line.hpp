/// \file event_line.hpp
/// One event as one line: for people, or as JSON under Celery's names.
#pragma once
#include <string>

#include <baozi/events.hpp>

namespace baozi::cli {

/// "2026-03-01 08:15:30.123456": UTC.
[[nodiscard]] std::string instant_text(std::chrono::sys_time<std::chrono::microseconds> time);
/// "750us", "1.2ms", "3.45s", "2m03s"
[[nodiscard]] std::string duration_text(std::int64_t us);
/// Text that stays on its line and moves no cursor: what is not printable is shown as "\n", "\x1b".
[[nodiscard]] std::string printable(std::string_view text);

[[nodiscard]] std::string event_line(const Event& event);
[[nodiscard]] std::string event_json(const Event& event, const std::string& collector);

}  // namespace baozi::cli
