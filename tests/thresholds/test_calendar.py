"""Wall clocks to instants. The changes of clocks are those of the IANA time zone database, as `zdump -v` prints them:

America/New_York     2026-03-08 07:00 UTC 02:00 -> 03:00    2026-11-01 06:00 UTC 02:00 -> 01:00
Europe/Berlin        2026-03-29 01:00 UTC 02:00 -> 03:00    2026-10-25 01:00 UTC 03:00 -> 02:00
Australia/Lord_Howe  2026-10-03 15:30 UTC 02:00 -> 02:30    2026-04-04 15:00 UTC 02:00 -> 01:30
Australia/Sydney     2026-10-03 16:00 UTC 02:00 -> 03:00    2026-04-04 16:00 UTC 03:00 -> 02:00
America/Santiago     2026-09-06 04:00 UTC 00:00 -> 01:00    2026-04-05 03:00 UTC 24:00 -> 23:00
America/Havana       2026-03-08 05:00 UTC 00:00 -> 01:00    2026-11-01 05:00 UTC 01:00 -> 00:00
America/St_Johns     2006-10-29 02:31 UTC 00:01 -> 23:01 of the day before
Pacific/Apia         2011-12-30 10:00 UTC 24:00 of the 29th -> 00:00 of the 31st
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.calendar import (
    Unit,
    calendar_span,
    calendar_spans,
    instant,
    local,
    named_zone,
    occurrences,
    parse_instant,
    previous_span,
    resolve,
)

_ODD = (
    *("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "America/Havana"),
    *("America/St_Johns", "Pacific/Apia", "Africa/Cairo", "UTC"),
)


def _wall(text: str) -> datetime:
    """What a wall clock shows."""
    return datetime.fromisoformat(text)


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _shown(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("zone", "wall", "first", "last"),
    [
        ("America/New_York", "2026-03-08 01:59", "2026-03-08 06:59", ""),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00", ""),  # never comes: where the gap ends
        ("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00", ""),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30", "2026-11-01 06:30"),  # comes twice
        ("America/New_York", "2026-11-01 02:00", "2026-11-01 07:00", ""),
        ("Europe/Berlin", "2026-03-29 02:00", "2026-03-29 01:00", ""),
        ("Europe/Berlin", "2026-10-25 02:59", "2026-10-25 00:59", "2026-10-25 01:59"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30", ""),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45", "2026-04-04 15:15"),
        ("Australia/Lord_Howe", "2026-04-05 02:00", "2026-04-04 15:30", ""),
        ("America/Santiago", "2026-09-06 00:00", "2026-09-06 04:00", ""),
        ("America/Havana", "2026-11-01 00:30", "2026-11-01 04:30", "2026-11-01 05:30"),
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00", ""),  # a day that never was
    ],
)
def test_a_wall_clock_names_its_first_or_its_last_occurrence_or_the_end_of_the_gap(
    zone: str, wall: str, first: str, last: str
) -> None:
    naive = datetime.fromisoformat(wall)
    assert _shown(resolve(naive, ZoneInfo(zone))) == first
    assert _shown(resolve(naive, ZoneInfo(zone), last=True)) == (last or first)


def test_a_time_that_a_wall_clock_never_shows_occurs_nowhere_and_an_ambiguous_one_twice() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    assert occurrences(_wall("2026-10-04T02:15"), zone) == []
    assert occurrences(_wall("2026-04-05T01:45"), zone) == [_utc("2026-04-04 14:45"), _utc("2026-04-04 15:15")]
    assert occurrences(_wall("2026-04-05T02:00"), zone) == [_utc("2026-04-04 15:30")]


def test_rfc_5545_reads_a_missing_time_with_the_offset_before_the_gap() -> None:
    """Section 3.3.5: TZID=America/New_York:20070311T023000 is 03:30 EDT; 20071104T013000 is the one of EDT."""
    zone = ZoneInfo("America/New_York")
    assert _shown(instant(_wall("2007-03-11T02:30"), zone)) == "2007-03-11 07:30"
    assert _shown(instant(_wall("2007-11-04T01:30"), zone)) == "2007-11-04 05:30"


@pytest.mark.parametrize(
    ("unit", "zone", "at", "start", "end"),
    [
        ("day", "America/New_York", "2026-03-08 12:00", "2026-03-08 05:00", "2026-03-09 04:00"),  # 23 h
        ("day", "America/New_York", "2026-11-01 04:00", "2026-11-01 04:00", "2026-11-02 05:00"),  # 25 h
        ("day", "Australia/Lord_Howe", "2026-04-05 00:00", "2026-04-04 13:00", "2026-04-05 13:30"),  # 24.5 h
        ("day", "Australia/Lord_Howe", "2026-10-04 00:00", "2026-10-03 13:30", "2026-10-04 13:00"),  # 23.5 h
        ("day", "America/Santiago", "2026-09-06 04:00", "2026-09-06 04:00", "2026-09-07 03:00"),  # begins at 01:00
        ("day", "America/Santiago", "2026-04-05 03:30", "2026-04-04 03:00", "2026-04-05 04:00"),
        ("day", "America/Havana", "2026-11-01 05:30", "2026-11-01 04:00", "2026-11-02 05:00"),  # two midnights
        ("day", "America/St_Johns", "2006-10-29 03:00", "2006-10-29 02:30", "2006-10-30 03:30"),  # shows the 28th again
        ("day", "Pacific/Apia", "2011-12-30 09:00", "2011-12-29 10:00", "2011-12-30 10:00"),
        ("day", "Pacific/Apia", "2011-12-30 10:00", "2011-12-30 10:00", "2011-12-31 10:00"),
        ("week", "Europe/Berlin", "2026-03-29 12:00", "2026-03-22 23:00", "2026-03-29 22:00"),  # 167 h
        ("week", "Europe/Berlin", "2026-10-25 22:59", "2026-10-18 22:00", "2026-10-25 23:00"),  # 169 h
        ("month", "America/New_York", "2026-03-15 00:00", "2026-03-01 05:00", "2026-04-01 04:00"),  # 743 h
        ("month", "Australia/Lord_Howe", "2026-04-15 00:00", "2026-03-31 13:00", "2026-04-30 13:30"),  # 720.5 h
        ("month", "UTC", "2028-02-29 23:59", "2028-02-01 00:00", "2028-03-01 00:00"),
        ("quarter", "Europe/Berlin", "2026-02-01 00:00", "2025-12-31 23:00", "2026-03-31 22:00"),
        ("quarter", "UTC", "2026-12-31 23:59", "2026-10-01 00:00", "2027-01-01 00:00"),
        ("year", "Australia/Sydney", "2026-12-31 13:00", "2026-12-31 13:00", "2027-12-31 13:00"),
    ],
)
def test_a_calendar_span_is_as_long_as_the_clocks_make_it(unit: str, zone: str, at: str, start: str, end: str) -> None:
    span = calendar_span(unit, zone, _utc(at))
    assert (_shown(span[0]), _shown(span[1])) == (start, end)


@given(
    st.sampled_from(Unit),
    st.sampled_from(_ODD),
    st.integers(_utc("2003-01-01 00:00"), _utc("2040-01-01 00:00"))
    | st.integers(_utc("2006-10-28"), _utc("2006-10-31")),
)
def test_calendar_spans_hold_their_instant_and_follow_each_other(unit: Unit, zone: str, at_ms: int) -> None:
    start, end = calendar_span(unit, zone, at_ms)
    assert start <= at_ms < end
    assert previous_span(unit, zone, at_ms)[1] == start
    assert calendar_span(unit, zone, end)[0] == end


def test_calendar_spans_cover_a_span_of_time_without_a_gap() -> None:
    spans = calendar_spans(Unit.MONTH, "America/New_York", (_utc("2026-01-15 00:00"), _utc("2026-04-01 04:00")))
    assert [_shown(start) for start, _ in spans] == ["2026-01-01 05:00", "2026-02-01 05:00", "2026-03-01 05:00"]
    assert spans[-1][1] == _utc("2026-04-01 04:00")


def test_too_many_calendar_spans_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 40000 of a day"):
        calendar_spans(Unit.DAY, "UTC", (0, _utc("2100-01-01 00:00")))


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("2026-12-24T18:00", "Australia/Sydney", "2026-12-24 07:00"),
        ("2026-12-24 18:00:00+01:00", "Australia/Sydney", "2026-12-24 17:00"),
        ("2026-12-24T18:00Z", "Australia/Sydney", "2026-12-24 18:00"),
        ("2026-12-24", "Europe/Berlin", "2026-12-23 23:00"),
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29 01:00"),
    ],
)
def test_an_instant_is_read_on_the_zones_wall_clock_unless_it_has_an_offset(text: str, zone: str, at: str) -> None:
    assert _shown(parse_instant(text, zone)) == at


def test_an_end_that_comes_twice_is_the_last_one() -> None:
    assert _shown(parse_instant("2026-10-25T02:30", "Europe/Berlin", last=True)) == "2026-10-25 01:30"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Australia/Sidney", "did you mean Australia/Sydney"),
        ("berlin", "did you mean Europe/Berlin"),
        ("../../etc/passwd", "is no time zone"),
        ("America", "is no time zone"),  # a folder of zones
        ("localtime", "is no time zone"),
        ("", "is no time zone"),
        ("x\0y", "is no time zone"),
    ],
)
def test_an_unknown_zone_is_told_with_what_may_be_meant(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=meant):
        named_zone(name)


@pytest.mark.parametrize("at_ms", [10**18, -(10**18), 10**15])
def test_an_instant_that_is_no_unix_ms_is_refused(at_ms: int) -> None:
    with pytest.raises(ValueError, match="wanted Unix ms"):
        local(at_ms, UTC)


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01T00:00", "9999-12-31T23:59", "0001-01-01"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no instant|outside of the years"):
        parse_instant(text, "UTC")
