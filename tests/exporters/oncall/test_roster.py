"""Who is on call: layers, hours, overrides, gaps, and the same answer whichever way one asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.oncall.feed import Feed
from exporters.oncall.override import Override
from exporters.oncall.people import User
from exporters.oncall.roster import Handoff, Roster
from exporters.oncall.rotation import Grid, LineUp, Period, Rotation
from exporters.oncall.schedule import Layer, Schedule
from tests.exporters.oncall.instants import DAY, HOUR, shown, span, table, utc
from thresholds.hours import parse_hours

BERLIN = ZoneInfo("Europe/Berlin")
USERS = {name: User(name) for name in ("ana", "bo", "cy", "desk")}


def weekly(zone: ZoneInfo, *users: str, start: str = "2026-11-02T09:00") -> Rotation:
    return Rotation("primary", (LineUp(users, Grid(datetime.fromisoformat(start), zone)),))


def layer(*who: str, when: str = "", zone: ZoneInfo = BERLIN) -> Layer:
    return Layer(who, parse_hours(when, zone) if when else None)


def roster(*layers: Layer, zone: ZoneInfo = BERLIN, overrides: Sequence[Override] = ()) -> Roster:
    """A roster with one schedule, of a rotation of three that hand over on Mondays at nine."""
    schedule = Schedule("prodops", layers, zone, tuple(overrides))
    return Roster(USERS, {"primary": weekly(zone, "ana", "bo", "cy")}, {"prodops": schedule})


def told(found: Roster, first: str, last: str, *overrides: Override) -> list[str]:
    return table(found.shifts("prodops", span(first, last), overrides))


WEEK = layer("rotation:primary")
OFFICE = layer("user:desk", when="Mon-Fri 09:00-18:00")


def test_the_last_layer_that_has_somebody_wins() -> None:
    """Berlin is an hour ahead of UTC in November."""
    assert told(roster(WEEK, OFFICE), "2026-11-06T00:00", "2026-11-10T00:00") == [
        "11-06 00:00 - 11-06 08:00 ana",
        "11-06 08:00 - 11-06 17:00 desk",
        "11-06 17:00 - 11-09 08:00 ana",
        "11-09 08:00 - 11-09 17:00 desk",
        "11-09 17:00 - 11-10 00:00 bo",
    ]


def test_in_the_other_order_a_layer_without_hours_hides_all_before_it() -> None:
    assert told(roster(OFFICE, WEEK), "2026-11-06T00:00", "2026-11-08T00:00") == ["11-06 00:00 - 11-08 00:00 ana"]


def test_turns_are_counted_on_the_grid_and_hours_only_mask_them() -> None:
    """A daily rotation of two, on weekdays alone: weekends count, so that it is not always the same one on a Monday."""
    daily = Rotation(
        "daily", (LineUp(("ana", "bo"), Grid(datetime.fromisoformat("2026-11-02T00:00"), BERLIN, 1, Period.DAY)),)
    )
    schedule = Schedule("prodops", (layer("rotation:daily", when="Mon-Fri"),), BERLIN)
    found = Roster(USERS, {"daily": daily}, {"prodops": schedule})
    days = [
        (shown(one.start_ms)[:5], one.who[0])
        for one in found.shifts("prodops", span("2026-11-05T23:00", "2026-11-10T23:00"))
    ]
    assert days == [("11-05", "ana"), ("11-08", "bo"), ("11-09", "ana")]


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [
        # Forward on Sunday 29 March 01:00 UTC: the night from Saturday 22:00 to Sunday 06:00 has seven hours.
        ("2026-03-28T12:00", "2026-03-29T12:00", ["03-28 21:00 - 03-29 04:00 ana"]),
        # Back on 25 October 01:00 UTC: nine.
        ("2026-10-24T12:00", "2026-10-25T12:00", ["10-24 20:00 - 10-25 05:00 ana"]),
    ],
)
def test_a_night_is_as_long_as_the_clocks_make_it(first: str, last: str, wanted: list[str]) -> None:
    assert told(roster(layer("user:ana", when="Sat 22:00-06:00")), first, last) == wanted


def test_hours_that_end_in_the_hour_which_comes_twice_reach_to_its_last() -> None:
    found = roster(layer("user:ana", when="daily 00:00-02:30"), layer("user:bo", when="daily 02:30-06:00"))
    assert told(found, "2026-10-24T21:00", "2026-10-25T05:00") == [
        "10-24 22:00 - 10-25 00:30 ana",
        "10-25 00:30 - 10-25 05:00 bo",
    ]
    assert told(roster(layer("user:ana", when="daily 00:00-02:30")), "2026-10-24T21:00", "2026-10-25T05:00") == [
        "10-24 22:00 - 10-25 01:30 ana"
    ]


def test_several_are_on_call_together() -> None:
    found = roster(layer("rotation:primary", "user:desk"))
    assert found.on_call("prodops", utc("2026-11-10T12:00")) == ("bo", "desk")
    assert [user.name for user in found.people("schedule:prodops", utc("2026-11-10T12:00"))] == ["bo", "desk"]


def test_who_stands_twice_is_on_call_once() -> None:
    assert roster(layer("rotation:primary", "user:bo")).on_call("prodops", utc("2026-11-10T12:00")) == ("bo",)


def override(first: str, last: str, **changes: Any) -> Override:
    return Override(*span(first, last), **{"schedule": "prodops", **changes})


TUESDAY = "2026-11-10T12:00", "2026-11-10T18:00"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ([{"replace": {"bo": "ana"}}], ["ana"]),
        ([{"replace": {"cy": "ana"}}], ["bo"]),  # who is not on call is not replaced
        ([{"add": ("ana",)}], ["bo+ana"]),
        ([{"add": ("bo",)}], ["bo"]),
        ([{"remove": ("bo",)}], []),
        ([{"remove": ("bo",), "add": ("cy",)}], ["cy"]),
        ([{"replace": {"bo": "ana"}}, {"replace": {"ana": "cy"}}], ["cy"]),  # the later one sees the earlier
        ([{"replace": {"ana": "cy"}}, {"replace": {"bo": "ana"}}], ["ana"]),
        ([{"replace": {"bo": "ana"}, "schedule": ""}], ["ana"]),  # of every schedule
        ([{"replace": {"bo": "ana"}, "schedule": "other"}], ["bo"]),
        ([{"add": ("stranger",)}], ["bo"]),  # whom a reload took out
        ([{"replace": {"bo": "stranger"}}], []),
    ],
)
def test_an_override_changes_who_is_on_call_while_it_lasts(changes: list[dict[str, Any]], wanted: list[str]) -> None:
    found = roster(WEEK)
    said = [override(*TUESDAY, **change) for change in changes]
    around = [
        table(found.shifts("prodops", (at, at + 1), said))[0].split()[-1]
        for at in (utc(TUESDAY[0]) - 1, utc(TUESDAY[1]))
    ]
    assert around == ["bo", "bo"]
    assert [one.split()[-1] for one in told(found, *TUESDAY, *said)] == wanted


def test_two_who_swap_take_each_others_place() -> None:
    swap = override("2026-11-09T08:00", "2026-11-23T08:00", replace={"bo": "cy", "cy": "bo"})
    assert told(roster(WEEK), "2026-11-09T08:00", "2026-11-23T08:00", swap) == [
        "11-09 08:00 - 11-16 08:00 cy",
        "11-16 08:00 - 11-23 08:00 bo",
    ]


def test_overrides_of_the_configuration_come_before_those_that_were_said_later() -> None:
    found = roster(WEEK, overrides=[override(*TUESDAY, replace={"bo": "ana"})])
    assert told(found, *TUESDAY) == ["11-10 12:00 - 11-10 18:00 ana"]
    later = override("2026-11-10T15:00", TUESDAY[1], replace={"ana": "desk"})
    assert told(found, *TUESDAY, later) == ["11-10 12:00 - 11-10 15:00 ana", "11-10 15:00 - 11-10 18:00 desk"]


def test_an_override_can_fill_a_gap() -> None:
    said = override("2026-11-07T00:00", "2026-11-08T00:00", add=("cy",))
    assert told(roster(OFFICE), "2026-11-06T12:00", "2026-11-09T09:00", said) == [
        "11-06 12:00 - 11-06 17:00 desk",
        "11-07 00:00 - 11-08 00:00 cy",
        "11-09 08:00 - 11-09 09:00 desk",
    ]


def test_an_override_needs_a_length() -> None:
    with pytest.raises(ValueError, match="ends before it begins; write the later instant as its end"):
        override("2026-11-07T00:00", "2026-11-07T00:00")


def test_gaps_are_where_nobody_is() -> None:
    found = roster(OFFICE).gaps("prodops", span("2026-11-06T12:00", "2026-11-09T12:00"))
    assert [(shown(start), shown(end)) for start, end in found] == [("11-06 17:00", "11-09 08:00")]
    assert roster(WEEK, OFFICE).gaps("prodops", span("2026-01-01", "2026-12-31")) == []


def test_handoffs_are_the_changes_after_an_instant_and_up_to_another() -> None:
    found, at = roster(WEEK, OFFICE), utc("2026-11-09T08:00")
    assert found.handoffs("prodops", (at - 1, at)) == [Handoff(at, ("ana",), ("desk",))]
    assert found.handoffs("prodops", (at, at + 8 * HOUR)) == []
    assert [shown(one.at_ms) for one in found.handoffs("prodops", (at, at + 9 * HOUR))] == ["11-09 17:00"]


def test_the_next_shifts_of_a_user_are_of_all_schedules_in_order() -> None:
    first = Schedule("first", (WEEK,), BERLIN)
    second = Schedule("second", (layer("user:ana", when="Mon 12:00-13:00"), layer("user:bo", when="Sun")), BERLIN)
    found = Roster(USERS, {"primary": weekly(BERLIN, "ana", "bo", "cy")}, {"first": first, "second": second})
    own = found.next_shifts("ana", utc("2026-11-03T00:00"), ahead_ms=30 * DAY)
    assert [(one.schedule, *table([one.shift])) for one in own[:3]] == [
        ("first", "11-03 00:00 - 11-09 08:00 ana"),
        ("second", "11-09 11:00 - 11-09 12:00 ana"),
        ("second", "11-16 11:00 - 11-16 12:00 ana"),
    ]
    assert found.next_shifts("stranger", utc("2026-11-03T00:00")) == []


def test_a_shift_of_ones_own_goes_on_while_others_come_and_go() -> None:
    found = roster(layer("rotation:primary", "user:desk"))
    (own,) = found.next_shifts("desk", utc("2026-11-03T00:00"), ahead_ms=30 * DAY)
    assert table([own.shift]) == ["11-03 00:00 - 12-03 00:00 desk"]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("user:ana", ["ana"]),
        ("user:stranger", []),
        ("rotation:primary", ["bo"]),
        ("rotation:gone", []),
        ("schedule:prodops", ["desk"]),
        ("schedule:gone", []),
        ("chat", []),
        ("escalation:prodops", []),
    ],
)
def test_a_target_means_people(target: str, wanted: list[str]) -> None:
    assert [user.name for user in roster(WEEK, OFFICE).people(target, utc("2026-11-10T12:00"))] == wanted


def test_the_end_of_the_clock_is_no_surprise() -> None:
    with pytest.raises(ValueError, match="more than 400 days of a schedule at once; ask for less time"):
        roster(WEEK).shifts("prodops", (0, 401 * DAY))
    assert roster(WEEK).shifts("prodops", (0, 0)) == []


def test_who_is_not_known_leaves_the_place_to_nobody() -> None:
    """As after a reload in which a feed, or an override, still names somebody who has left."""
    found = Roster(
        {"ana": User("ana")},
        {"primary": weekly(BERLIN, "ana", "bo")},
        {"prodops": Schedule("prodops", (WEEK,), BERLIN)},
    )
    assert told(found, "2026-11-02T08:00", "2026-11-16T08:00") == ["11-02 08:00 - 11-09 08:00 ana"]


FEED = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:cy
DTSTART:20261110T120000Z
DTEND:20261110T140000Z
END:VEVENT
END:VCALENDAR
"""


def test_where_a_feed_has_nobody_the_layers_before_it_count() -> None:
    feed = Feed("https://calendar.example/x.ics", name="calendar.example")
    found = roster(WEEK, Layer(feed=feed))
    within = span("2026-11-10T11:00", "2026-11-10T15:00")
    assert table(found.shifts("prodops", within)) == ["11-10 11:00 - 11-10 15:00 bo"]  # it was never fetched
    assert table(found.shifts("prodops", within, (), {feed.key: FEED})) == [
        "11-10 11:00 - 11-10 12:00 bo",
        "11-10 12:00 - 11-10 14:00 cy",
        "11-10 14:00 - 11-10 15:00 bo",
    ]


def test_a_feed_can_be_limited_to_hours_and_come_from_a_file() -> None:
    found = roster(WEEK, Layer(when=parse_hours("daily 14:00-18:00", BERLIN), feed=Feed(text=FEED)))
    assert told(found, "2026-11-10T11:00", "2026-11-10T15:00") == [
        "11-10 11:00 - 11-10 13:00 bo",
        "11-10 13:00 - 11-10 14:00 cy",
        "11-10 14:00 - 11-10 15:00 bo",
    ]


def test_the_key_of_a_feed_says_nothing_of_its_address() -> None:
    one, other = Feed("https://calendar.example/private-1.ics"), Feed("https://calendar.example/private-2.ics")
    assert one.key != other.key
    assert "private" not in f"{one.key} {one!r}"


NAMES = st.sampled_from(["user:ana", "user:bo", "rotation:hourly", "rotation:daily", "rotation:monthly"])
HOURS = st.sampled_from(
    [
        "",
        "Mon-Fri 09:00-18:00",
        "daily 22:00-06:00",
        "Sun 01:30-02:30",
        "Sat,Sun",
        "not Sun 02:00-03:00",
        "03-29; 10-25",
    ]
)
LAYERS = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), HOURS), min_size=1, max_size=4)
CHANGES = st.sampled_from([{"add": ("cy",)}, {"remove": ("ana", "bo")}, {"replace": {"ana": "desk", "bo": "ana"}}])
# Around the nights on which clocks change in the zones below.
NIGHTS = st.sampled_from(
    [utc(day) for day in ("2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-03-07", "2026-10-31")]
)


@given(
    layers=LAYERS,
    zone=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Chicago"]),
    night=NIGHTS,
    offset=st.integers(-2000, 2000),
    minutes=st.integers(1, 4000),
    changes=st.lists(st.tuples(st.integers(-500, 3000), st.integers(1, 2000), CHANGES), max_size=3),
    asked=st.lists(st.integers(0, 10**9), min_size=1, max_size=8),
)
def test_shifts_and_gaps_make_up_a_span_and_say_what_on_call_says(
    layers: list[tuple[list[str], str]],
    zone: str,
    night: int,
    offset: int,
    minutes: int,
    changes: list[tuple[int, int, dict[str, Any]]],
    asked: list[int],
) -> None:
    place = ZoneInfo(zone)
    rotations = {
        name: Rotation(name, (LineUp(("ana", "bo", "cy"), Grid(datetime.fromisoformat(start), place, 1, period)),))
        for name, start, period in (
            ("hourly", "2026-01-01T00:30", Period.HOUR),
            ("daily", "2026-01-01T02:15", Period.DAY),
            ("monthly", "2026-01-28T02:30", Period.MONTH),
        )
    }
    made = tuple(layer(*who, when=when, zone=place) for who, when in layers)
    found = Roster(USERS, rotations, {"prodops": Schedule("prodops", made, place)})
    first = night + offset * 60_000
    within = first, first + minutes * 60_000
    said = [Override(first + at * 60_000, first + (at + long) * 60_000, **change) for at, long, change in changes]
    shifts = found.shifts("prodops", within, said)
    pieces = sorted([*(one.span for one in shifts), *found.gaps("prodops", within, said)])
    assert [pieces[0][0], *(end for _, end in pieces)] == [*(start for start, _ in pieces), within[1]]
    assert pieces[0][0] == within[0]
    for at_ms in [*(first + at % (minutes * 60_000) for at in asked), *(start for start, _ in pieces)]:
        who = next((one.who for one in shifts if one.start_ms <= at_ms < one.end_ms), ())
        assert found.on_call("prodops", at_ms, said) == who
    touching = [(one, other) for one, other in pairwise(shifts) if one.end_ms == other.start_ms]
    assert all(one.who != other.who for one, other in touching)
