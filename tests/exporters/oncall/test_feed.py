"""Shifts out of calendars: titles, priorities, strangers, and what of a calendar is left out."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from exporters.oncall.feed import FeedShifts, read_feed, shifts_of_feed
from exporters.oncall.people import User
from tests.exporters.oncall.instants import span, table

BERLIN = ZoneInfo("Europe/Berlin")
USERS = {
    "ana": User("ana", "Ana Ruiz", contacts={"mail": "Ana@shop.example", "pager": "bo"}),
    "bo": User("bo", "Sam Lee", contacts={"mail": "bo@shop.example"}),
    "cy": User("cy", "Sam Lee", contacts={"pager": "topic-of-cy"}),
}
NOVEMBER = span("2026-11-01", "2026-12-01")


def feed(*events: str, head: str = "") -> str:
    body = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}{body}END:VCALENDAR\n"


def event(title: str, start: str = "20261110T120000Z", end: str = "20261110T140000Z", more: str = "") -> str:
    return f"SUMMARY:{title}\nDTSTART:{start}\nDTEND:{end}\n{more}".rstrip()


def read(*events: str, head: str = "") -> FeedShifts:
    return shifts_of_feed(feed(*events, head=head), USERS, BERLIN, NOVEMBER)


@pytest.mark.parametrize(
    ("title", "who"),
    [
        ("ana", "ana"),
        (" ANA ", "ana"),
        ("ana@SHOP.example", "ana"),
        ("Ana Ruiz", "ana"),
        ("[L1] ana", "ana"),
        ("[l9]ana", "ana"),
        ("ana\\, bo", "ana+bo"),  # RFC 5545 section 3.3.11: a comma of a text is escaped
        ("bo, ana, bo", "ana+bo"),
        ("bo", "bo"),  # ana has a contact that is called so: a name is a name
        ("zed, ana", "ana"),
    ],
)
def test_a_title_says_who(title: str, who: str) -> None:
    assert table(read(event(title)).shifts) == [f"11-10 12:00 - 11-10 14:00 {who}"]


@pytest.mark.parametrize(
    ("title", "warning"),
    [
        (
            "anna",
            "nobody is called 'anna' (event of 2026-11-10 13:00): nobody's shift; did you mean ana?",
        ),
        (
            "on duty",
            "nobody is called 'on duty' (event of 2026-11-10 13:00): nobody's shift; write the name or the e-mail",
        ),
        ("Sam Lee", "nobody is called 'Sam Lee' (event of"),  # two are
        ("topic-of-cy", "nobody is called 'topic-of-cy' (event of"),  # no e-mail address: it may be a secret
        ("", "no title says who (event of 2026-11-10 13:00): nobody's shift;"),
        ("[L2]", "no title says who"),
        ("x" * 300, f"nobody is called '{'x' * 60}' (event"),
    ],
)
def test_a_stranger_is_nobodys_shift_and_a_warning(title: str, warning: str) -> None:
    found = read(event(title))
    assert found.shifts == ()
    (told,) = found.warnings
    assert told.startswith(warning)


def test_a_stranger_of_many_events_is_told_of_once() -> None:
    (warning,) = read(event("zed", more="RRULE:FREQ=DAILY;COUNT=5")).warnings
    assert "(event of 2026-11-10 13:00 and 4 more)" in warning
    warnings = read(*(event(f"person {number}") for number in range(50))).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "30 more titles name nobody who is known here"


def test_of_events_that_overlap_those_of_the_highest_priority_count() -> None:
    low, high = event("ana", "20261110T100000Z", "20261110T160000Z"), event("[L1] bo")
    assert table(read(low, high).shifts) == [
        "11-10 10:00 - 11-10 12:00 ana",
        "11-10 12:00 - 11-10 14:00 bo",
        "11-10 14:00 - 11-10 16:00 ana",
    ]


def test_of_the_same_priority_all_are_on_call() -> None:
    assert table(read(event("[L2] cy"), event("[L2] ana"), event("[L1] bo")).shifts) == [
        "11-10 12:00 - 11-10 14:00 ana+cy"
    ]


def test_a_stranger_of_a_high_priority_gives_way_to_who_is_known() -> None:
    assert table(read(event("ana"), event("[L9] zed")).shifts) == ["11-10 12:00 - 11-10 14:00 ana"]


def test_what_is_cancelled_or_moved_is_so() -> None:
    series = event("ana", more="UID:1\nRRULE:FREQ=DAILY;COUNT=3")
    moved = event("bo", "20261111T150000Z", "20261111T160000Z", "UID:1\nSEQUENCE:1\nRECURRENCE-ID:20261111T120000Z")
    gone = event(
        "ana", "20261112T120000Z", "20261112T140000Z", "UID:1\nRECURRENCE-ID:20261112T120000Z\nSTATUS:CANCELLED"
    )
    assert table(read(series, moved, gone, event("cy", more="STATUS:CANCELLED")).shifts) == [
        "11-10 12:00 - 11-10 14:00 ana",
        "11-11 15:00 - 11-11 16:00 bo",
    ]


def test_a_whole_day_is_of_the_calendars_zone() -> None:
    """Berlin is at +1 in November, Sydney at +11."""
    whole = "SUMMARY:ana\nDTSTART;VALUE=DATE:20261110\nDTEND;VALUE=DATE:20261112"
    assert table(read(whole).shifts) == ["11-09 23:00 - 11-11 23:00 ana"]
    assert table(read(whole, head="X-WR-TIMEZONE:Australia/Sydney\n").shifts) == ["11-09 13:00 - 11-11 13:00 ana"]


def test_whole_days_one_after_the_other_leave_no_gap() -> None:
    """As calendars write a week each: grafana-cold-storage/oncall issue 576 saw gaps between them."""
    weeks = [
        f"SUMMARY:{who}\nDTSTART;VALUE=DATE:{first}\nDTEND;VALUE=DATE:{last}"
        for who, first, last in (("ana", "20261025", "20261101"), ("bo", "20261101", "20261108"))
    ]
    found = shifts_of_feed(feed(*weeks), USERS, BERLIN, span("2026-10-20", "2026-12-01"))
    assert table(found.shifts) == ["10-24 22:00 - 10-31 23:00 ana", "10-31 23:00 - 11-07 23:00 bo"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("<html>log in</html>", "no iCalendar file: it begins with '<html>log in</html>', wanted BEGIN:VCALENDAR"),
        (feed(event("ana"))[:90], "the calendar ends before END:VEVENT: it is cut off; fetch it whole"),
        (feed(event("ana", start="tomorrow")), "line 5: "),
    ],
)
def test_what_is_no_calendar_puts_nobody_on_call(text: str, warning: str) -> None:
    found = shifts_of_feed(text, USERS, BERLIN, NOVEMBER)
    assert found.shifts == ()
    assert found.warnings[0].startswith(warning)
    with pytest.raises(ValueError, match=warning.partition("'")[0]):
        read_feed(text, BERLIN)


def test_a_calendar_without_end_is_bounded() -> None:
    often = event(
        "ana",
        more="RRULE:FREQ=DAILY;BYMINUTE=0,5,10,15,20,25,30,35,40,45,50,55;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23",
    )
    found = shifts_of_feed(feed(often), USERS, BERLIN, span("2026-11-01", "2027-02-01"))
    assert found.shifts == ()
    assert found.warnings == ("more than 10000 events in one span; ask for less time, or take some out",)
