#!/usr/bin/python3
"""When Celery's own schedules are due: makes and checks celery_schedules.jsonl, which our schedules are compared with.

usage: celery_schedules.py --write FILE     asks Celery and writes the file (after a change of the cases below)
       celery_schedules.py --check FILE     asks Celery and compares: exit 1 when it says something else than the file

Each line is one case:
  {"crontab": KEYWORDS, "zone": Z, "after": T, "next": [T, …]}      the same in Celery and here
  {… "next": …, "ours": […], "why": TEXT}                           a deliberate difference (docs/beat.md)
  {"crontab": KEYWORDS, "taken": BOOL, "ours": BOOL}                is it a crontab at all
  {"solar": PLACE, "after": T, "next": [T]}                         within a minute
"""
import json
import random
import sys
from datetime import datetime, timedelta, timezone

try:
    import celery
    from celery.schedules import crontab, solar
except ImportError as error:
    sys.exit(f"celery_schedules.py: {error}; scripts/packages test installs python3-celery and python3-ephem")

UTC = timezone.utc
APPS = {}


def app_in(zone):
    if zone not in APPS:
        APPS[zone] = celery.Celery(set_as_current=False)
        APPS[zone].conf.update(timezone=zone, enable_utc=True)
    return APPS[zone]


def text(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(moment):
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def ticks(keywords, zone, after, count):
    """What a beat would do that wakes as Celery's does: when the schedule says, and every five minutes."""
    app = app_in(zone)
    found = []
    last = read(after)
    for _ in range(count):
        now = last
        schedule = crontab(app=app, nowfun=lambda: now.astimezone(app.timezone), **keywords)
        while True:
            due, wait = schedule.is_due(last.astimezone(app.timezone))
            if due and now > last:
                break
            step = schedule.remaining_estimate(last.astimezone(app.timezone)).total_seconds()
            near = abs(step) > 86400 * 3  # far away: go near, then wake as it does
            now += timedelta(seconds=step - 86400 * 2 if near else min(max(step, 1), 300))
        found.append(text(now))
        last = now
    return found


def events(place, after):
    start = read(after)
    schedule = solar(place["event"], place["latitude"], place["longitude"], app=app_in("UTC"), nowfun=lambda: start)
    return [text(start + schedule.remaining_estimate(start))]


def taken(keywords):
    try:
        schedule = crontab(**keywords)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        crontab(app=app_in("UTC"), nowfun=lambda: now, **keywords).remaining_estimate(now)
        return schedule is not None
    except Exception:  # Celery's errors here are of many types
        return False


ZONES = ["UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "America/St_Johns"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def some_field(chance, least, most, names=None):
    """A field in Celery's grammar."""
    def number():
        n = chance.randint(least, most)
        return names[n] if names and chance.random() < 0.5 else str(n)

    kind = chance.randrange(7)
    if kind == 0:
        return chance.randint(least, most)
    if kind == 1:
        return f"*/{chance.randint(1, most)}"
    if kind == 2:
        return f"{number()}-{number()}"
    if kind == 3:
        return f"{number()}-{number()}/{chance.randint(1, 5)}"
    if kind == 4:
        return ",".join(number() for _ in range(chance.randint(1, 4)))
    if kind == 5:
        return [chance.randint(least, most) for _ in range(chance.randint(1, 4))]
    return ",".join([f"{number()}-{number()}", number(), f"*/{chance.randint(max(2, most // 2), most)}"])


def random_cases():
    """Fields of all forms, at times when no clock is changed nearby."""
    chance = random.Random(20260328)
    for i in range(320):
        keywords = {}
        for name, share, args in [("minute", 0.9, (0, 59)), ("hour", 0.6, (0, 23)), ("day_of_month", 0.25, (1, 28)),
                                  ("month_of_year", 0.2, (1, 12)), ("day_of_week", 0.3, (0, 6, DAYS))]:
            if chance.random() < share:
                keywords[name] = some_field(chance, *args)
        zone = ZONES[i % len(ZONES)]
        # In June and December no clock is changed for weeks; days and months are tried in UTC, where none ever is.
        if {"day_of_month", "month_of_year", "day_of_week"} & keywords.keys():
            zone = "UTC"
        after = datetime(chance.randint(2020, 2030), chance.choice([6, 12]), chance.randint(1, 20), chance.randint(0, 23),
                         chance.randint(0, 59), chance.randint(0, 59), tzinfo=UTC)
        yield {"crontab": keywords, "zone": zone, "after": text(after)}


KNOWN = [
    ({"minute": 3}, "UTC", "2026-03-01T10:03:00Z"),
    ({"minute": "*/3"}, "Asia/Shanghai", "2026-03-01T10:58:59Z"),
    ({"hour": 4}, "UTC", "2026-03-01T04:58:30Z"),
    ({}, "UTC", "2026-12-31T23:58:00Z"),
    ({"minute": 0, "hour": 0, "day_of_month": "29", "month_of_year": "2"}, "UTC", "2026-01-01T00:00:00Z"),
    ({"minute": 0, "hour": 0, "day_of_month": "31"}, "UTC", "2026-01-31T00:00:00Z"),
    ({"minute": 0, "hour": 0, "day_of_month": "13", "day_of_week": "fri"}, "UTC", "2026-01-01T00:00:00Z"),
    ({"minute": 0, "hour": 0, "day_of_month": "1-7,15-21", "day_of_week": "mon"}, "UTC", "2026-01-01T00:00:00Z"),
    ({"minute": 0, "hour": "22-4/2"}, "UTC", "2026-01-01T00:00:00Z"),
    ({"minute": 30, "hour": 2}, "Asia/Shanghai", "2026-03-28T00:00:00Z"),
    # Clocks are changed, and Celery does what we do.
    ({"minute": 3}, "Europe/Berlin", "2026-03-28T23:30:00Z"),
    ({"minute": "*/30"}, "Europe/Berlin", "2026-03-29T00:10:00Z"),
    ({"minute": 30, "hour": 2}, "Europe/Berlin", "2026-03-28T01:30:00Z"),
    ({"minute": 30, "hour": 2}, "Europe/Berlin", "2026-10-24T12:00:00Z"),
    ({"minute": "*/20", "hour": 2}, "Europe/Berlin", "2026-03-28T12:00:00Z"),
    ({"minute": "*/20", "hour": 2}, "Europe/Berlin", "2026-10-24T12:00:00Z"),
    ({"minute": "0,30", "hour": "2,3"}, "America/New_York", "2026-03-07T12:00:00Z"),
    ({"minute": 30, "hour": "0-3"}, "America/New_York", "2026-10-31T20:00:00Z"),
    ({"minute": 0, "hour": "*/2"}, "Europe/Berlin", "2026-03-28T23:10:00Z"),
    ({"minute": 0, "hour": 0}, "Europe/Berlin", "2026-10-24T12:00:00Z"),
    ({"minute": 15, "hour": 2}, "Australia/Sydney", "2026-10-02T20:00:00Z"),
]

TWICE = "with an open hour the second pass of a repeated hour is not left out"
DIFFERENT = [
    ({"minute": 3}, "Europe/Berlin", "2026-10-24T23:30:00Z",
     ["2026-10-25T00:03:00Z", "2026-10-25T01:03:00Z", "2026-10-25T02:03:00Z"], TWICE),
    ({"minute": "*/30"}, "America/New_York", "2026-11-01T04:40:00Z",
     ["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:00:00Z"],
     TWICE),
]

TAKEN = [  # keywords, and whether we take them
    ({"minute": 60}, False), ({"minute": "60"}, False), ({"minute": "-1"}, False), ({"hour": 24}, False), ({"day_of_month": 0}, False),
    ({"day_of_month": 32}, False), ({"month_of_year": 13}, False), ({"day_of_week": 7}, False), ({"day_of_week": "7"}, False),
    ({"minute": "*/0"}, False), ({"minute": "*/"}, False), ({"minute": "1,,2"}, False), ({"minute": ""}, False), ({"minute": "x"}, False),
    ({"minute": "5/10"}, False), ({"minute": 3.5}, False), ({"day_of_month": 31, "month_of_year": 2}, False), ({"minute": []}, False),
    ({"minute": "0, 30"}, True), ({"day_of_week": "Monday,SAT"}, True), ({"hour": "22-4"}, True), ({"minute": "*/60"}, True),
    ({"minute": "1-5x"}, False),
    # Deliberately different.
    ({"minute": "*/61"}, False),               # never what was meant
    ({"minute": "mon"}, False),                # Celery reads 1
    ({"day_of_week": "mondial"}, False),       # Celery looks at three letters
    ({"minute": True}, False),                 # Celery reads 1
    ({"month_of_year": "jan-mar"}, True),      # names of months
    ({"minute": ["0", "15-20"]}, True),        # texts in lists
]

PLACES = [(52.52, 13.4), (-33.86, 151.2), (40.71, -74.0), (1.35, 103.8), (-54.8, -68.3), (64.1, -21.9)]
EVENTS = ["dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_civil", "dusk_nautical"]


def cases():
    for keywords, zone, after in KNOWN:
        yield {"crontab": keywords, "zone": zone, "after": after}
    yield from random_cases()
    for keywords, zone, after, ours, why in DIFFERENT:
        yield {"crontab": keywords, "zone": zone, "after": after, "ours": ours, "why": why}
    for keywords, ours in TAKEN:
        yield {"crontab": keywords, "ours": ours}
    for latitude, longitude in PLACES:
        for event in EVENTS:
            for after in ["2026-03-21T00:00:00Z", "2029-10-01T12:00:00Z"]:
                yield {"solar": {"event": event, "latitude": latitude, "longitude": longitude}, "after": after}


def answered():
    for case in cases():
        if "solar" in case:
            case["next"] = events(case["solar"], case["after"])
        elif "after" in case:
            case["next"] = ticks(case["crontab"], case["zone"], case["after"], len(case.get("ours", "123")))
        else:
            case["taken"] = taken(case["crontab"])
        yield json.dumps(case)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("--write", "--check"):
        sys.exit(__doc__)
    lines = list(answered())
    if sys.argv[1] == "--write":
        with open(sys.argv[2], "w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in lines)
        return
    with open(sys.argv[2], encoding="utf-8") as file:
        recorded = file.read().splitlines()
    wrong = [(a, b) for a, b in zip(recorded, lines) if a != b]
    for was, is_now in wrong[:10]:
        print(f"the file has    {was}\nCelery says now {is_now}")
    if wrong or len(recorded) != len(lines):
        sys.exit(f"{len(wrong)} of {len(lines)} cases differ ({len(recorded)} in the file); Celery is {celery.__version__}")
    print(f"{len(lines)} cases are as recorded; Celery is {celery.__version__}")


if __name__ == "__main__":
    main()
