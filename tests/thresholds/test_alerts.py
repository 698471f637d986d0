"""Alerts from transitions; which are noise; how two histories differ; how soon an outage was told."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from thresholds.alerts import Alert, Noise, Taste, alerts_of, compare, noise, to_detect, within
from thresholds.base import Event, Level, Transition
from thresholds.outages import Outage
from thresholds.timeline import Condition

MINUTE = 60_000


def move(at: int, event: Event, after: Level, before: Level = Level.UP, since: int | None = None) -> Transition:
    """A transition at a minute."""
    return Transition(
        "a", at * MINUTE, (at if since is None else since) * MINUTE, before, after, event, "a@1", MINUTE, f"at {at}"
    )


def alert(opened: int, resolved: int, since: int | None = None) -> Alert:
    return Alert("a", opened * MINUTE, (opened if since is None else since) * MINUTE, resolved * MINUTE, Level.DOWN, "")


def outage(began: int, ended: int) -> Outage:
    return Outage("a", 0, began * MINUTE, 0, ended * MINUTE, ended * MINUTE, Condition.DOWN)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_an_incident_is_one_alert_with_its_worst_level_and_its_first_reason() -> None:
    moves = [
        move(1, Event.QUIET, Level.UP, Level.UNKNOWN),
        move(5, Event.OPENED, Level.DEGRADED, since=4),
        move(7, Event.CHANGED, Level.DOWN, Level.DEGRADED),
        move(8, Event.QUIET, Level.UNKNOWN, Level.DOWN),
        move(12, Event.RESOLVED, Level.UP, Level.DOWN),
        move(20, Event.OPENED, Level.DOWN),
    ]
    first, second = alerts_of(moves)
    assert first == Alert("a", 5 * MINUTE, 4 * MINUTE, 12 * MINUTE, Level.DOWN, "at 5", 1)
    assert second.open
    assert second.lasted(26 * MINUTE) == 360


def test_an_incident_that_began_before_is_known_by_its_end() -> None:
    (only,) = alerts_of([move(12, Event.RESOLVED, Level.UP, Level.DOWN)])
    assert (only.opened_ms, only.resolved_ms, only.worst) == (MINUTE, 12 * MINUTE, Level.DOWN)


def test_a_new_incident_ends_the_one_of_which_no_end_was_kept() -> None:
    first, second = alerts_of([move(1, Event.OPENED, Level.DOWN), move(9, Event.OPENED, Level.DOWN)])
    assert first.resolved_ms == 9 * MINUTE
    assert second.open


def test_a_period_has_the_alerts_that_were_open_in_it() -> None:
    alerts = [alert(1, 3), alert(4, 8), alert(9, 0), alert(30, 31)]
    assert within(alerts, (3 * MINUTE, 9 * MINUTE)) == [alerts[1]]
    assert within(alerts, (10 * MINUTE, 20 * MINUTE)) == [alerts[2]]


@pytest.mark.parametrize(
    ("opened", "resolved", "zone", "wanted"),
    [
        ("2026-01-15T12:00", "2026-01-15T12:05", "UTC", (Noise.SHORT,)),
        ("2026-01-15T12:00", "2026-01-15T12:05:01", "UTC", ()),
        ("2026-01-15T06:59:59", "2026-01-15T09:00", "UTC", (Noise.NIGHT,)),
        ("2026-01-15T07:00", "2026-01-15T09:00", "UTC", ()),
        ("2026-01-15T21:59:59", "2026-01-15T23:00", "UTC", ()),
        ("2026-01-15T22:00", "2026-01-15T23:00", "UTC", (Noise.NIGHT,)),
        # Sydney is 11 hours ahead in January and 10 in July.
        ("2026-01-15T10:59", "2026-01-15T13:00", "Australia/Sydney", ()),
        ("2026-01-15T11:00", "2026-01-15T13:00", "Australia/Sydney", (Noise.NIGHT,)),
        ("2026-07-15T11:59", "2026-07-15T13:00", "Australia/Sydney", ()),
        ("2026-07-15T12:00", "2026-07-15T13:00", "Australia/Sydney", (Noise.NIGHT,)),
    ],
)
def test_noise_is_short_or_at_night_by_the_clock_of_the_check(
    opened: str, resolved: str, zone: str, wanted: tuple[Noise, ...]
) -> None:
    one = Alert("a", at(opened), at(opened), at(resolved), Level.DOWN, "")
    assert noise(one, Taste(zone)) == wanted


def test_what_tells_of_a_real_outage_at_night_is_no_noise() -> None:
    one = alert(60, 90)
    assert noise(one, Taste()) == (Noise.NIGHT,)
    assert noise(one, Taste(), real=[outage(58, 89)]) == ()
    assert noise(one, Taste(), real=[outage(10, 20)]) == (Noise.NIGHT,)


def test_what_came_in_maintenance_is_noise_and_what_came_after_is_not() -> None:
    planned = [(0, 30 * MINUTE), (700 * MINUTE, 720 * MINUTE)]
    assert noise(alert(719, 800), Taste(), planned) == (Noise.MAINTENANCE,)
    assert noise(alert(720, 800), Taste(), planned) == ()


def test_an_open_alert_is_not_short_yet() -> None:
    assert noise(alert(718, 0), Taste(), until_ms=720 * MINUTE) == ()


def test_a_night_may_lie_within_a_day() -> None:
    late_worker = Taste("UTC", (time(15), time(5)))  # sleeps from 5 to 15
    assert noise(alert(6 * 60, 8 * 60), late_worker) == (Noise.NIGHT,)
    assert noise(alert(16 * 60, 18 * 60), late_worker) == ()
    assert noise(alert(2 * 60, 3 * 60), late_worker) == ()


def test_alerts_are_the_same_where_the_check_was_bad_at_the_same_time() -> None:
    today = [alert(10, 20), alert(30, 40), alert(50, 60), alert(100, 0)]
    would_be = [alert(25, 55, since=19), alert(70, 80), alert(110, 120, since=105)]
    same = compare(today, would_be)
    assert same.stays == [
        (today[0], would_be[0]),
        (today[1], would_be[0]),
        (today[2], would_be[0]),
        (today[3], would_be[2]),
    ]
    assert same.vanishes == []
    assert same.new == [would_be[1]]
    turned = compare(would_be, today)
    assert turned.vanishes == [would_be[1]]
    assert turned.new == []


def test_one_that_only_touches_does_not_hide_the_one_that_overlaps() -> None:
    now, touching, overlapping = alert(10, 20), alert(5, 10), alert(12, 15)
    assert compare([now], [touching, overlapping]).stays == [(now, overlapping)]


def test_alerts_that_touch_are_not_the_same() -> None:
    same = compare([alert(10, 20)], [alert(20, 30)])
    assert (len(same.stays), len(same.vanishes), len(same.new)) == (0, 1, 1)


@pytest.mark.parametrize(
    ("alerts", "wanted"),
    [
        ([], None),
        ([alert(12, 20)], 120),
        ([alert(5, 9), alert(13, 20)], 180),  # one that was over does not count
        ([alert(5, 11)], 0),  # they knew already
        ([alert(25, 30, since=24)], None),  # decided when it was over
        ([alert(20, 25, since=19)], None),
    ],
)
def test_an_outage_is_detected_by_the_first_alert_told_in_it(alerts: list[Alert], wanted: float | None) -> None:
    assert to_detect(outage(10, 20), alerts) == wanted


def test_an_open_outage_may_still_be_told() -> None:
    lasting = replace(outage(10, 20), first_good_ms=0)
    assert to_detect(lasting, [alert(400, 0)]) == 390 * 60
