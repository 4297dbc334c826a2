#include "beat/schedule/crontab.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/nearest.hpp"

namespace baozi::beat {

namespace {

constexpr std::array five_fields = {CronField::minute, CronField::hour, CronField::day_of_month,
                                    CronField::month_of_year, CronField::day_of_week};

struct Nickname {
  std::string_view name;
  std::string_view text;
};
constexpr std::array<Nickname, 7> nicknames = {{{"@yearly", "0 0 1 1 *"},
                                                {"@annually", "0 0 1 1 *"},
                                                {"@monthly", "0 0 1 * *"},
                                                {"@weekly", "0 0 * * 0"},
                                                {"@daily", "0 0 * * *"},
                                                {"@midnight", "0 0 * * *"},
                                                {"@hourly", "0 * * * *"}}};

std::size_t index(CronField field) { return static_cast<std::size_t>(field); }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

/// A keyword's value as the text of a field.
Result<std::string> field_text(CronField field, const Value& value) {
  if (value.is_integer()) return value.to_json();
  if (value.is_string()) return value.as_string();
  if (value.is_array() && value.size() > 0) {
    std::string text;
    for (const Value& element : value.as_array()) {
      if (element.is_array()) break;
      Result<std::string> part = field_text(field, element);
      if (!part) return part;
      text += (text.empty() ? "" : ",") + *part;
    }
    if (!text.empty()) return text;
  }
  return wrong_field(field, fmt::format("'{}' is no number, text such as '8-17/2' or list of these",
                                        value.to_json()));
}

Result<CronBits> parse_set(CronField field, CronForm form, std::string_view text) {
  CronBits bits = 0;
  for (const std::string_view part : split_list(text)) {
    Result<CronBits> some = parse_cron_part(field, form, part);
    if (!some) return some;
    bits |= *some;
  }
  return bits;
}

Result<std::array<std::string, 6>> split_fields(const char* what, std::string_view text,
                                                bool seconds) {
  const std::vector<std::string> words = words_of(text);
  std::array<std::string, 6> fields;
  if (words.size() == 5 || (words.size() == 6 && seconds)) {
    std::copy(words.rbegin(), words.rend(), fields.rbegin());
    return fields;
  }
  return unexpected(Errc::invalid,
                    fmt::format("{}: '{}' has {} field{}; it needs minute hour day_of_month "
                                "month_of_year day_of_week{}",
                                what, text, words.size(), words.size() == 1 ? "" : "s",
                                seconds ? ", with the second before them if you like" : ""));
}

}  // namespace

Result<Crontab> Crontab::parse_keywords(const Value& value) {
  if (value.is_string()) {
    auto fields = split_fields("crontab", value.as_string(), false);
    if (!fields) return Unexpected{fields.error()};
    return from_fields(CronForm::keywords, *std::move(fields));
  }
  if (!value.is_object()) {
    return unexpected(
        Errc::invalid,
        fmt::format("crontab: '{}' is no map such as {{minute: '*/3'}}", value.to_json()));
  }
  std::array<std::string, 6> fields{"", "*", "*", "*", "*", "*"};
  for (const auto& [name, given] : value.as_object()) {
    const auto field =
        std::find_if(five_fields.begin(), five_fields.end(),
                     [&, &name = name](CronField known) { return name == to_string(known); });
    if (field == five_fields.end()) {
      std::vector<std::string> known;
      for (const CronField one : five_fields) known.emplace_back(to_string(one));
      const std::string meant = base::nearest(name, known);
      return unexpected(
          Errc::invalid,
          fmt::format("crontab: there is no field '{}'; {}", name,
                      meant.empty() ? fmt::format("there are {}", fmt::join(known, ", "))
                                    : "did you mean '" + meant + "'?"));
    }
    Result<std::string> text = field_text(*field, given);
    if (!text) return Unexpected{text.error()};
    fields[index(*field)] = *std::move(text);
  }
  return from_fields(CronForm::keywords, std::move(fields));
}

Result<Crontab> Crontab::parse_text(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  if (words.size() == 1 && words.front().starts_with('@')) {
    const auto known = std::find_if(nicknames.begin(), nicknames.end(), [&](const Nickname& nick) {
      return nick.name == words.front();
    });
    if (known == nicknames.end()) {
      std::vector<std::string_view> names;
      for (const Nickname& nick : nicknames) names.push_back(nick.name);
      return unexpected(Errc::invalid, fmt::format("cron: there is no '{}'; there are {}",
                                                   words.front(), fmt::join(names, ", ")));
    }
    text = known->text;
  }
  auto fields = split_fields("cron", text, true);
  if (!fields) return Unexpected{fields.error()};
  return from_fields(CronForm::text, *std::move(fields));
}

Result<Crontab> Crontab::from_fields(CronForm form, std::array<std::string, 6> fields) {
  Crontab made;
  made.form_ = form;
  made.fields_ = std::move(fields);
  const std::array<std::pair<CronField, CronBits*>, 4> sets = {
      {{CronField::second, &made.seconds_},
       {CronField::minute, &made.minutes_},
       {CronField::hour, &made.hours_},
       {CronField::month_of_year, &made.months_}}};
  for (const auto& [field, bits] : sets) {
    const std::string& written = made.fields_[index(field)];
    if (field == CronField::second && written.empty()) continue;  // not given: second 0
    const Result<CronBits> parsed = parse_set(field, form, written);
    if (!parsed) return Unexpected{parsed.error()};
    *bits = *parsed;
  }
  auto days = CronDays::parse(form, made.fields_[index(CronField::day_of_month)],
                              made.fields_[index(CronField::day_of_week)]);
  if (!days) return Unexpected{days.error()};
  made.days_ = *days;
  made.hour_open_ = is_open(form, made.fields_[index(CronField::hour)]);
  if (!made.ever_matches()) {
    return wrong_field(CronField::day_of_month,
                       fmt::format("'{}' never comes in month_of_year '{}' with day_of_week '{}'",
                                   made.fields_[3], made.fields_[4], made.fields_[5]));
  }
  return made;
}

bool Crontab::ever_matches() const {
  using namespace std::chrono;
  for (year y{2000}; y < year{2400}; ++y) {  // the calendar repeats itself after 400 years
    for (unsigned m = 1; m <= 12; ++m) {
      if ((months_ & cron_bit(m)) != 0 && days_.of(y, month{m}) != 0) return true;
    }
  }
  return false;
}

std::string Crontab::joined() const {
  return (fields_[0].empty() ? "" : fields_[0] + ' ') +
         fmt::format("{}", fmt::join(fields_.begin() + 1, fields_.end(), " "));
}

Value Crontab::to_value() const {
  if (form_ == CronForm::text) return Value::object({{"cron", joined()}});
  Value fields = Value::object();
  for (const CronField field : five_fields) {
    // The minute always, for it is what people look for.
    if (field == CronField::minute || fields_[index(field)] != "*") {
      fields[to_string(field)] = fields_[index(field)];
    }
  }
  return Value::object({{"crontab", fields}});
}

std::string Crontab::text() const {
  return (form_ == CronForm::text ? "cron " : "crontab ") + joined();
}

}  // namespace baozi::beat
