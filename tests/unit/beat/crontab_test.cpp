#include "schedules.hpp"

namespace baozi::beat {
namespace {

using List = std::vector<std::string>;

TEST(Crontab, AMinuteAloneIsThatMinuteOfEveryHour) {
  EXPECT_EQ(ticks(schedule(R"({"crontab": {"minute": 3}})"), "2026-03-01T10:03:00Z", 2),
            (List{"2026-03-01T11:03:00Z", "2026-03-01T12:03:00Z"}));
  EXPECT_EQ(ticks(schedule(R"({"crontab": {"minute": "*/3"}})"), "2026-03-01T10:58:00Z", 2),
            (List{"2026-03-01T11:00:00Z", "2026-03-01T11:03:00Z"}));
}

TEST(Crontab, AnHourAloneIsEveryMinuteOfIt) {
  EXPECT_EQ(ticks(schedule(R"({"crontab": {"hour": 4}})"), "2026-03-01T04:58:30Z", 2),
            (List{"2026-03-01T04:59:00Z", "2026-03-02T04:00:00Z"}));
}

struct Field {
  const char* json;
  const char* cron;
};
TEST(Crontab, KeywordsReadAsCelerysDo) {
  const Field same[] = {
      {R"({"minute": [0, 15, "30-32"]})", "0,15,30-32 * * * *"},
      {R"({"minute": "0, 30"})", "0,30 * * * *"},
      {R"({"hour": "22-4/2", "minute": 0})", "0 22,0,2,4 * * *"},
      {R"({"day_of_week": "fri-mon", "minute": 0, "hour": 0})", "0 0 * * 5,6,0,1"},
      {R"({"day_of_week": "Monday,SAT", "minute": 0, "hour": 0})", "0 0 * * 1,6"},
      {R"({"month_of_year": "feb-apr", "minute": 0, "hour": 0})", "0 0 * 2-4 *"},
      {R"({"month_of_year": "2-12/5", "minute": 0, "hour": 0})", "0 0 * 2,7,12 *"},
      {R"({"day_of_month": "*/7", "minute": 0, "hour": 0})", "0 0 1,8,15,22,29 * *"},
  };
  for (const Field& row : same) {
    EXPECT_EQ(ticks(schedule(std::string{R"({"crontab": )"} + row.json + "}"),
                    "2026-01-30T21:00:00Z", 40),
              ticks(cron(row.cron), "2026-01-30T21:00:00Z", 40))
        << row.json;
  }
}

TEST(Crontab, KeywordsNeedBothDays) {
  EXPECT_EQ(ticks(crontab("0 0 13 * fri"), "2026-01-01T00:00:00Z", 3),
            (List{"2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-11-13T00:00:00Z"}));
}

TEST(Cron, TextTakesEitherDayWhenBothAreRestricted) {
  EXPECT_EQ(ticks(cron("0 0 13 * fri"), "2026-01-01T00:00:00Z", 4),
            (List{"2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z",
                  "2026-01-16T00:00:00Z"}));
  EXPECT_EQ(ticks(cron("0 0 * * fri"), "2026-01-01T00:00:00Z", 2),
            (List{"2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"}));
  EXPECT_EQ(ticks(cron("0 0 13 * ?"), "2026-01-01T00:00:00Z", 2),
            (List{"2026-01-13T00:00:00Z", "2026-02-13T00:00:00Z"}));
}

TEST(Cron, SixFieldsBeginWithTheSecond) {
  EXPECT_EQ(ticks(cron("*/20 59 23 * * *"), "2026-01-01T23:59:20Z", 2),
            (List{"2026-01-01T23:59:40Z", "2026-01-02T23:59:00Z"}));
}

TEST(Cron, SundayIsNoughtAndSeven) {
  EXPECT_EQ(ticks(cron("0 0 * * 7"), "2026-01-01T00:00:00Z", 5),
            ticks(cron("0 0 * * 0"), "2026-01-01T00:00:00Z", 5));
  EXPECT_EQ(ticks(cron("0 0 * * 5-7"), "2026-01-01T00:00:00Z", 9),
            ticks(cron("0 0 * * 5,6,0"), "2026-01-01T00:00:00Z", 9));
  EXPECT_EQ(ticks(cron("0 0 * * 0-7"), "2026-01-01T00:00:00Z", 9),
            ticks(cron("0 0 * * *"), "2026-01-01T00:00:00Z", 9));
}

TEST(Cron, NicknamesStandForTheirFields) {
  const std::pair<const char*, const char*> same[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
      {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
      {"@hourly", "0 * * * *"}};
  for (const auto& [name, text] : same) EXPECT_EQ(cron(name), cron(text));
}

TEST(Cron, LastDays) {
  EXPECT_EQ(ticks(cron("0 0 L * *"), "2028-01-31T00:00:00Z", 2),
            (List{"2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"}));
  EXPECT_EQ(ticks(cron("0 0 L-3 * *"), "2026-02-01T00:00:00Z", 2),
            (List{"2026-02-25T00:00:00Z", "2026-03-28T00:00:00Z"}));
  EXPECT_EQ(ticks(cron("0 0 * * 5L"), "2026-01-01T00:00:00Z", 2),
            (List{"2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"}));
  EXPECT_EQ(ticks(cron("0 0 * * sunl"), "2026-01-01T00:00:00Z", 1), (List{"2026-01-25T00:00:00Z"}));
}

TEST(Cron, NearestWorkingDays) {
  // 15 August 2026 is a Saturday, 15 November a Sunday.
  EXPECT_EQ(after(cron("0 0 15W 8 *"), "2026-01-01T00:00:00Z"), "2026-08-14T00:00:00Z");
  EXPECT_EQ(after(cron("0 0 15W 11 *"), "2026-01-01T00:00:00Z"), "2026-11-16T00:00:00Z");
  // It stays in its month: 1 August 2026 is a Saturday, 31 May a Sunday.
  EXPECT_EQ(after(cron("0 0 1W 8 *"), "2026-01-01T00:00:00Z"), "2026-08-03T00:00:00Z");
  EXPECT_EQ(after(cron("0 0 31W 5 *"), "2026-01-01T00:00:00Z"), "2026-05-29T00:00:00Z");
  EXPECT_EQ(after(cron("0 0 LW 5 *"), "2026-01-01T00:00:00Z"), "2026-05-29T00:00:00Z");
  // A month without the day has no working day near it.
  EXPECT_EQ(after(cron("0 0 31W * *"), "2026-01-31T00:00:00Z"), "2026-03-31T00:00:00Z");
}

TEST(Cron, NthWeekdays) {
  EXPECT_EQ(ticks(cron("0 0 * * 2#2"), "2026-01-01T00:00:00Z", 2),
            (List{"2026-01-13T00:00:00Z", "2026-02-10T00:00:00Z"}));
  EXPECT_EQ(ticks(cron("0 0 * * fri#5"), "2026-01-31T00:00:00Z", 2),
            (List{"2026-05-29T00:00:00Z", "2026-07-31T00:00:00Z"}));
}

TEST(Crontab, LeapDaysComeEveryFourYearsAndNotIn2100) {
  EXPECT_EQ(ticks(crontab("0 0 29 2 *"), "2092-03-01T00:00:00Z", 3),
            (List{"2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"}));
  EXPECT_EQ(after(crontab("0 0 29 2 mon"), "2097-01-01T00:00:00Z"), "2112-02-29T00:00:00Z");
}

struct Wrong {
  const char* json;
  const char* says;
};
const Wrong wrong_crontabs[] = {
    {R"({"crontab": {"minute": 61}})", "minute: '61' is outside 0 to 59"},
    {R"({"crontab": {"minute": "60"}})", "minute: '60' is outside 0 to 59"},
    {R"({"crontab": {"minute": -1}})", "minute: '-1' is outside 0 to 59"},
    {R"({"crontab": {"minute": 3.5}})",
     "minute: '3.5' is no number, text such as '8-17/2' or list of these"},
    {R"({"crontab": {"minute": true}})",
     "minute: 'true' is no number, text such as '8-17/2' or list of these"},
    {R"({"crontab": {"minute": []}})",
     "minute: '[]' is no number, text such as '8-17/2' or list of these"},
    {R"({"crontab": {"minute": [[1]]}})",
     "minute: '[[1]]' is no number, text such as '8-17/2' or list of these"},
    {R"({"crontab": {"minute": null}})",
     "minute: 'null' is no number, text such as '8-17/2' or list of these"},
    {R"({"crontab": {"minute": ""}})", "minute: a number is missing"},
    {R"({"crontab": {"minute": "1,,2"}})", "minute: a number is missing"},
    {R"({"crontab": {"minute": "5-"}})", "minute: a number is missing"},
    {R"({"crontab": {"minute": "*/0"}})", "minute: the step '0' is outside 1 to 60"},
    {R"({"crontab": {"minute": "*/61"}})", "minute: the step '61' is outside 1 to 60"},
    {R"({"crontab": {"minute": "*/"}})", "minute: the step '' is no number"},
    {R"({"crontab": {"minute": "*/x"}})", "minute: the step 'x' is no number"},
    {R"({"crontab": {"minute": "5/10"}})", "minute: '5/10' has a step but no range; write 5-59/10"},
    {R"({"crontab": {"minute": "99999999999999999999"}})",
     "minute: '99999999999999999999' is outside 0 to 59"},
    {R"({"crontab": {"minute": "mon"}})", "minute: 'mon' is no number from 0 to 59"},
    {R"({"crontab": {"hour": "24"}})", "hour: '24' is outside 0 to 23"},
    {R"({"crontab": {"hour": "8-25"}})", "hour: '25' is outside 0 to 23"},
    {R"({"crontab": {"day_of_month": 0}})", "day_of_month: '0' is outside 1 to 31"},
    {R"({"crontab": {"day_of_month": "L"}})", "day_of_month: 'L' is no number from 1 to 31"},
    {R"({"crontab": {"month_of_year": 13}})", "month_of_year: '13' is outside 1 to 12"},
    {R"({"crontab": {"month_of_year": "febuary"}})",
     "month_of_year: 'febuary' is no number from 1 to 12 and no name; did you mean 'february'?"},
    {R"({"crontab": {"day_of_week": 7}})", "day_of_week: '7' is outside 0 to 6 (Sunday is 0)"},
    {R"({"crontab": {"day_of_week": "sundai"}})",
     "day_of_week: 'sundai' is no number from 0 to 6 and no name; did you mean 'sunday'?"},
    {R"({"crontab": {"minutes": 3}})",
     "crontab: there is no field 'minutes'; did you mean 'minute'?"},
    {R"({"crontab": 3})", "crontab: '3' is no map such as {minute: '*/3'}"},
    {R"({"crontab": "* * * *"})",
     "crontab: '* * * *' has 4 fields; it needs minute hour day_of_month month_of_year "
     "day_of_week"},
    {R"({"crontab": {"day_of_month": 31, "month_of_year": "2,4"}})",
     "day_of_month: '31' never comes in month_of_year '2,4' with day_of_week '*'"},
    {R"({"cron": 3})", "cron: '3' is no text such as '*/5 * * * *'"},
    {R"({"cron": ""})",
     "cron: '' has 0 fields; it needs minute hour day_of_month month_of_year day_of_week, with the "
     "second before them if you like"},
    {R"({"cron": "@reboot"})",
     "cron: there is no '@reboot'; there are @yearly, @annually, @monthly, @weekly, @daily, "
     "@midnight, @hourly"},
    {R"({"cron": "60 * * * * *"})", "second: '60' is outside 0 to 59"},
    {R"({"cron": "* * * * 8"})", "day_of_week: '8' is outside 0 to 7"},
    {R"({"cron": "* * * * L"})",
     "day_of_week: 'L' alone names no day; write 5L for the month's last Friday"},
    {R"({"cron": "* * * * 5#6"})", "day_of_week: the number after # in '5#6' is outside 1 to 5"},
    {R"({"cron": "* * * * 5#"})", "day_of_week: the number after # in '5#' is outside 1 to 5"},
    {R"({"cron": "* * L-31 * *"})", "day_of_month: 'L-31' is outside L-1 to L-30"},
    {R"({"cron": "* * 32W * *"})", "day_of_month: '32' is outside 1 to 31"},
    {R"({"cron": "* * W * *"})", "day_of_month: 'W' is no number from 1 to 31"},
    {R"({"cron": "* ? * * *"})", "hour: '?' is no number from 0 to 23"},
    {R"({"cron": "0 0 30 2 *"})",
     "day_of_month: '30' never comes in month_of_year '2' with day_of_week '*'"},
};
TEST(Crontab, RefusesWithFieldValueAndRange) {
  for (const Wrong& row : wrong_crontabs) EXPECT_EQ(refusal(row.json), row.says) << row.json;
}

}  // namespace
}  // namespace baozi::beat
