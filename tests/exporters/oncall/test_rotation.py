"""Whose turn it is, above all where clocks change.

The tables of handoffs are those of GoAlert, schedule/rotation/rotation_test.go (target/goalert, Apache-2.0):
TestRotation_StartEnd_BruteForce, TestRotation_EndTime, TestRotation_EndTime_DST and TestRotation_FutureStart.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporters.oncall.rotation import Grid, LineUp, Period, Rotation
from tests.exporters.oncall.instants import DAY, HOUR, shown, span, utc

CHICAGO, LORD_HOWE, UTC = ZoneInfo("America/Chicago"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")
QUARTER = 900_000  # ms


def grid(zone: ZoneInfo, every: int, period: str, start: str) -> Grid:
    return Grid(datetime.fromisoformat(start), zone, every, Period(period))


BRUTE_FORCE = [
    # Chicago, back on 1 November 2020 07:00 UTC
    (
        grid(CHICAGO, 24, "hour", "2020-10-30T01:30"),
        "2020-10-30T01:00-05:00",
        "2020-11-03T01:00-06:00",
        [
            "2020-10-29T01:30-05:00",
            "2020-10-30T01:30-05:00",
            "2020-10-31T01:30-05:00",
            "2020-11-01T01:30-05:00",
            "2020-11-02T01:30-06:00",
            "2020-11-03T01:30-06:00",
        ],
    ),
    (
        grid(CHICAGO, 1, "day", "2020-10-30T01:30"),
        "2020-10-30T01:00-05:00",
        "2020-11-03T01:00-06:00",
        [
            "2020-10-29T01:30-05:00",
            "2020-10-30T01:30-05:00",
            "2020-10-31T01:30-05:00",
            "2020-11-01T01:30-05:00",
            "2020-11-02T01:30-06:00",
            "2020-11-03T01:30-06:00",
        ],
    ),
    # forward on 8 March 2020: 02:30 never comes
    (
        grid(CHICAGO, 1, "day", "2020-03-06T02:30"),
        "2020-03-06T01:00-06:00",
        "2020-03-10T01:00-05:00",
        [
            "2020-03-05T02:30-06:00",
            "2020-03-06T02:30-06:00",
            "2020-03-07T02:30-06:00",
            "2020-03-08T03:00-05:00",
            "2020-03-09T02:30-05:00",
            "2020-03-10T02:30-05:00",
        ],
    ),
    (
        grid(CHICAGO, 1, "hour", "2020-03-06T02:30"),
        "2020-03-08T01:00-06:00",
        "2020-03-08T04:00-05:00",
        [
            "2020-03-08T00:30-06:00",
            "2020-03-08T01:30-06:00",
            "2020-03-08T03:00-05:00",
            "2020-03-08T03:30-05:00",
            "2020-03-08T04:30-05:00",
        ],
    ),
    (
        grid(CHICAGO, 1, "hour", "2020-03-06T02:00"),
        "2020-03-08T01:00-06:00",
        "2020-03-08T04:00-05:00",
        ["2020-03-08T01:00-06:00", "2020-03-08T03:00-05:00", "2020-03-08T04:00-05:00", "2020-03-08T05:00-05:00"],
    ),
    (
        grid(CHICAGO, 1, "hour", "2020-07-06T02:30"),
        "2020-11-01T00:00-05:00",
        "2020-11-01T04:00-06:00",
        [
            "2020-10-31T23:30-05:00",
            "2020-11-01T00:30-05:00",
            "2020-11-01T01:30-05:00",
            "2020-11-01T02:30-06:00",
            "2020-11-01T03:30-06:00",
            "2020-11-01T04:30-06:00",
        ],
    ),
    (
        grid(CHICAGO, 1, "hour", "2020-07-06T02:00"),
        "2020-11-01T00:00-05:00",
        "2020-11-01T04:00-06:00",
        [
            "2020-11-01T00:00-05:00",
            "2020-11-01T01:00-05:00",
            "2020-11-01T02:00-06:00",
            "2020-11-01T03:00-06:00",
            "2020-11-01T04:00-06:00",
            "2020-11-01T05:00-06:00",
        ],
    ),
    (
        grid(CHICAGO, 1, "month", "2020-01-02T01:30"),
        "2020-04-05T01:00-05:00",
        "2020-06-12T01:00-05:00",
        ["2020-04-02T01:30-05:00", "2020-05-02T01:30-05:00", "2020-06-02T01:30-05:00", "2020-07-02T01:30-05:00"],
    ),
    (
        grid(CHICAGO, 1, "month", "2020-10-01T01:30"),
        "2020-10-02T01:00-05:00",
        "2020-12-02T01:00-06:00",
        ["2020-10-01T01:30-05:00", "2020-11-01T01:30-05:00", "2020-12-01T01:30-06:00", "2021-01-01T01:30-06:00"],
    ),
    # Lord Howe Island, half an hour back on 4 April 2021 02:00 +11
    (
        grid(LORD_HOWE, 1, "hour", "2021-04-03T02:30"),
        "2021-04-04T01:00+11:00",
        "2021-04-04T04:00+10:30",
        [
            "2021-04-04T00:30+11:00",
            "2021-04-04T01:30+11:00",
            "2021-04-04T02:30+10:30",
            "2021-04-04T03:30+10:30",
            "2021-04-04T04:30+10:30",
        ],
    ),
    (
        grid(LORD_HOWE, 1, "day", "2021-04-01T02:30"),
        "2021-04-02T01:00+11:00",
        "2021-04-06T01:00+10:30",
        [
            "2021-04-01T02:30+11:00",
            "2021-04-02T02:30+11:00",
            "2021-04-03T02:30+11:00",
            "2021-04-04T02:30+10:30",
            "2021-04-05T02:30+10:30",
            "2021-04-06T02:30+10:30",
        ],
    ),
    (
        grid(LORD_HOWE, 1, "day", "2021-04-02T02:00"),
        "2021-04-02T01:00+11:00",
        "2021-04-06T01:00+10:30",
        [
            "2021-04-01T02:00+11:00",
            "2021-04-02T02:00+11:00",
            "2021-04-03T02:00+11:00",
            "2021-04-04T02:00+10:30",
            "2021-04-05T02:00+10:30",
            "2021-04-06T02:00+10:30",
        ],
    ),
    (
        grid(LORD_HOWE, 24, "hour", "2021-04-02T02:00"),
        "2021-04-02T01:00+11:00",
        "2021-04-06T01:00+10:30",
        [
            "2021-04-01T02:00+11:00",
            "2021-04-02T02:00+11:00",
            "2021-04-03T02:00+11:00",
            "2021-04-04T02:00+10:30",
            "2021-04-05T02:00+10:30",
            "2021-04-06T02:00+10:30",
        ],
    ),
    # half an hour forward on 4 October 2020 02:00 +10:30
    (
        grid(LORD_HOWE, 24, "hour", "2020-10-02T01:30"),
        "2020-10-02T01:00+10:30",
        "2020-10-06T01:00+11:00",
        [
            "2020-10-01T01:30+10:30",
            "2020-10-02T01:30+10:30",
            "2020-10-03T01:30+10:30",
            "2020-10-04T01:30+10:30",
            "2020-10-05T01:30+11:00",
            "2020-10-06T01:30+11:00",
        ],
    ),
    (
        grid(LORD_HOWE, 1, "day", "2020-10-02T01:30"),
        "2020-10-02T01:00+10:30",
        "2020-10-06T01:00+11:00",
        [
            "2020-10-01T01:30+10:30",
            "2020-10-02T01:30+10:30",
            "2020-10-03T01:30+10:30",
            "2020-10-04T01:30+10:30",
            "2020-10-05T01:30+11:00",
            "2020-10-06T01:30+11:00",
        ],
    ),
    (
        grid(LORD_HOWE, 1, "day", "2020-10-02T02:15"),  # 02:15 never comes on the 4th
        "2020-10-02T01:00+10:30",
        "2020-10-06T01:00+11:00",
        [
            "2020-10-01T02:15+10:30",
            "2020-10-02T02:15+10:30",
            "2020-10-03T02:15+10:30",
            "2020-10-04T02:30+11:00",
            "2020-10-05T02:15+11:00",
            "2020-10-06T02:15+11:00",
        ],
    ),
]


@pytest.mark.parametrize(("turns", "first", "last", "wanted"), BRUTE_FORCE)
def test_handoffs_are_those_of_goalert(turns: Grid, first: str, last: str, wanted: list[str]) -> None:
    """At any instant: when the turn began, and when it ends."""
    handoffs, (begin, end) = [utc(text) for text in wanted], span(first, last)
    around = [at_ms for handoff in handoffs for at_ms in (handoff - 1, handoff) if begin <= at_ms <= end]
    seen: list[int] = []
    for at_ms in sorted({*range(begin, end + 1, QUARTER), *around}):
        ((_, (start, end)),) = turns.turns((at_ms, at_ms + 1))
        assert start <= at_ms < end
        seen += [start, end]
    assert list(dict.fromkeys(seen)) == handoffs


@pytest.mark.parametrize(
    ("period", "every", "start", "end", "hours"),
    [
        ("month", 1, "2017-06-01T00:00", "2017-07-01T00:00", 24 * 30),
        ("month", 2, "2017-07-01T00:00", "2017-09-01T00:00", 24 * 62),
        ("month", 1, "2017-03-01T00:00", "2017-04-01T00:00", 24 * 31 - 1),
        ("month", 2, "2017-11-01T00:00", "2018-01-01T00:00", 24 * 61 + 1),
        ("week", 1, "2017-06-10T08:00", "2017-06-17T08:00", 24 * 7),
        ("week", 2, "2017-06-10T08:00", "2017-06-24T08:00", 24 * 14),
        ("week", 1, "2017-03-10T08:00", "2017-03-17T08:00", 24 * 7 - 1),
        ("week", 1, "2017-11-04T08:00", "2017-11-11T08:00", 24 * 7 + 1),
        ("day", 1, "2017-06-10T08:00", "2017-06-11T08:00", 24),
        ("day", 2, "2017-06-10T08:00", "2017-06-12T08:00", 48),
        ("day", 1, "2017-03-11T08:00", "2017-03-12T08:00", 23),
        ("day", 1, "2017-11-04T08:00", "2017-11-05T08:00", 25),
        ("hour", 1, "2017-06-10T08:00", "2017-06-10T09:00", 1),
        ("hour", 2, "2017-06-10T08:00", "2017-06-10T10:00", 2),
        ("hour", 3, "2017-03-12T00:00", "2017-03-12T03:00", 2),
        ("hour", 3, "2017-11-05T00:00", "2017-11-05T03:00", 4),
    ],
)
def test_a_turn_is_as_long_as_its_wall_clock_says(period: str, every: int, start: str, end: str, hours: int) -> None:
    turns = grid(CHICAGO, every, period, start)
    assert turns.handoff(1) - turns.handoff(0) == hours * HOUR
    assert turns.handoff(1) == Grid(datetime.fromisoformat(end), CHICAGO, 1, Period.DAY).handoff(0)


@pytest.mark.parametrize(
    ("start", "end"),
    [("2017-03-12T01:00-06:00", "2017-03-12T03:00-05:00"), ("2017-11-05T01:00-05:00", "2017-11-05T02:00-06:00")],
)
def test_hours_are_those_of_the_wall_clock(start: str, end: str) -> None:
    """TestRotation_EndTime_DST: one that is skipped is nobody's, one that comes twice is one turn."""
    ((_, turn),) = grid(CHICAGO, 1, "hour", "2017-01-01T01:00").turns((utc(start), utc(start) + 1))
    assert turn == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("at", "turn"),
    [
        ("2019-01-05T00:00", ("2019-01-05T00:00", "2019-01-06T00:00")),
        ("2019-01-04T23:59:59.999", ("2019-01-04T00:00", "2019-01-05T00:00")),
        ("2019-01-10T00:00", ("2019-01-10T00:00", "2019-01-11T00:00")),
        ("2019-01-09T23:59:59.999", ("2019-01-09T00:00", "2019-01-10T00:00")),
    ],
)
def test_turns_reach_back_before_the_start(at: str, turn: tuple[str, str]) -> None:
    """TestRotation_FutureStart."""
    turns = grid(UTC, 1, "day", "2019-01-10T00:00")
    ((_, found),) = turns.turns((utc(at), utc(at) + 1))
    assert found == span(*turn)


def rotation(turns: Grid, *users: str) -> Rotation:
    return Rotation("primary", (LineUp(users, turns),))


def test_users_take_turns_in_order_for_ever() -> None:
    weekly = rotation(grid(ZoneInfo("America/Los_Angeles"), 1, "week", "2026-11-02T09:00"), "ana", "bo", "cy")
    at = utc("2026-11-02T09:00-08:00")
    assert weekly.who(at - 1) == ("cy",)
    assert [weekly.who(at + week * 7 * DAY)[0] for week in range(4)] == ["ana", "bo", "cy", "ana"]
    assert weekly.who(utc("2030-03-15T12:00")) == weekly.who(utc("2030-03-15T12:00"))


def test_an_instant_far_away_is_no_longer_to_find() -> None:
    """To step there by hours would be sixty million steps."""
    hourly = grid(LORD_HOWE, 1, "hour", "2020-01-01T00:00")
    number = hourly.turn(utc("8999-06-01T00:00"))
    assert hourly.handoff(number) <= utc("8999-06-01T00:00") < hourly.handoff(number + 1)
    assert hourly.turn(utc("1901-01-01T00:00")) < -1_000_000


def test_a_day_that_a_country_left_out_is_nobodys_turn() -> None:
    """Samoa went from 29 to 31 December 2011 over the date line."""
    apia = grid(ZoneInfo("Pacific/Apia"), 1, "day", "2011-12-28T09:00")
    found = [
        (number, shown(start), shown(end)) for number, (start, end) in apia.turns(span("2011-12-29", "2012-01-01"))
    ]
    assert found == [
        (0, "12-28 19:00", "12-29 19:00"),
        (1, "12-29 19:00", "12-30 10:00"),
        (2, "12-30 10:00", "12-30 19:00"),
        (3, "12-30 19:00", "12-31 19:00"),
        (4, "12-31 19:00", "01-01 19:00"),
    ]


def test_a_changed_line_up_leaves_the_past_as_it_was() -> None:
    weekly = grid(UTC, 1, "week", "2026-11-02T09:00")
    before = rotation(weekly, "ana", "bo", "cy")
    since = utc("2026-11-25T12:00")  # a Wednesday: its first takes over in the middle of a turn
    after = Rotation("primary", (*before.line_ups, LineUp(("dan", "ana"), weekly, since)))
    past = span("2020-01-01", "2020-06-01")
    assert after.turns(past) == before.turns(past)
    found = [(shown(turn.start_ms), turn.who[0]) for turn in after.turns(span("2026-11-16T09:00", "2026-12-14T09:00"))]
    assert found == [
        ("11-16 09:00", "cy"),
        ("11-23 09:00", "ana"),
        ("11-25 12:00", "dan"),
        ("11-30 09:00", "ana"),
        ("12-07 09:00", "dan"),
    ]
    assert after.users == ("ana", "bo", "cy", "dan")


def test_a_line_up_may_have_turns_of_another_length() -> None:
    weekly, daily = grid(UTC, 1, "week", "2026-11-02T09:00"), grid(UTC, 1, "day", "2026-11-25T12:00")
    both = Rotation("r", (LineUp(("ana",), weekly), LineUp(("bo", "cy"), daily, utc("2026-11-25T12:00"))))
    found = [(shown(turn.start_ms), turn.who[0]) for turn in both.turns(span("2026-11-23T09:00", "2026-11-28T00:00"))]
    assert found == [("11-23 09:00", "ana"), ("11-25 12:00", "bo"), ("11-26 12:00", "cy"), ("11-27 12:00", "bo")]


@pytest.mark.parametrize(
    ("every", "period", "start", "problem"),
    [
        (1, "month", "2026-10-29T09:00", "not every month has a day 29; begin on one up to 28"),
        (1, "month", "2026-10-31T09:00", "not every month has a day 31"),
        (0, "day", "2026-10-29T09:00", "turns of 0 days; wanted 1 to 366"),
        (13, "month", "2026-10-28T09:00", "turns of 13 months; wanted 1 to 12"),
        (1, "week", "2026-10-29T09:00+01:00", "handoffs begin at a wall clock's time; leave the offset out"),
    ],
)
def test_a_grid_that_cannot_be_kept_is_refused(every: int, period: str, start: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        grid(UTC, every, period, start)


ZONES = st.sampled_from(
    ["America/Chicago", "Australia/Lord_Howe", "Europe/Berlin", "Pacific/Apia", "UTC", "Asia/Tehran"]
)
STARTS = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 28)).map(lambda at: at.replace(second=0, microsecond=0))  # noqa: DTZ001
INSTANTS = st.integers(utc("2008-01-01") // 60_000, utc("2028-01-01") // 60_000).map(lambda minute: minute * 60_000)


@given(
    zone=ZONES,
    start=STARTS,
    every=st.integers(1, 12),
    period=st.sampled_from(list(Period)),
    at_ms=INSTANTS,
    hours=st.integers(0, 72),
)
@example("Pacific/Apia", datetime(2011, 12, 1, 0, 30), 1, Period.HOUR, utc("2011-12-29T00:00"), 72)  # noqa: DTZ001
def test_turns_make_up_any_span_whole(
    zone: str, start: datetime, every: int, period: Period, at_ms: int, hours: int
) -> None:
    """Each turn begins where the one before ended, its number goes up, and any instant in it finds it."""
    turns = Grid(start.replace(day=min(start.day, 28)), ZoneInfo(zone), every, period)
    within = at_ms, at_ms + hours * HOUR
    found = list(turns.turns(within))
    if hours == 0:
        assert found == []
        return
    assert found[0][1][0] <= within[0] < found[0][1][1]
    assert found[-1][1][0] < within[1] <= found[-1][1][1]
    for (number, (_, end)), (after, (begin, _)) in pairwise(found):
        assert end == begin
        assert after > number
    assert all(begin < end for _, (begin, end) in found)
    for number, (begin, end) in found[:20]:
        assert turns.turn(begin) == turns.turn(end - 1) == number
