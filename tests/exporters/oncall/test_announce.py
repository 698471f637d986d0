"""When a schedule is announced, and which time an announcement is about."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from exporters.oncall.announce import About, parse_moments, span_about
from tests.exporters.oncall.instants import shown, span, utc

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "first", "last", "wanted"),
    [
        ("Fri 16:00", "2026-11-01", "2026-11-15", ["11-06 15:00", "11-13 15:00"]),
        ("Mon-Fri 09:00", "2026-11-06", "2026-11-11", ["11-06 08:00", "11-09 08:00", "11-10 08:00"]),
        ("00:00", "2026-11-06", "2026-11-08", ["11-06 23:00", "11-07 23:00"]),
        ("12-24 18:00", "2026-12-01", "2027-01-01", ["12-24 17:00"]),
        # Clocks go forward on 29 March at 01:00 UTC, and back on 25 October at 01:00 UTC.
        ("Sun 02:30", "2026-03-28", "2026-03-30", ["03-29 01:00"]),
        ("Sun 02:30", "2026-10-24", "2026-10-26", ["10-25 00:30"]),
    ],
)
def test_an_announcement_comes_when_its_wall_clock_says(text: str, first: str, last: str, wanted: list[str]) -> None:
    assert [shown(at_ms) for at_ms in parse_moments(text).within(span(first, last), BERLIN)] == wanted


def test_an_instant_belongs_to_the_span_that_begins_with_it() -> None:
    at = utc("2026-11-06T15:00")
    moments = parse_moments("Fri 16:00")
    assert moments.within((at, at + 1), BERLIN) == [at]
    assert moments.within((at - 1, at), BERLIN) == []
    assert moments.within((at, at), BERLIN) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Friday", "'Friday' is no time of the week; write it as in Fri 16:00, or just 09:00"),
        ("Fri 25:00", "'Fri 25:00' is no time of the week"),
        ("Fri 16:00; Sat 10:00", "is no time of the week"),
        ("Fry 16:00", "'Fry' is no day, month, date or time"),
        ("not Fri 16:00", "'not Fri 16:00' says more than days and a time; its zone is that of the schedule"),
        ("Fri Asia/Tokyo 16:00", "says more than days and a time"),
        ("Fri 08:00-10:00 16:00", "two lots of times"),
        ("", "'' is no time of the week"),
    ],
)
def test_what_is_no_time_of_the_week_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_moments(text)


@pytest.mark.parametrize(
    ("about", "at", "wanted"),
    [
        (About.DAY, "2026-11-06T15:00", ("11-06 15:00", "11-07 15:00")),
        (About.DAY, "2026-10-24T12:00", ("10-24 12:00", "10-25 13:00")),  # on the wall clock
        (About.WEEK, "2026-11-06T15:00", ("11-06 15:00", "11-13 15:00")),
        (About.WEEKEND, "2026-11-06T15:00", ("11-06 23:00", "11-08 23:00")),
        (About.WEEKEND, "2026-11-08T15:00", ("11-08 15:00", "11-08 23:00")),  # of one that is on, the rest
        (About.WEEKEND, "2026-11-09T15:00", ("11-13 23:00", "11-15 23:00")),
        (About.WEEKEND, "2026-10-23T15:00", ("10-23 22:00", "10-25 23:00")),  # 49 hours
    ],
)
def test_an_announcement_is_about_the_time_that_comes(about: About, at: str, wanted: tuple[str, str]) -> None:
    start, end = span_about(about, utc(at), BERLIN)
    assert (shown(start), shown(end)) == wanted


def test_now_is_an_instant() -> None:
    assert span_about(About.NOW, 5, BERLIN) == (5, 6)
