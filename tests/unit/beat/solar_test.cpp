#include <cstdlib>

#include "schedules.hpp"

namespace baozi::beat {
namespace {

Schedule solar(const char* event, double latitude, double longitude) {
  return Schedule{*parse_solar(
      Value::object({{"event", event}, {"latitude", latitude}, {"longitude", longitude}}))};
}

struct Published {
  double latitude, longitude;
  const char* event;
  const char* from;
  const char* when;  // to the minute, as the tables have it
};
// Atlanta: U.S. Naval Observatory, 6 September 2009, as quoted by PyEphem's manual, "Naval
// Observatory Risings and Settings". London: timeanddate.com/sun/uk/london, December 2015 and
// August 2019.
const Published tables[] = {
    {33.8, -84.4, "dawn", "2009-09-06T05:00:00Z", "2009-09-06T10:50:00Z"},
    {33.8, -84.4, "sunrise", "2009-09-06T05:00:00Z", "2009-09-06T11:15:00Z"},
    {33.8, -84.4, "noon", "2009-09-06T05:00:00Z", "2009-09-06T17:36:00Z"},
    {33.8, -84.4, "sunset", "2009-09-06T05:00:00Z", "2009-09-06T23:56:00Z"},
    {33.8, -84.4, "dusk", "2009-09-06T05:00:00Z", "2009-09-07T00:21:00Z"},
    {51.5085, -0.1257, "dawn_astronomical", "2015-12-01T00:00:00Z", "2015-12-01T05:41:00Z"},
    {51.5085, -0.1257, "dawn_nautical", "2015-12-01T00:00:00Z", "2015-12-01T06:22:00Z"},
    {51.5085, -0.1257, "dawn_civil", "2015-12-01T00:00:00Z", "2015-12-01T07:04:00Z"},
    {51.5085, -0.1257, "sunrise", "2015-12-01T00:00:00Z", "2015-12-01T07:43:00Z"},
    {51.5085, -0.1257, "solar_noon", "2015-12-01T00:00:00Z", "2015-12-01T11:49:00Z"},
    {51.5085, -0.1257, "sunset", "2015-12-01T00:00:00Z", "2015-12-01T15:55:00Z"},
    {51.5085, -0.1257, "dusk_civil", "2015-12-01T00:00:00Z", "2015-12-01T16:34:00Z"},
    {51.5085, -0.1257, "dusk_nautical", "2015-12-01T00:00:00Z", "2015-12-01T17:16:00Z"},
    {51.5085, -0.1257, "sunrise", "2015-12-25T00:00:00Z", "2015-12-25T08:05:00Z"},
    {51.5085, -0.1257, "dawn_astronomical", "2015-12-25T00:00:00Z", "2015-12-25T06:01:00Z"},
    {51.5085, -0.1257, "dusk_nautical", "2015-12-25T00:00:00Z", "2015-12-25T17:19:00Z"},
    {51.5085, -0.1257, "dawn_civil", "2019-08-29T00:00:00Z", "2019-08-29T04:32:00Z"},
    {51.5085, -0.1257, "sunrise", "2019-08-29T00:00:00Z", "2019-08-29T05:08:00Z"},
    {51.5085, -0.1257, "sunset", "2019-08-29T00:00:00Z", "2019-08-29T18:54:00Z"},
    {51.5085, -0.1257, "dusk_civil", "2019-08-29T00:00:00Z", "2019-08-29T19:30:00Z"},
};
TEST(Solar, IsWithinAMinuteOfPublishedTables) {
  for (const Published& row : tables) {
    const auto tick = solar(row.event, row.latitude, row.longitude).next(at(row.from), {});
    ASSERT_TRUE(tick.has_value());
    EXPECT_LE(std::abs((*tick - at(row.when)).count()), 60'000'000)
        << row.event << " at " << row.when << ": " << to_text(*tick);
  }
}

TEST(Solar, PassesOverPolarDayAndNight) {
  // Longyearbyen has no night from the middle of April to the end of August, no sunrise from the
  // end of October to the middle of February.
  const auto next_sunset = solar("sunset", 78.22, 15.65).next(at("2026-05-01T00:00:00Z"), {});
  ASSERT_TRUE(next_sunset.has_value());
  EXPECT_GT(*next_sunset, at("2026-08-20T00:00:00Z"));
  EXPECT_LT(*next_sunset, at("2026-08-27T00:00:00Z"));
  const auto next_sunrise = solar("sunrise", 78.22, 15.65).next(at("2026-11-01T00:00:00Z"), {});
  ASSERT_TRUE(next_sunrise.has_value());
  EXPECT_GT(*next_sunrise, at("2027-02-12T00:00:00Z"));
  EXPECT_LT(*next_sunrise, at("2027-02-19T00:00:00Z"));
}

TEST(Solar, NeverComesWhereTheSunStaysAtItsHeightAllDay) {
  EXPECT_EQ(after(solar("sunrise", 90, 0), "2026-01-01T00:00:00Z"), "never");
  EXPECT_NE(after(solar("noon", 90, 0), "2026-01-01T00:00:00Z"), "never");
}

TEST(Solar, EachEventComesOnceADayAllAroundTheEarth) {
  for (const double longitude : {-180.0, -120.5, 0.0, 77.7, 180.0}) {
    for (const char* event : {"sunrise", "solar_noon", "sunset", "dusk_astronomical"}) {
      const Schedule schedule = solar(event, 40, longitude);
      auto tick = schedule.next(at("2024-01-01T00:00:00Z"), {});
      const WallTime end = *tick + std::chrono::hours{24 * 366};
      int count = 0;
      for (; tick && *tick < end; ++count) {
        const auto next = schedule.next(*tick, {});
        ASSERT_TRUE(next.has_value());
        EXPECT_GT(*next - *tick, std::chrono::minutes{23 * 60 + 55});
        EXPECT_LT(*next - *tick, std::chrono::minutes{24 * 60 + 5});
        tick = next;
      }
      EXPECT_NEAR(count, 366, 1) << event << ' ' << longitude;
    }
  }
}

TEST(Solar, RefusesWithFieldValueAndRange) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"solar": {"event": "sunset", "latitude": 91, "longitude": 0}})",
       "latitude: '91' is outside -90 to 90"},
      {R"({"solar": {"event": "sunset", "latitude": 0, "longitude": "-180.5"}})",
       "longitude: '-180.5' is outside -180 to 180"},
      {R"({"solar": {"event": "sunset", "latitude": "north", "longitude": 0}})",
       "latitude: 'north' is no number of degrees"},
      {R"({"solar": {"event": "sunset", "latitude": "nan", "longitude": 0}})",
       "latitude: 'nan' is outside -90 to 90"},
      {R"({"solar": {"event": "sunset", "latitude": 0}})", "longitude: it is missing"},
      {R"({"solar": {"latitude": 0, "longitude": 0}})", "event: it is missing"},
      {R"({"solar": {"event": "sunset", "latitude": 0, "longitude": 0, "latitud": 1}})",
       "solar: there is no field 'latitud'; did you mean 'latitude'?"},
      {R"({"solar": {"event": "moonrise", "latitude": 0, "longitude": 0}})",
       "event: 'moonrise' is none of dawn_astronomical, dawn_nautical, dawn_civil, sunrise, "
       "solar_noon, sunset, dusk_civil, "
       "dusk_nautical, dusk_astronomical, dawn, noon, dusk"},
      {R"({"solar": "sunset"})",
       "solar: '\"sunset\"' is no map such as {event: sunset, latitude: 52.52, longitude: 13.4}"},
  };
  for (const auto& [json, says] : wrong) EXPECT_EQ(refusal(json), says);
}

}  // namespace
}  // namespace baozi::beat
