// What happens to schedules when a zone's clock is set forward or back.
#include "schedules.hpp"

namespace baozi::beat {
namespace {

using List = std::vector<std::string>;

// In Berlin on 29 March 2026 the clock goes from 02:00 to 03:00, which is 01:00 UTC; on 25 October
// from 03:00 back to 02:00, 01:00 UTC as well.
class DaylightSaving : public testing::Test {
 protected:
  NextTerms berlin = in_zone("Europe/Berlin");
};

TEST_F(DaylightSaving, AnOpenHourHasNothingToDoInASkippedOne) {
  EXPECT_EQ(ticks(crontab("3 * * * *"), "2026-03-28T23:30:00Z", 3, berlin),
            (List{"2026-03-29T00:03:00Z", "2026-03-29T01:03:00Z", "2026-03-29T02:03:00Z"}));
  EXPECT_EQ(ticks(cron("*/30 * * * *"), "2026-03-29T00:00:00Z", 2, berlin),
            (List{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"}));
}

TEST_F(DaylightSaving, AnOpenHourFollowsBothPassesOfARepeatedOne) {
  EXPECT_EQ(ticks(crontab("3 * * * *"), "2026-10-24T23:30:00Z", 4, berlin),
            (List{"2026-10-25T00:03:00Z", "2026-10-25T01:03:00Z", "2026-10-25T02:03:00Z",
                  "2026-10-25T03:03:00Z"}));
}

TEST_F(DaylightSaving, ATimeThatDoesNotExistIsDueAfterTheGap) {
  EXPECT_EQ(ticks(crontab("30 2 * * *"), "2026-03-28T00:00:00Z", 3, berlin),
            (List{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}));
}

TEST_F(DaylightSaving, SeveralTimesThatDoNotExistAreDueOnce) {
  EXPECT_EQ(ticks(crontab("*/10 2 * * *"), "2026-03-29T00:30:00Z", 2, berlin),
            (List{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}));
  // Together with the time that the gap ends at.
  EXPECT_EQ(ticks(crontab("0,30 2-3 * * *"), "2026-03-29T00:30:00Z", 3, berlin),
            (List{"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"}));
}

TEST_F(DaylightSaving, ATimeThatComesTwiceIsDueAtItsFirstPass) {
  EXPECT_EQ(ticks(crontab("30 2 * * *"), "2026-10-24T12:00:00Z", 2, berlin),
            (List{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}));
  EXPECT_EQ(after(crontab("30 2 * * *"), "2026-10-25T01:10:00Z", berlin),
            "2026-10-26T01:30:00Z");  // asked in the second pass
  EXPECT_EQ(after(crontab("30 2 * * *"), "2026-10-25T00:20:00Z", berlin), "2026-10-25T00:30:00Z");
}

TEST_F(DaylightSaving, AStepOfHoursIsARestrictedHour) {
  EXPECT_EQ(ticks(crontab("0 */2 * * *"), "2026-03-28T23:30:00Z", 2, berlin),
            (List{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}));
  EXPECT_EQ(ticks(crontab("0 */1 * * *"), "2026-10-24T23:30:00Z", 3, berlin),
            ticks(crontab("0 * * * *"), "2026-10-24T23:30:00Z", 3, berlin));
}

TEST(DaylightSavingElsewhere, AGapAtMidnightIsDueOnItsDay) {
  // Sao Paulo, 4 November 2018: 00:00 becomes 01:00, 03:00 UTC.
  EXPECT_EQ(ticks(cron("@daily"), "2018-11-03T12:00:00Z", 2, in_zone("America/Sao_Paulo")),
            (List{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}));
}

TEST(DaylightSavingElsewhere, HalfAnHourIsEnough) {
  // Lord Howe Island, 5 April 2026: 02:00 becomes 01:30, at 15:00 UTC of the 4th.
  EXPECT_EQ(ticks(crontab("45 1 * * *"), "2026-04-04T00:00:00Z", 2, in_zone("Australia/Lord_Howe")),
            (List{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}));
  EXPECT_EQ(ticks(crontab("45 * * * *"), "2026-04-04T14:00:00Z", 3, in_zone("Australia/Lord_Howe")),
            (List{"2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z"}));
}

TEST(DaylightSavingElsewhere, ADayThatWasLeftOutIsDueWhenTheNextBegins) {
  // Apia had no 30 December 2011; the 31st began at 10:00 UTC of the 30th.
  EXPECT_EQ(ticks(crontab("0 12 * * *"), "2011-12-29T00:00:00Z", 3, in_zone("Pacific/Apia")),
            (List{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}));
}

TEST(Zone, RulesGoOnAfterTheDatabaseEnds) {
  EXPECT_EQ(after(crontab("0 12 1 7 *"), "2060-01-01T00:00:00Z", in_zone("Europe/Berlin")),
            "2060-07-01T10:00:00Z");
  EXPECT_EQ(after(crontab("0 12 1 1 *"), "2060-02-01T00:00:00Z", in_zone("Australia/Sydney")),
            "2061-01-01T01:00:00Z");
}

TEST(Zone, UnknownOnesComeWithWhatWasMeant) {
  EXPECT_EQ(Zone::find("Europe/Berln").error().message,
            "zone: there is no 'Europe/Berln' in the tz database; did you mean 'Europe/Berlin'?");
  EXPECT_EQ(Zone::find("shanghai").error().message,
            "zone: there is no 'shanghai' in the tz database; did you mean 'Asia/Shanghai'?");
  EXPECT_EQ(Zone::find("../../etc/passwd").error().message,
            "zone: there is no '../../etc/passwd' in the tz database");
  EXPECT_EQ(Zone::find("qqq").error().code, Errc::not_found);
}

TEST(Zone, TellsTheLocalTime) {
  const Zone berlin = in_zone("Europe/Berlin").zone;
  EXPECT_EQ(berlin.local_text(at("2026-03-29T00:59:59.5Z")), "2026-03-29 01:59:59.5 CET");
  EXPECT_EQ(berlin.local_text(at("2026-03-29T01:00:00Z")), "2026-03-29 03:00:00 CEST");
  EXPECT_EQ(Zone{}.local_text(at("2026-03-29T01:00:00Z")), "2026-03-29 01:00:00 UTC");
}

}  // namespace
}  // namespace baozi::beat
