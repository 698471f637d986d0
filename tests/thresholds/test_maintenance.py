"""Planned work: when it is by each kind of times, and whom it covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.hours import parse_hours
from thresholds.ical import parse_calendar
from thresholds.maintenance import Cron, Mode, OneOff, Subject, Times, Window, agenda, planned
from thresholds.spans import Span


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _shown(spans: list[Span]) -> list[str]:
    return [" - ".join(datetime.fromtimestamp(at / 1000, UTC).strftime("%d %H:%M") for at in span) for span in spans]


# Changes of clocks and their source: test_calendar.py. Rules: cron(8) of Debian, under "Notes".
@pytest.mark.parametrize(
    ("expression", "zone", "days", "wanted"),
    [
        (
            "30 2 * * *",
            "America/New_York",
            ("2026-03-07T12:00", "2026-03-10"),
            ["08 07:00 - 08 07:10", "09 06:30 - 09 06:40"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            ("2026-10-31T12:00", "2026-11-03"),
            ["01 05:30 - 01 05:40", "02 06:30 - 02 06:40"],
        ),
        (
            "*/30 1 * * *",
            "America/New_York",
            ("2026-10-31T12:00", "2026-11-02"),
            ["01 05:00 - 01 05:10", "01 05:30 - 01 05:40", "01 06:00 - 01 06:10", "01 06:30 - 01 06:40"],
        ),
        ("*/30 2 * * *", "America/New_York", ("2026-03-07T12:00", "2026-03-09"), []),
        ("0,30 2 * * *", "Europe/Berlin", ("2026-03-28T12:00", "2026-03-30"), ["29 01:00 - 29 01:10"]),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            ("2026-10-03T00:00", "2026-10-05"),
            ["03 15:30 - 03 15:40", "04 15:15 - 04 15:25"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            ("2026-04-04T00:00", "2026-04-06"),
            ["04 14:45 - 04 14:55", "05 15:15 - 05 15:25"],
        ),
        # An hour whose start a clock set by half an hour must not hide
        (
            "*/30 5 * * *",
            "Australia/Lord_Howe",
            ("2026-10-03T12:00", "2026-10-04T12:00"),
            ["03 18:00 - 03 18:10", "03 18:30 - 03 18:40"],
        ),
        (
            "0 0 * * *",
            "America/Santiago",
            ("2026-09-05T12:00", "2026-09-08"),
            ["06 04:00 - 06 04:10", "07 03:00 - 07 03:10"],
        ),
        ("0 22 * * TUE#2", "UTC", ("2026-11-01", "2026-12-01"), ["10 22:00 - 10 22:10"]),
        ("0 6 L * *", "UTC", ("2026-02-01", "2026-03-01"), ["28 06:00 - 28 06:10"]),
    ],
)
def test_cron_starts_as_debians_does_when_clocks_change(
    expression: str, zone: str, days: tuple[str, str], wanted: list[str]
) -> None:
    assert _shown(Cron(expression, zone, 600).spans((_utc(days[0]), _utc(days[1])))) == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["30 2 * * *", "*/20 1-3 * * *", "5 * * * *", "0 0 1 * *", "15,45 1 * * SUN", "0 */2 * * *"]),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Sydney", "UTC"]),
    st.sampled_from(["2026-03-06", "2026-03-28", "2026-04-03", "2026-10-02", "2026-10-23", "2026-10-30", "2026-06-15"]),
)
def test_cron_starts_when_cronsim_says_where_clocks_change_by_whole_hours(expression: str, zone: str, day: str) -> None:
    first = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    start, length = int(first.timestamp() * 1000), int(timedelta(days=4).total_seconds() * 1000)
    wanted = set()
    for at in CronSim(expression, first - timedelta(minutes=1)):
        if int(at.timestamp() * 1000) >= start + length:
            break
        wanted.add(int(at.timestamp() * 1000))
    found = Cron(expression, zone, 1).spans((start, start + length))
    assert {at for at, _ in found} == wanted


@pytest.mark.parametrize(
    ("span", "wanted"),
    [
        (("2026-11-01T05:50", "2026-11-01T07:30"), ["01 06:00 - 01 06:10", "01 06:30 - 01 06:40"]),
        (("2026-11-01T05:20", "2026-11-01T06:10"), ["01 05:30 - 01 05:40", "01 06:00 - 01 06:10"]),
    ],
)
def test_a_span_that_begins_or_ends_in_the_hour_that_comes_twice_misses_no_start(
    span: tuple[str, str], wanted: list[str]
) -> None:
    assert _shown(Cron("*/30 1 * * *", "America/New_York", 600).spans((_utc(span[0]), _utc(span[1])))) == wanted


def test_cron_that_began_before_the_span_still_lasts() -> None:
    week = Cron("0 0 * * MON", "UTC", 5 * 86400)
    assert _shown(week.spans((_utc("2026-11-05"), _utc("2026-11-08")))) == ["05 00:00 - 07 00:00"]
    cron = Cron("0 22 * * *", "UTC", 6 * 3600)
    assert _shown(cron.spans((_utc("2026-11-03T01:00"), _utc("2026-11-03T23:00")))) == [
        "03 01:00 - 03 04:00",
        "03 22:00 - 03 23:00",
    ]


@pytest.mark.parametrize(
    ("expression", "zone", "lasts", "told"),
    [
        ("@daily", "UTC", 60, "'@daily' is no cron of five fields; write 0 0 * * *"),
        ("@reboot", "UTC", 60, "write minute hour day month weekday"),
        ("0 0 2 * * *", "UTC", 60, "has 6 fields of cron; wanted five: minute hour day month weekday"),
        ("0 2 * *", "UTC", 60, "has 4 fields"),
        ("", "UTC", 60, "has 0 fields"),
        ("61 2 * * *", "UTC", 60, "'61 2 * * *' is no cron: bad minute; wanted minute hour day month weekday"),
        ("0 2 * * FOO", "UTC", 60, "bad day-of-week"),
        ("0 0 31 2 *", "UTC", 60, "is no cron: bad day-of-month"),
        ("0 0 */20 * 1L", "UTC", 60, "never comes"),
        ("* * * * *", "UTC", 60, "starts 1440 times a day; at most 288"),
        ("0 2 * * *", "Mars/Base", 60, "'Mars/Base' is no time zone"),
        ("0 2 * * *", "UTC", 0, "lasts 0 s is out of range"),
        ("0 2 * * *", "UTC", 1e9, "at most 366 days"),
        ("0 2 * * *", "UTC", float("nan"), "out of range"),
        ("0 2 * * " + ",".join(["MON"] * 99), "UTC", 60, "of cron"),
    ],
)
def test_what_is_wrong_with_cron_is_told_with_what_would_be_right(
    expression: str, zone: str, lasts: float, told: str
) -> None:
    with pytest.raises(ValueError) as caught:
        Cron(expression, zone, lasts)
    assert told in str(caught.value)


def test_one_off_is_cut_to_the_span_and_has_a_length() -> None:
    assert OneOff((10, 50)).spans((20, 30)) == [(20, 30)]
    assert OneOff((10, 50)).spans((60, 70)) == []
    with pytest.raises(ValueError, match="ends before it begins"):
        OneOff((50, 50))


_ICS = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261103T010000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n"


@pytest.mark.parametrize(
    "times",
    [
        OneOff((_utc("2026-11-03T01:00"), _utc("2026-11-03T02:00"))),
        parse_hours("Tue 01:00-02:00 UTC"),
        Cron("0 1 * * TUE", "UTC", 3600),
        parse_calendar(_ICS),
    ],
)
def test_every_kind_of_times_says_the_same_of_the_same_hour(times: Times) -> None:
    window = Window("w", times, checks=("*",))
    assert _shown(window.spans((_utc("2026-11-01"), _utc("2026-11-08")))) == ["03 01:00 - 03 02:00"]


_ALWAYS = OneOff((0, 100))
_CART = Subject("shop/cart", "shop", {"tier": "1", "env": "prod"})


@pytest.mark.parametrize(
    ("window", "covered"),
    [
        (Window("w", _ALWAYS, checks=("shop/*",)), True),
        (Window("w", _ALWAYS, checks=("Shop/*",)), False),
        (Window("w", _ALWAYS, checks=("bank/*", "*cart")), True),
        (Window("w", _ALWAYS, services=("shop",)), True),
        (Window("w", _ALWAYS, services=("bank",)), False),
        (Window("w", _ALWAYS, labels={"tier": "1"}), True),
        (Window("w", _ALWAYS, labels={"tier": "1", "env": "test"}), False),
        (Window("w", _ALWAYS, labels={"region": "?*"}), False),
        (Window("w", _ALWAYS, labels={"region": ""}), True),  # as in routes: for those that have none
        (Window("w", _ALWAYS, services=("shop",), labels={"tier": "2"}), False),  # every kind that it names
        (Window("w", _ALWAYS, checks=("bank/*",), services=("shop",)), False),
    ],
)
def test_a_window_covers_what_matches_every_kind_that_it_names(window: Window, covered: bool) -> None:
    assert window.covers(_CART) is covered


def test_a_window_that_names_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"names no checks, services or labels; checks: \['\*'\] covers all"):
        Window("w", _ALWAYS)


def test_what_is_planned_is_told_by_what_follows_from_it() -> None:
    windows = [
        Window("a", OneOff((10, 30)), services=("shop",)),
        Window("b", OneOff((20, 40)), checks=("shop/cart",), mode=Mode.PAUSE),
        Window("c", OneOff((50, 60)), labels={"tier": "1"}, excluded=False),
        Window("d", OneOff((0, 90)), services=("bank",)),
    ]
    found = planned(windows, _CART, (0, 55))
    assert (found.muted, found.paused, found.excluded) == ([(10, 40), (50, 55)], [(20, 40)], [(10, 40)])
    assert planned(windows, Subject(service="shop"), (0, 55)).muted == [(10, 30)]


def test_time_given_back_is_no_maintenance() -> None:
    window = Window("a", parse_hours("Tue 01:00-05:00 UTC"), checks=("*",))
    early = Window("a", window.times, checks=("*",), ended=((_utc("2026-11-03T02:30"), _utc("2026-11-03T05:00")),))
    fortnight = _utc("2026-11-01"), _utc("2026-11-15")
    assert _shown(early.spans(fortnight)) == ["03 01:00 - 03 02:30", "10 01:00 - 10 05:00"]


def test_the_agenda_lists_what_is_on_and_what_comes() -> None:
    windows = [
        Window("later", OneOff((50, 60)), checks=("*",)),
        Window("b", OneOff((10, 30)), checks=("*",)),
        Window("a", OneOff((0, 30)), checks=("*",)),
    ]
    assert [(span, window.name) for span, window in agenda(windows, (10, 100))] == [
        ((10, 30), "a"),
        ((10, 30), "b"),
        ((50, 60), "later"),
    ]
