"""Hours of the week, above all in weeks when clocks change: test_calendar.py lists the changes and their source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.hours import parse_hours
from thresholds.spans import Span, inside

_WEEK = timedelta(days=7)


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _week(first: str) -> Span:
    start = _utc(first)
    return start, start + int(_WEEK.total_seconds() * 1000)


def _shown(spans: list[Span]) -> list[str]:
    return [" - ".join(datetime.fromtimestamp(at / 1000, UTC).strftime("%d %H:%M") for at in span) for span in spans]


# The expected instants are the published change and the offsets on both of its sides, by hand.
@pytest.mark.parametrize(
    ("text", "week", "wanted"),
    [
        # New York, forward on Sunday 8 March 07:00 UTC, -05 to -04
        (
            "Sat-Mon 01:30-03:30 America/New_York",
            "2026-03-04",
            ["07 06:30 - 07 08:30", "08 06:30 - 08 07:30", "09 05:30 - 09 07:30"],
        ),
        ("Sat-Mon 02:15-02:45 America/New_York", "2026-03-04", ["07 07:15 - 07 07:45", "09 06:15 - 09 06:45"]),
        ("Sun 02:30-04:00 America/New_York", "2026-03-04", ["08 07:00 - 08 08:00"]),
        ("Sun 01:00-02:30 America/New_York", "2026-03-04", ["08 06:00 - 08 07:00"]),
        ("Sat 22:00-06:00 America/New_York", "2026-03-04", ["08 03:00 - 08 10:00"]),
        # back on Sunday 1 November 06:00 UTC
        ("Sun 01:15-01:45 America/New_York", "2026-10-29", ["01 05:15 - 01 06:45"]),
        ("Sat 22:00-06:00 America/New_York", "2026-10-29", ["01 02:00 - 01 11:00"]),
        ("Sat,Sun America/New_York", "2026-10-29", ["31 04:00 - 02 05:00"]),
        # Berlin, forward on Sunday 29 March 01:00 UTC, +01 to +02; back on 25 October 01:00 UTC
        (
            "Mon-Fri 08:00-20:00 Europe/Berlin",
            "2026-03-26",
            [
                "26 07:00 - 26 19:00",
                "27 07:00 - 27 19:00",
                "30 06:00 - 30 18:00",
                "31 06:00 - 31 18:00",
                "01 06:00 - 01 18:00",
            ],
        ),
        ("Sun 02:30-03:30 Europe/Berlin", "2026-03-26", ["29 01:00 - 29 01:30"]),
        ("Fri,Mon 08:00-20:00 Europe/Berlin", "2026-10-22", ["23 06:00 - 23 18:00", "26 07:00 - 26 19:00"]),
        ("Sun 02:00-03:00 Europe/Berlin", "2026-10-22", ["25 00:00 - 25 02:00"]),
        # Lord Howe, forward by half an hour on Sunday 4 October, 3 October 15:30 UTC, +10:30 to +11
        ("Sun 01:00-03:00 Australia/Lord_Howe", "2026-09-30", ["03 14:30 - 03 16:00"]),
        ("Sun 02:15-02:45 Australia/Lord_Howe", "2026-09-30", ["03 15:30 - 03 15:45"]),
        ("Sun 02:00-02:20 Australia/Lord_Howe", "2026-09-30", []),
        ("Sat 22:00-06:00 Australia/Lord_Howe", "2026-09-30", ["03 11:30 - 03 19:00"]),
        # back by half an hour on Sunday 5 April, 4 April 15:00 UTC
        ("Sun 01:45-01:50 Australia/Lord_Howe", "2026-04-01", ["04 14:45 - 04 15:20"]),
        ("Sun 02:00-03:00 Australia/Lord_Howe", "2026-04-01", ["04 15:30 - 04 16:30"]),
        ("Sat 22:00-06:00 Australia/Lord_Howe", "2026-04-01", ["04 11:00 - 04 19:30"]),
        # Sydney, forward on 3 October 16:00 UTC, +10 to +11; back on 4 April 16:00 UTC
        ("Sun 02:30-04:00 Australia/Sydney", "2026-09-30", ["03 16:00 - 03 17:00"]),
        ("Sun 02:30-02:40 Australia/Sydney", "2026-04-01", ["04 15:30 - 04 16:40"]),
        # Santiago: midnight itself is skipped on 6 September 04:00 UTC, -04 to -03; back on 5 April 03:00 UTC
        ("Sun America/Santiago", "2026-09-03", ["06 04:00 - 07 03:00"]),
        ("Sat 23:00-00:30 America/Santiago", "2026-09-03", ["06 03:00 - 06 04:00"]),
        ("Sat 23:15-23:45 America/Santiago", "2026-04-01", ["05 02:15 - 05 03:45"]),
        ("Sat America/Santiago", "2026-04-01", ["04 03:00 - 05 04:00"]),
        # Havana, back over midnight on 1 November 05:00 UTC, -04 to -05
        ("Sat America/Havana", "2026-10-29", ["31 04:00 - 01 04:00"]),
        ("Sun America/Havana", "2026-10-29", ["01 04:00 - 02 05:00"]),
        ("Sat 20:00-00:30 America/Havana", "2026-10-29", ["01 00:00 - 01 05:30"]),
        # Apia had no 30 December (a Friday) in 2011: from the 29th, -10, to the 31st, +14, at 30 December 10:00 UTC
        ("Fri 08:00-20:00 Pacific/Apia", "2011-12-28", []),
        ("Thu,Sat 20:00-21:00 Pacific/Apia", "2011-12-28", ["30 06:00 - 30 07:00", "31 06:00 - 31 07:00"]),
    ],
)
def test_hours_are_what_wall_clocks_show_in_weeks_when_they_change(text: str, week: str, wanted: list[str]) -> None:
    assert _shown(parse_hours(text).spans(_week(week))) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "Mon-Fri 08:00-20:00 Australia/Sydney; Sat 10:00-14:00 Australia/Sydney",
            [
                "02 00:00 - 02 09:00",
                "02 21:00 - 03 09:00",
                "03 21:00 - 04 09:00",
                "04 21:00 - 05 09:00",
                "05 21:00 - 06 09:00",
                "06 23:00 - 07 03:00",
                "08 21:00 - 09 00:00",
            ],
        ),
        ("Mon 08:00-12:00, 13:00-17:00 UTC", ["02 08:00 - 02 12:00", "02 13:00 - 02 17:00"]),
        ("Mon 08:00-12:00,12:00-13:00 UTC", ["02 08:00 - 02 13:00"]),
        ("Mon 22:00-06:00 UTC", ["02 22:00 - 03 06:00"]),
        ("Mon 22:00-00:00 UTC", ["02 22:00 - 03 00:00"]),
        ("Mon 22:00-24:00 UTC", ["02 22:00 - 03 00:00"]),
        ("Sun 22:00-06:00 UTC", ["02 00:00 - 02 06:00", "08 22:00 - 09 00:00"]),  # cut by the week that is asked for
        ("Sat-Mon UTC", ["02 00:00 - 03 00:00", "07 00:00 - 09 00:00"]),
        (
            "tuesday, thursday - friday 09:00-10:00 UTC",
            ["03 09:00 - 03 10:00", "05 09:00 - 05 10:00", "06 09:00 - 06 10:00"],
        ),
        ("Mon 09:00-17:00 Europe/Berlin; Mon 09:00-17:00 America/New_York", ["02 08:00 - 02 22:00"]),  # follows the sun
        ("2026-11-04..2026-11-05 10:00-11:00 UTC", ["04 10:00 - 04 11:00", "05 10:00 - 05 11:00"]),
        ("11-03,11-08 UTC", ["03 00:00 - 04 00:00", "08 00:00 - 09 00:00"]),
        ("12-24..11-02 10:00-11:00 UTC", ["02 10:00 - 02 11:00"]),  # over the end of the year
        ("Tue Oct-Dec 10:00-11:00 UTC; Wed Jan-Oct 10:00-11:00 UTC", ["03 10:00 - 03 11:00"]),
        ("Mon-Wed 08:00-09:00 UTC; not 2026-11-03", ["02 08:00 - 02 09:00", "04 08:00 - 04 09:00"]),
        # A night belongs to the day on which it begins: the 3rd is off, the night of the 2nd is not.
        ("Mon-Wed 22:00-06:00 UTC; not 11-03", ["02 22:00 - 03 06:00", "04 22:00 - 05 06:00"]),
        ("Mon 08:00-20:00 UTC; not Mon 12:00-13:00", ["02 08:00 - 02 12:00", "02 13:00 - 02 20:00"]),
        ("not Tue-Sun UTC", ["02 00:00 - 03 00:00"]),
        ("Mon,Sun UTC; not Sun 01:00-24:00 Europe/Berlin", ["02 00:00 - 03 00:00", "08 23:00 - 09 00:00"]),
        ("not Sun 02:00-04:00 UTC", ["02 00:00 - 08 02:00", "08 04:00 - 09 00:00"]),
    ],
)
def test_hours_say_what_they_hold(text: str, wanted: list[str]) -> None:
    assert _shown(parse_hours(text).spans(_week("2026-11-02"))) == wanted


def test_other_hours_from_a_day_on_leave_those_before_as_they_were() -> None:
    text = "2020-01-01..2026-11-03 Mon-Fri 08:00-18:00; 2026-11-04..2099-12-31 Mon-Fri 08:00-20:00 UTC"
    lengths = [(end - start) / 3_600_000 for start, end in parse_hours(text).spans(_week("2026-11-02"))]
    assert lengths == [10, 10, 12, 12, 12]


def test_a_zone_of_the_caller_is_for_clauses_without_one() -> None:
    assert _shown(parse_hours("Mon 09:00-10:00", "Asia/Tokyo").spans(_week("2026-11-01"))) == ["02 00:00 - 02 01:00"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "hours are empty; write it as in Mon-Fri 08:00-20:00 Australia/Sydney"),
        ("Mon-Fri 08:00-20:00", "no one time zone"),
        ("Mon UTC; Tue; Wed Europe/Berlin", "in each clause where they differ"),
        ("Mon-Fri 8-20 UTC", "'8-20' is no day, month, date or time"),
        ("Mon-Fri 08:00-25:00 UTC", "'08:00-25:00' is no range of times"),
        ("Mon-Fri 08:00 UTC", "'08:00' is no range of times"),
        ("Mon-Fri 08:00-08:00 UTC", "write 00:00-24:00 for a whole day"),
        ("Mon-Fry 08:00-20:00 UTC", "'Mon-Fry' is no day, month, date or time"),
        ("Mon,Foo 08:00-20:00 UTC", "'foo' is no day and no month"),
        ("Mon- 08:00-20:00 UTC", "'Mon-' is no day"),
        ("Mon 08:00-20:00 Australia/Sidney", "did you mean Australia/Sydney"),
        ("Mon Tue 08:00-20:00 UTC", "two lots of weekdays"),
        ("2026-02-30 UTC", "2026-02-30 is no date of the calendar"),
        ("2026-12-24..01-02 UTC", "one has a year and the other has none"),
        ("2026-12-24..2026-12-02 UTC", "ends before it begins"),
        ("Mon UTC; not", "'not' without what is taken away"),
        ("x" * 10_001, "10001 characters are too long"),
    ],
)
def test_what_is_wrong_with_hours_is_told_with_what_would_be_right(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_hours(text)
    assert told in str(caught.value)


def test_hours_of_too_many_days_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for 40000 days at most"):
        parse_hours("Mon UTC").spans((0, _utc("2200-01-01")))


@given(
    st.sampled_from(
        ["Mon-Fri 08:00-20:00 Europe/Berlin", "Sat 22:00-06:00 Australia/Lord_Howe", "Sun America/Santiago"]
    ),
    st.integers(_utc("2026-01-01"), _utc("2027-01-01")),
    st.integers(1, 3 * 86_400_000),
)
def test_hours_are_the_same_whatever_span_they_are_asked_for(text: str, start: int, length: int) -> None:
    hours = parse_hours(text)
    year = hours.spans((_utc("2025-12-01"), _utc("2027-02-01")))
    assert hours.hold(start) is inside(year, start)
    found = hours.spans((start, start + length))
    assert found == [
        (max(one, start), min(other, start + length)) for one, other in year if one < start + length and other > start
    ]
