"""Calendars that others subscribe to: RFC 5545 as it is written, read back by our own reader."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from exporters.oncall.feed import shifts_of_feed
from exporters.oncall.ics import exported, schedule_calendar, user_calendar
from exporters.oncall.override import Override
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.oncall.rotation import Grid, LineUp, Rotation
from exporters.oncall.schedule import Layer, Schedule
from tests.exporters.oncall.instants import DAY, HOUR, span, table, utc
from thresholds.hours import parse_hours
from thresholds.ical import parse_calendar

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
NOW = utc("2026-11-22T12:00")
USERS = {
    "ana": User("ana", "Ana Ruiz; nights, weekends", "Europe/Madrid"),
    "bo": User("bo", "Bö " * 40),
    "cy": User("cy"),
}


def roster(*layers: Layer) -> Roster:
    rotation = Rotation(
        "primary", (LineUp(("ana", "bo"), Grid(datetime.fromisoformat("2026-11-02T09:00"), LOS_ANGELES)),)
    )
    made = layers or (
        Layer(("rotation:primary",)),
        Layer(("rotation:primary", "user:cy"), parse_hours("Sat", LOS_ANGELES)),
    )
    return Roster(USERS, {"primary": rotation}, {"prodops": Schedule("prodops", made, LOS_ANGELES)})


def lines(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}:(.*?)\r$", text.replace("\r\n ", ""), flags=re.MULTILINE)


def test_what_is_written_is_read_back_as_the_same_shifts() -> None:
    """Over the end of daylight saving time, and 15 days back, 180 ahead."""
    text = schedule_calendar(roster(), "prodops", NOW)
    assert exported(NOW) == (NOW - 15 * DAY, NOW + 180 * DAY)
    found = shifts_of_feed(text, USERS, ZoneInfo("UTC"), exported(NOW))
    assert found.warnings == ()
    assert list(found.shifts) == roster().shifts("prodops", exported(NOW))
    assert len(found.shifts) > 50


def test_lines_are_folded_and_escaped_as_the_standard_wants() -> None:
    """RFC 5545 sections 3.1 and 3.3.11."""
    text = schedule_calendar(roster(), "prodops", NOW)
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Probe//On-call//EN\r\n")
    assert text.endswith("END:VEVENT\r\nEND:VCALENDAR\r\n")
    assert text.count("\n") == text.count("\r\n")
    assert max(len(line.encode()) for line in text.split("\r\n")) == 75
    assert "Ana Ruiz\\; nights\\, weekends" in lines(text, "DESCRIPTION")
    assert "Bö " * 40 in lines(text, "DESCRIPTION")
    assert lines(text, "X-WR-TIMEZONE") == ["America/Los_Angeles"]
    for needed in ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"):  # section 3.6.1
        assert len(lines(text, needed)) == text.count("BEGIN:VEVENT")


def test_a_long_line_is_folded_again_and_again() -> None:
    found = Roster({"ana": User("ana", "a" * 200)}, {}, {"s": Schedule("s", (Layer(("user:ana",)),))})
    (text,) = re.findall(r"^DESCRIPTION:.*?\r$(?:\n .*?\r$)*", schedule_calendar(found, "s", NOW), flags=re.MULTILINE)
    assert [len(line) for line in text.replace("\r", "").split("\n")] == [75, 75, 64]  # with the blank in front


def test_control_characters_stay_out() -> None:
    users = {"ana": User("ana", "Ana\r\nEND:VCALENDAR\x07")}
    found = Roster(users, {}, {"s": Schedule("s", (Layer(("user:ana",)),))})
    assert lines(schedule_calendar(found, "s", NOW), "DESCRIPTION") == ["Ana\\nEND:VCALENDAR"]


def uids(text: str) -> dict[str, str]:
    """Identities by start."""
    return dict(zip(lines(text, "DTSTART"), lines(text, "UID"), strict=True))


def test_an_event_keeps_its_identity_while_time_goes_on() -> None:
    early, late = (schedule_calendar(roster(), "prodops", NOW + later) for later in (0, 3 * HOUR))
    assert len(set(uids(early).values())) == early.count("BEGIN:VEVENT")
    assert set(uids(early).values()) == set(uids(late).values())
    assert early != late


def test_a_shift_that_goes_on_beyond_both_ends_has_one_identity() -> None:
    always = roster(Layer(("user:ana",)))
    early, late = (schedule_calendar(always, "prodops", NOW + later) for later in (0, 40 * DAY))
    assert lines(early, "UID") == lines(late, "UID")
    assert lines(early, "DTSTART") != lines(late, "DTSTART")


def test_identities_are_of_one_service_and_one_calendar() -> None:
    one, other = schedule_calendar(roster(), "prodops", NOW), schedule_calendar(roster(), "prodops", NOW, instance="eu")
    assert not {*lines(one, "UID")} & {*lines(other, "UID"), *lines(user_calendar(roster(), "ana", NOW), "UID")}


def test_ones_own_calendar_has_the_shifts_of_all_schedules() -> None:
    found = roster()
    second = Schedule("second", (Layer(("user:ana",), parse_hours("Tue 10:00-11:00", LOS_ANGELES)),), LOS_ANGELES)
    both = Roster(found.users, found.rotations, {**found.schedules, "second": second})
    text = user_calendar(both, "ana", NOW)
    assert lines(text, "X-WR-CALNAME") == ["On call: Ana Ruiz\\; nights\\, weekends"]
    assert set(lines(text, "SUMMARY")) == {"On call: prodops", "On call: second"}
    own = [
        (one.shift.span, f"On call: {one.schedule}")
        for one in both.next_shifts("ana", NOW - 15 * DAY, ahead_ms=195 * DAY)
    ]
    assert parse_calendar(text).named(exported(NOW)) == own


def test_overrides_are_in_it() -> None:
    said = Override(*span("2026-11-24T00:00", "2026-11-25T00:00"), replace={"bo": "cy"}, schedule="prodops")
    text = schedule_calendar(roster(Layer(("rotation:primary",))), "prodops", NOW, [said])
    found = shifts_of_feed(text, USERS, ZoneInfo("UTC"), span("2026-11-23T12:00", "2026-11-26T00:00"))
    # ana until Monday 09:00 in Los Angeles, 17:00 UTC
    assert table(found.shifts) == [
        "11-23 12:00 - 11-23 17:00 ana",
        "11-23 17:00 - 11-24 00:00 bo",
        "11-24 00:00 - 11-25 00:00 cy",
        "11-25 00:00 - 11-26 00:00 bo",
    ]
