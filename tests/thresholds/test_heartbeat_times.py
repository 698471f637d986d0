"""When jobs are due, also when clocks change.

The instants in Riga are those that cronsim's own tests publish, which follow Debian's cron:
https://github.com/cuu508/cronsim/blob/main/tests/test_cronsim.py (TestDstTransitions).
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.heartbeat_times import Times, calendar_times, cron_times


def ms(text: str, zone: str = "UTC") -> int:
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)


def dues(times: Times, zone: str, since: str, count: int) -> list[str]:
    at_ms, found = ms(since, zone), []
    for _ in range(count):
        at_ms = times.after(at_ms)
        found.append(datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).isoformat())
    return found


RIGA = [
    ("0 * * * *", "2021-03-28T01:30", ["2021-03-28T02:00:00+02:00", "2021-03-28T04:00:00+03:00"]),
    (
        "0 * * * *",
        "2021-10-31T01:30",
        ["2021-10-31T02:00:00+03:00", "2021-10-31T03:00:00+03:00", "2021-10-31T03:00:00+02:00"],
    ),
    (
        "*/30 * * * *",
        "2021-03-28T02:10",
        ["2021-03-28T02:30:00+02:00", "2021-03-28T04:00:00+03:00", "2021-03-28T04:30:00+03:00"],
    ),
    ("0 */3 * * *", "2021-10-31T01:30", ["2021-10-31T03:00:00+03:00", "2021-10-31T03:00:00+02:00"]),
    ("30 */2 * * *", "2021-03-28T01:30", ["2021-03-28T02:30:00+02:00", "2021-03-28T04:30:00+03:00"]),
    (
        "0 1,2,3,4,5 * * *",
        "2021-03-28T01:30",
        ["2021-03-28T02:00:00+02:00", "2021-03-28T04:00:00+03:00", "2021-03-28T05:00:00+03:00"],
    ),
    (
        "30 1,2,3,4,5 * * *",
        "2021-10-31T01:30",
        ["2021-10-31T02:30:00+03:00", "2021-10-31T03:30:00+03:00", "2021-10-31T04:30:00+02:00"],
    ),
    (
        "0 3 * * *",
        "2021-03-27T01:30",
        ["2021-03-27T03:00:00+02:00", "2021-03-28T04:00:00+03:00", "2021-03-29T03:00:00+03:00"],
    ),
    ("0 3 * * *", "2021-10-31T01:30", ["2021-10-31T03:00:00+03:00", "2021-11-01T03:00:00+02:00"]),
    ("15 3 * * *", "2021-03-27T12:00", ["2021-03-28T04:00:00+03:00", "2021-03-29T03:15:00+03:00"]),
    ("* 1-6 * * *", "2021-10-31T03:58", ["2021-10-31T03:59:00+03:00", "2021-10-31T03:00:00+02:00"]),
]


@pytest.mark.parametrize(("expression", "since", "wanted"), RIGA)
def test_cron_on_days_when_clocks_change_is_as_published(expression: str, since: str, wanted: list[str]):
    assert dues(cron_times(expression, "Europe/Riga"), "Europe/Riga", since, len(wanted)) == wanted


def test_in_the_second_of_two_equal_hours_the_first_is_over():
    times = cron_times("30 3 * * *", "Europe/Riga")
    second = ms("2021-10-31T03:10:00+02:00")
    assert times.after(second) == ms("2021-11-01T03:30:00+02:00")
    assert times.latest(second) == ms("2021-10-31T03:30:00+03:00")


LONGEST = [
    ("30 2 * * *", 24),
    ("30 2 * * 1-5", 72),
    ("* * * * *", 1 / 60),
    ("*/5 8-18 * * *", 13 + 5 / 60),
    ("0 6 1 * *", 31 * 24),
    ("0 0 1 1 *", 366 * 24),
]


@pytest.mark.parametrize(("expression", "hours"), LONGEST)
def test_the_longest_silence_of_a_cron_is_known(expression: str, hours: float):
    assert cron_times(expression, "UTC").longest == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("30 25 * * *", "bad hour"),
        ("0 0 30 2 *", "day-of-month"),
        ("@daily", "five fields"),
        ("0 30 2 * * *", "five fields"),
        ("1 1 */100 * MON#4", "never comes"),
    ],
)
def test_a_cron_that_means_nothing_says_what_is_wrong(expression: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        cron_times(expression, "UTC")


CALENDARS = [  # the days are those of a printed calendar of 2026
    (
        ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=18;BYMINUTE=0"],
        "2026-01-15T00:00",
        ["2026-01-30T18:00:00+01:00", "2026-02-27T18:00:00+01:00", "2026-03-31T18:00:00+02:00"],
    ),
    (
        ["FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30"],
        "2026-03-23T00:00",
        ["2026-03-29T03:00:00+02:00", "2026-04-05T02:30:00+02:00"],
    ),
    (
        ["FREQ=DAILY;BYHOUR=2;BYMINUTE=30"],
        "2026-10-24T12:00",
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    ),
    (
        ["FREQ=DAILY;BYHOUR=6;BYMINUTE=0", "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=0;BYMINUTE=0"],
        "2026-05-31T12:00",
        ["2026-06-01T00:00:00+02:00", "2026-06-01T06:00:00+02:00", "2026-06-02T06:00:00+02:00"],
    ),
    (
        ["DTSTART=20260105T090000;FREQ=WEEKLY;INTERVAL=2"],
        "2026-01-05T10:00",
        ["2026-01-19T09:00:00+01:00", "2026-02-02T09:00:00+01:00"],
    ),
]


@pytest.mark.parametrize(("lines", "since", "wanted"), CALENDARS)
def test_a_calendar_is_due_whenever_one_of_its_lines_is(lines: list[str], since: str, wanted: list[str]):
    times = calendar_times(tuple(lines), "Europe/Berlin")
    assert dues(times, "Europe/Berlin", since, len(wanted)) == wanted


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("FREQ=DAILY", "at what time"),
        ("FREQ=WEEKLY;BYHOUR=1;BYMINUTE=0", "needs BYDAY"),
        ("FREQ=DAILY;INTERVAL=2;BYHOUR=1;BYMINUTE=0", "beginning"),
        ("FREQ=HOURLY;BYHOUR=1;BYMINUTE=0", "HOURLY"),
        ("DTSTART=20200101T000000;FREQ=DAILY;UNTIL=20200201", "does not come again"),
        ("DTSTART=20261301T000000;FREQ=DAILY", "no moment"),
    ],
)
def test_a_line_that_means_nothing_says_what_is_wrong(line: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        calendar_times((line,), "UTC")


TIMES = [cron_times(expression, "Europe/Riga") for expression in sorted({row[0] for row in RIGA})] + [
    calendar_times(tuple(lines), "Europe/Riga") for lines, _, _ in CALENDARS
]
_CHANGES = [ms("2021-03-28T01:00:00+00:00"), ms("2021-10-31T01:00:00+00:00")]


@given(st.sampled_from(TIMES), st.sampled_from(_CHANGES), st.integers(-2 * 86_400_000, 2 * 86_400_000))
def test_the_latest_is_the_one_before_the_next(times: Times, change: int, offset: int):
    at_ms = change + offset
    latest, following = times.latest(at_ms), times.after(at_ms)
    assert following > at_ms
    if latest is not None:
        assert latest <= at_ms
        assert times.after(latest) == following
