#include "beat/schedule/cron_field.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/core.h>

#include "base/nearest.hpp"

namespace baozi::beat {

namespace {

struct Kind {
  const char* name;
  CronRange range;
};
constexpr std::array<Kind, 6> kinds = {{{"second", {0, 59}},
                                        {"minute", {0, 59}},
                                        {"hour", {0, 23}},
                                        {"day_of_month", {1, 31}},
                                        {"month_of_year", {1, 12}},
                                        {"day_of_week", {0, 6}}}};

constexpr std::array<std::string_view, 7> weekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                      "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> months = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};

const Kind& kind_of(CronField field) { return kinds[static_cast<std::size_t>(field)]; }

std::span<const std::string_view> names_of(CronField field) {
  if (field == CronField::day_of_week) return weekdays;
  if (field == CronField::month_of_year) return months;
  return {};
}

/// The greatest number that may be written: cron's text knows 7 for Sunday.
unsigned most_of(CronField field, CronForm form) {
  return kind_of(field).range.most +
         (field == CronField::day_of_week && form == CronForm::text ? 1 : 0);
}

std::string allowed(CronField field, CronForm form) {
  return fmt::format("{} to {}", kind_of(field).range.least, most_of(field, form));
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Digits as a number; one that is too large for any field is cut to a large one.
unsigned number_of(std::string_view digits) {
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return failure == std::errc{} ? value : ~0U;
}

std::optional<unsigned> by_name(CronField field, std::string_view text) {
  std::string word{text};
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const auto names = names_of(field);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (word == names[i] || word == names[i].substr(0, 3)) {
      return static_cast<unsigned>(i) + kind_of(field).range.least;
    }
  }
  return std::nullopt;
}

std::string hint(CronField field, std::string_view text) {
  std::vector<std::string> known;
  for (const std::string_view name : names_of(field)) known.emplace_back(name);
  const std::string near = base::nearest(text, known);
  return near.empty() ? "" : "; did you mean '" + near + "'?";
}

Result<unsigned> parse_step(CronField field, std::string_view text) {
  const CronRange range = kind_of(field).range;
  const unsigned most = range.most - range.least + 1;
  if (!is_number(text)) return wrong_field(field, fmt::format("the step '{}' is no number", text));
  const unsigned step = number_of(text);
  if (step < 1 || step > most) {
    return wrong_field(field, fmt::format("the step '{}' is outside 1 to {}", text, most));
  }
  return step;
}

}  // namespace

const char* to_string(CronField field) { return kind_of(field).name; }
CronRange range_of(CronField field) { return kind_of(field).range; }

CronBits all_bits(CronField field) {
  const CronRange range = range_of(field);
  return ((CronBits{2} << range.most) - 1) & ~(cron_bit(range.least) - 1);
}

Unexpected wrong_field(CronField field, const std::string& message) {
  return unexpected(Errc::invalid, std::string{to_string(field)} + ": " + message);
}

Result<unsigned> parse_cron_number(CronField field, CronForm form, std::string_view text) {
  if (text.empty()) return wrong_field(field, "a number is missing");
  if (!is_number(text)) {
    if (const auto named = by_name(field, text)) return *named;
    if (text.front() == '-' && is_number(text.substr(1))) {
      return wrong_field(field, fmt::format("'{}' is outside {}", text, allowed(field, form)));
    }
    return wrong_field(
        field, fmt::format("'{}' is no number from {}{}{}", text, allowed(field, form),
                           names_of(field).empty() ? "" : " and no name", hint(field, text)));
  }
  const unsigned value = number_of(text);
  if (value < range_of(field).least || value > most_of(field, form)) {
    return wrong_field(
        field, fmt::format("'{}' is outside {}{}", text, allowed(field, form),
                           field == CronField::day_of_week && value == 7 ? " (Sunday is 0)" : ""));
  }
  return value;
}

Result<CronBits> parse_cron_part(CronField field, CronForm form, std::string_view text) {
  const auto [least, most] = range_of(field);
  unsigned from = least;
  unsigned to = most;
  unsigned step = 1;
  const std::size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  if (slash != std::string_view::npos) {
    const Result<unsigned> parsed = parse_step(field, text.substr(slash + 1));
    if (!parsed) return Unexpected{parsed.error()};
    step = *parsed;
  }
  if (range != "*") {
    const std::size_t dash = range.find('-', range.empty() ? 0 : 1);
    const Result<unsigned> first = parse_cron_number(field, form, range.substr(0, dash));
    if (!first) return Unexpected{first.error()};
    from = to = *first;
    if (dash != std::string_view::npos) {
      const Result<unsigned> last = parse_cron_number(field, form, range.substr(dash + 1));
      if (!last) return Unexpected{last.error()};
      to = *last;
    } else if (slash != std::string_view::npos) {
      return wrong_field(field, fmt::format("'{}' has a step but no range; write {}-{}/{}", text,
                                            range, most, step));
    }
  }
  // Counted from the first on, also around the end, as Celery does.
  const unsigned size = most - least + 1;
  const unsigned count = to >= from ? to - from + 1 : size - from + to + 1;
  CronBits bits = 0;
  for (unsigned i = 0; i < count; i += step) bits |= cron_bit((from - least + i) % size + least);
  return bits;
}

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    parts.push_back(part);
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace baozi::beat
