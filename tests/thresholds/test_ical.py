"""iCalendar files: what their events give in UTC, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.ical import parse_calendar
from thresholds.ical_lines import parse_components
from thresholds.ical_zone import zones_of
from thresholds.spans import Span

# RFC 5545 section 3.6.5: New York as the standard writes it, here under a name of nobody's.
_OFFICE = """BEGIN:VTIMEZONE
TZID:Office Time
BEGIN:DAYLIGHT
DTSTART:20070311T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
TZNAME:EDT
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20071104T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
TZNAME:EST
END:STANDARD
END:VTIMEZONE
"""
# Lord Howe as its law has it since 2008: half an hour, first Sunday of October to first Sunday of April.
_ISLAND = """BEGIN:VTIMEZONE
TZID:Island
BEGIN:STANDARD
DTSTART:16010101T020000
RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU
TZOFFSETFROM:+1100
TZOFFSETTO:+1030
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=1SU
TZOFFSETFROM:+1030
TZOFFSETTO:+1100
END:DAYLIGHT
END:VTIMEZONE
"""


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


_YEAR = _utc("2026-01-01"), _utc("2027-01-01")


def _file(*events: str, head: str = "") -> str:
    body = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}{body}END:VCALENDAR\n"


def _shown(spans: list[Span]) -> list[str]:
    return [" - ".join(datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M") for at in span) for span in spans]


def _given(*events: str, head: str = "", zone: str = "UTC", within: Span = _YEAR) -> list[str]:
    return _shown(parse_calendar(_file(*events, head=head), zone).spans(within))


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("DTSTART:20261102T220000Z\nDTEND:20261103T020000Z", ["11-02 22:00 - 11-03 02:00"]),
        (
            "DTSTART;TZID=Australia/Sydney:20261102T220000\nDTEND;TZID=Australia/Sydney:20261103T020000",
            ["11-02 11:00 - 11-02 15:00"],
        ),
        ('DTSTART;TZID="Australia/Sydney":20261102T220000\nDURATION:PT4H', ["11-02 11:00 - 11-02 15:00"]),
        ("DTSTART:20261102T220000\nDURATION:PT1H30M", ["11-02 21:00 - 11-02 22:30"]),  # floating: the caller's zone
        ("DTSTART;VALUE=DATE:20261102\nDTEND;VALUE=DATE:20261104", ["11-01 23:00 - 11-03 23:00"]),
        ("DTSTART;VALUE=DATE:20261102", ["11-01 23:00 - 11-02 23:00"]),  # without an end: that day
        ("DTSTART:20261102T220000Z", []),  # without an end: no time
        # Berlin's clocks change on 29 March and 25 October: a day of 23 hours, one of 25, and hours that stay hours
        ("DTSTART;VALUE=DATE:20260329", ["03-28 23:00 - 03-29 22:00"]),
        ("DTSTART;VALUE=DATE:20261025", ["10-24 22:00 - 10-25 23:00"]),
        ("DTSTART;TZID=Europe/Berlin:20261024T220000\nDURATION:P1D", ["10-24 20:00 - 10-25 21:00"]),
        ("DTSTART;TZID=Europe/Berlin:20261024T220000\nDURATION:PT24H", ["10-24 20:00 - 10-25 20:00"]),
        ("DTSTART;TZID=Europe/Berlin:20260329T023000\nDURATION:PT1H", ["03-29 01:30 - 03-29 02:30"]),  # RFC 5545 3.3.5
        # A night a week, 22:00 on the wall: 21:00 UTC in winter, 20:00 in summer; as long as the first was
        (
            "DTSTART;TZID=Europe/Berlin:20260321T220000\nDTEND;TZID=Europe/Berlin:20260322T060000\nRRULE:FREQ=WEEKLY;COUNT=3",
            ["03-21 21:00 - 03-22 05:00", "03-28 21:00 - 03-29 05:00", "04-04 20:00 - 04-05 04:00"],
        ),
        (
            "DTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261102T100000Z,20261103T100000Z",
            ["11-01 10:00 - 11-01 11:00", "11-04 10:00 - 11-04 11:00"],
        ),
        (
            "DTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20261102",
            ["11-01 10:00 - 11-01 11:00", "11-03 10:00 - 11-03 11:00"],
        ),
        (
            "DTSTART:20261101T100000Z\nDURATION:PT1H\nRDATE:20261105T120000Z\nRDATE;VALUE=PERIOD:20261106T120000Z/PT3H,20261107T120000Z/20261107T123000Z",
            [
                "11-01 10:00 - 11-01 11:00",
                "11-05 12:00 - 11-05 13:00",
                "11-06 12:00 - 11-06 15:00",
                "11-07 12:00 - 11-07 12:30",
            ],
        ),
        (
            "DTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2\nRDATE;TZID=Europe/Berlin:20261102T080000",
            ["11-01 10:00 - 11-01 11:00", "11-02 07:00 - 11-02 08:00", "11-08 10:00 - 11-08 11:00"],
        ),
        ("DTSTART:20261102T220000Z\nDURATION:PT1H\nSTATUS:CANCELLED", []),
        ("DTSTART:20261102T220000Z\nDURATION:PT1H\nSTATUS:TENTATIVE", ["11-02 22:00 - 11-02 23:00"]),
    ],
)
def test_an_event_gives_its_time(event: str, wanted: list[str]) -> None:
    assert _given(event, zone="Europe/Berlin") == wanted


def test_a_patch_day_comes_on_the_second_tuesday_of_each_month() -> None:
    """Microsoft's of 2026: 10 November and 8 December; New York is at -05 on both."""
    event = "DTSTART;TZID=America/New_York:20250114T220000\nDURATION:PT4H\nRRULE:FREQ=MONTHLY;BYDAY=2TU"
    assert _given(event, within=(_utc("2026-11-01"), _YEAR[1])) == [
        "11-11 03:00 - 11-11 07:00",
        "12-09 03:00 - 12-09 07:00",
    ]


_SERIES = "UID:a\nSUMMARY:night\nDTSTART;TZID=Europe/Berlin:20261102T220000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4"


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (  # moved by a day and made longer
            ["UID:a\nRECURRENCE-ID;TZID=Europe/Berlin:20261103T220000\nDTSTART:20261110T080000Z\nDURATION:PT2H"],
            [
                "11-02 21:00 - 11-02 22:00",
                "11-04 21:00 - 11-04 22:00",
                "11-05 21:00 - 11-05 22:00",
                "11-10 08:00 - 11-10 10:00",
            ],
        ),
        (  # the same occurrence, named in UTC, cancelled
            ["UID:a\nRECURRENCE-ID:20261103T210000Z\nSTATUS:CANCELLED\nDTSTART:20261103T210000Z"],
            ["11-02 21:00 - 11-02 22:00", "11-04 21:00 - 11-04 22:00", "11-05 21:00 - 11-05 22:00"],
        ),
        (  # moved twice: the later word holds, in whatever order they stand
            [
                "UID:a\nSEQUENCE:2\nRECURRENCE-ID:20261103T210000Z\nDTSTART:20261112T080000Z\nDURATION:PT1H",
                "UID:a\nSEQUENCE:1\nRECURRENCE-ID:20261103T210000Z\nDTSTART:20261111T080000Z\nDURATION:PT1H",
            ],
            [
                "11-02 21:00 - 11-02 22:00",
                "11-04 21:00 - 11-04 22:00",
                "11-05 21:00 - 11-05 22:00",
                "11-12 08:00 - 11-12 09:00",
            ],
        ),
        (["UID:a\nSEQUENCE:3\nSTATUS:CANCELLED\nDTSTART:20261102T210000Z"], []),  # all of it
        (["UID:a\nSEQUENCE:3\nDTSTART:20261120T210000Z\nDURATION:PT1H"], ["11-20 21:00 - 11-20 22:00"]),
    ],
)
def test_what_is_told_of_an_occurrence_takes_its_place(told: list[str], wanted: list[str]) -> None:
    assert _given(_SERIES, *told) == wanted
    assert _given(*told, _SERIES) == wanted


@pytest.mark.parametrize(
    ("head", "zone", "wanted"),
    [
        # Either side of New York's change of 8 March, and of Lord Howe's of 4 and 5 April
        (_OFFICE, "Office Time", ["03-08 03:00 - 03-08 04:00", "03-09 02:00 - 03-09 03:00"]),
        ("", "America/New_York", ["03-08 03:00 - 03-08 04:00", "03-09 02:00 - 03-09 03:00"]),
    ],
)
def test_a_zone_of_the_files_own_changes_as_it_says(head: str, zone: str, wanted: list[str]) -> None:
    assert _given(f"DTSTART;TZID={zone}:20260307T220000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2", head=head) == wanted


def test_a_zone_of_the_files_own_may_change_by_half_an_hour() -> None:
    """02:00 to 01:30 on 4 April 15:00 UTC, 02:00 to 02:30 on 3 October 15:30 UTC, as `zdump -v` prints them."""
    april = "DTSTART;TZID=Island:20260404T220000\nDTEND;TZID=Island:20260405T060000"
    twice = "DTSTART;TZID=Island:20260405T014500\nDURATION:PT5M"
    october = "DTSTART;TZID=Island:20261003T220000\nDTEND;TZID=Island:20261004T060000"
    assert _given(april, head=_ISLAND) == ["04-04 11:00 - 04-04 19:30"]
    assert _given(twice, head=_ISLAND) == ["04-04 14:45 - 04-04 14:50"]
    assert _given(october, head=_ISLAND) == ["10-03 11:30 - 10-03 19:00"]


def test_a_calendars_own_zone_goes_before_the_callers() -> None:
    head = "X-WR-TIMEZONE:America/New_York\n"
    assert _given("DTSTART:20261102T220000\nDURATION:PT1H", head=head, zone="Asia/Tokyo") == [
        "11-03 03:00 - 11-03 04:00"
    ]


def test_a_location_of_iana_stands_for_a_zone_of_the_files_own() -> None:
    head = _OFFICE.replace("TZID:Office Time", "TZID:Old\nX-LIC-LOCATION:Europe/Berlin")
    assert _given("DTSTART;TZID=Old:20261102T220000\nDURATION:PT1H", head=head) == ["11-02 21:00 - 11-02 22:00"]


def test_lines_are_unfolded_and_unescaped() -> None:
    text = _file("SUMMARY:Upgrade\\, part\n  one\\n(db)\nDTSTART:2026110\n 2T220000Z\nDURATION:PT1H").replace(
        "\n", "\r\n"
    )
    named = parse_calendar("\ufeff" + text).named(_YEAR)
    assert named == [((_utc("2026-11-02T22:00"), _utc("2026-11-02T23:00")), "Upgrade, part one\n(db)")]


def test_spans_are_called_what_their_events_are() -> None:
    def event(name: str, start: str, length: str) -> str:
        return f"UID:{start}{name}\nSUMMARY:{name}\nDTSTART:{start}Z\nDURATION:{length}"

    calendar = parse_calendar(
        _file(
            event("Freeze\\nof all", "20251231T230000", "PT2H"),  # cut by the year that is asked for
            event("Upgrade", "20261102T220000", "PT1H"),
            event("Upgrade", "20261102T223000", "PT1H"),
            event("Backup", "20261102T230000", "PT1H"),
            event("A mark", "20261103T120000", "PT0S"),  # takes no time
            event("x" * 300, "20261104T220000", "PT1H"),
            event("", "20261105T220000", "PT1H"),
        )
    )
    called = calendar.called(calendar.spans(_YEAR))
    assert called == ["Freeze of all", "Upgrade, Backup", "x" * 200, ""]
    assert calendar.called([]) == []


def test_alarms_and_tasks_are_no_events() -> None:
    alarm = "BEGIN:VALARM\nTRIGGER:-PT15M\nDURATION:PT5M\nEND:VALARM"
    text = _file(f"DTSTART:20261102T220000Z\nDTEND:20261102T230000Z\n{alarm}")
    text = text.replace("BEGIN:VEVENT", "BEGIN:VTODO\nDTSTART:20260101T000000Z\nDURATION:P9D\nEND:VTODO\nBEGIN:VEVENT")
    assert _shown(parse_calendar(text).spans(_YEAR)) == ["11-02 22:00 - 11-02 23:00"]


def test_an_event_that_is_under_way_when_the_span_begins_is_cut_to_it() -> None:
    within = _utc("2026-11-08"), _utc("2026-11-09")
    assert _given("DTSTART:20261102T220000Z\nDURATION:P9D", within=within) == ["11-08 00:00 - 11-09 00:00"]
    assert _given("DTSTART:20261102T220000Z\nDURATION:PT200H", within=within) == ["11-08 00:00 - 11-09 00:00"]


def test_of_two_words_of_one_event_the_later_in_the_file_holds() -> None:
    told = [f"UID:a\nDTSTART:202611{day}T100000Z\nDURATION:PT1H" for day in ("20", "21")]
    assert _given(*told) == ["11-21 10:00 - 11-21 11:00"]
    assert _given(*reversed(told)) == ["11-20 10:00 - 11-20 11:00"]


_DEFINED = zones_of(parse_components(_file(head=_ISLAND))[0])["Island"]
_CHANGES = (_utc("2026-04-04T15:00"), _utc("2026-10-03T15:30"))


@given(st.sampled_from(_CHANGES), st.integers(-7200, 7200), st.sampled_from([0, 1]))
def test_a_zone_of_the_files_own_agrees_with_ianas(change: int, seconds: int, fold: int) -> None:
    at = datetime.fromtimestamp(change / 1000 + seconds, UTC)
    shown, wanted = at.astimezone(_DEFINED), at.astimezone(ZoneInfo("Australia/Lord_Howe"))
    assert (shown.replace(tzinfo=None), shown.fold) == (wanted.replace(tzinfo=None), wanted.fold)
    assert shown.replace(fold=fold).utcoffset() == wanted.replace(fold=fold).utcoffset()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<!DOCTYPE html><html>log in", "no iCalendar file: it begins with '<!DOCTYPE html><html'"),
        ("", "wanted BEGIN:VCALENDAR"),
        (_file("DTSTART:20261102T220000Z")[:60], "it is cut off; fetch it whole"),
        (_file().replace("VERSION:2.0", "VERSION 2.0"), "line 2: 'VERSION 2.0' is no line of a calendar"),
        (_file("END:VALARM"), "line 4: END:VALARM ends nothing; open is VEVENT"),
        (_file("BEGIN:X\n" * 9), "nested too deep"),
        (_file("SUMMARY:upgrade"), "line 3: event 'upgrade': it has no DTSTART"),
        (
            _file("SUMMARY:u\nDTSTART:2026-11-02"),
            "line 5: event 'u': DTSTART '2026-11-02' is no time; write it as in 20261102T220000",
        ),
        (_file("DTSTART:99990101T000000Z"), "line 4: event without SUMMARY and UID: DTSTART '99990101T0"),
        (
            _file("UID:7@cal\nSUMMARY:u\nDTSTART;TZID=Nowhere:20261102T220000"),
            "line 6: event 'u' (UID '7@cal'): time zone 'Nowhere' is no IANA name, and the file has no VTIMEZONE of it",
        ),
        (_file("DTSTART;TZID=Nowhere:20261102T220000"), "has no VTIMEZONE of it; write one as in Europe/Berlin"),
        (_file("DTSTART:20261102T220000Z\nDTEND:20261101T220000Z"), "it ends before it begins"),
        (_file("DTSTART:20261102T220000Z\nDTEND;VALUE=DATE:20261103"), "one of DTSTART and DTEND is a date"),
        (_file("DTSTART:20261102T220000Z\nDURATION:2h"), "'2h' is no duration of a calendar; write it as in PT2H30M"),
        (_file("DTSTART:20261102T220000Z\nDURATION:-PT2H"), "is no duration"),
        (
            _file("SUMMARY:u\nDTSTART:20261102T220000Z\nRRULE:FREQ=SECONDLY"),
            "line 3: event 'u': FREQ=SECONDLY is none of",
        ),
        (_file("DTSTART:20261102T220000Z\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY"), "more than one RRULE"),
        (_file("DTSTART:20261102T220000Z\nDURATION:P400D\nRRULE:FREQ=DAILY"), "longer than a year"),
        (
            _file("UID:a\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261102T220000Z\nDTSTART:20261102T220000Z"),
            "line 5: event (UID 'a'): RANGE",
        ),
        (
            _file("UID:a\nRECURRENCE-ID:soon\nDTSTART:20261102T220000Z"),
            "line 5: event (UID 'a'): RECURRENCE-ID 'SOON' is no time; write it as in",
        ),
        (_file(head=_OFFICE.replace("-0400", "west")), "TZOFFSETTO 'west' is no offset"),
        (_file(head=_OFFICE.replace("DAYLIGHT", "X").replace("STANDARD", "X")), "neither STANDARD nor DAYLIGHT"),
        (_file(*["DTSTART:20261102T220000Z"] * 5001), "a calendar of 5001 events is too large; at most 5000"),
        (_file(*["DTSTART:20261102T220000Z\nRRULE:FREQ=DAILY;COUNT=2"] * 501), "more than 500 rules with COUNT"),
        (_file(head=_OFFICE * 101), "101 time zones in one calendar are too many"),
        (
            _file(head=_OFFICE.replace("END:STANDARD\n", "END:STANDARD\n" + "BEGIN:X\nEND:X\n" * 500)),
            "502 changes of time",
        ),
        ("BEGIN:VCALENDAR" + " " * 4_000_000, "is too large; at most 4000000"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_calendar(text)
    assert told in str(caught.value)


def test_too_many_events_in_one_span_are_refused() -> None:
    often = "DURATION:PT1M\nDTSTART:20260101T000000Z\nRRULE:FREQ=DAILY;BYHOUR=0,3,6,9,12,15,18,21;BYMINUTE=0,15,30,45"
    calendar = parse_calendar(_file(*[often] * 9))
    assert len(calendar.named((_YEAR[0], _YEAR[0] + 86_400_000))) == 9 * 32
    with pytest.raises(ValueError, match="more than 100000 events"):
        calendar.spans(_YEAR)
