"""Flap detection against Nagios' own arithmetic, and what it does to an incident."""

from __future__ import annotations

import pytest

from checks.core.result import Failure, FailureKind, Result
from thresholds.base import Event, Level, Policy, State, Transition
from thresholds.flap import KEPT, changes, is_flapping, percentage, remember
from thresholds.policy import judge

EVERY_MS = 10_000
AT_ONCE = Policy(down_after=(1, 1), up_after=1, flap=(20.0, 40.0))
DOWN = Failure(FailureKind.CONNECT, "connect", "connection refused")


def history(changed: set[int]) -> str:
    """21 states with a change before each of these places, 1 the oldest possible, 20 the newest."""
    states = [1]
    for place in range(1, KEPT):
        states.append((3 if states[-1] == 1 else 1) if place in changed else states[-1])
    return "".join(map(str, states))


# base/flapping.c of Nagios 4: weight of change x of 1..20 is (x - 1) * (1.25 - 0.75) / 19 + 0.75; their sum * 100 / 20.
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (set(), 0.0),
        ({20}, 6.25),
        ({1}, 3.75),
        ({17, 18, 19, 20}, 24.21),
        ({16, 17, 18, 19, 20}, 29.93),
        ({15, 16, 17, 18, 19, 20}, 35.53),
        (set(range(1, 21)), 100.0),
    ],
)
def test_changes_weigh_as_in_nagios(changed: set[int], expected: float) -> None:
    assert percentage(history(changed)) == pytest.approx(expected, abs=0.005)
    assert changes(history(changed)) == len(changed)


# Of the newest changes in a row: 1 is 6.25 %, 3 are 18.4 %, 4 are 24.2 %, 6 are 35.5 %, 7 are 41.1 %.
@pytest.mark.parametrize(
    ("newest", "was", "expected"),
    [(6, False, False), (7, False, True), (7, True, True), (4, True, True), (4, False, False), (3, True, False)],
)
def test_between_the_limits_it_goes_on_as_it_was(newest: int, was: bool, expected: bool) -> None:
    states = history(set(range(21 - newest, 21)))
    assert is_flapping(states, was=was, low=20.0, high=40.0) is expected


def test_at_its_limits_it_begins_and_ends() -> None:
    states = history({20})
    assert is_flapping(states, was=False, low=1.0, high=6.25)
    assert not is_flapping(states, was=True, low=6.25, high=40.0)


def test_equal_states_are_remembered_as_nothing() -> None:
    states = remember("", Level.UP, Level.DOWN)
    assert states == "1" * 20 + "3"
    for _ in range(20):
        states = remember(states, Level.DOWN, Level.DOWN)
    assert states == ""


def replay(policy: Policy, marks: str, muted: str = "") -> tuple[State, list[Transition]]:
    """Runs, u or x; a dot in `muted` is a run in maintenance."""
    state, seen = State(), []
    for index, mark in enumerate(marks):
        result = Result("a", (index + 1) * EVERY_MS, 0.1, failure=DOWN if mark == "x" else None)
        verdict = judge(policy, state, result, muted=muted[index : index + 1] == ".")
        state = verdict.state
        seen += [verdict.transition] if verdict.transition else []
    return state, seen


def told(transitions: list[Transition]) -> list[Event]:
    return [one.event for one in transitions if one.event is not Event.QUIET]


def test_a_flapping_check_has_one_incident_until_it_is_quiet() -> None:
    # The seventh change in a row is over 40 %: 7 * 100 / 20 weighted by 1.09 to 1.25.
    state, seen = replay(AT_ONCE, "u" * 3 + "xu" * 12)
    flapped = next(one for one in seen if "flapping" in one.reason)
    assert flapped.event is Event.OPENED
    assert flapped.reason.startswith("flapping, 7 changes in the last 21 runs: connection refused")
    assert told(seen)[-1] is Event.OPENED, "nothing is told while it flaps"
    assert state.flapping
    assert state.level is Level.UP
    assert state.incident

    calm, rest = replay(AT_ONCE, "u" * 3 + "xu" * 12 + "u" * 20)
    assert told(rest)[-1] is Event.RESOLVED
    assert (rest[-1].before, rest[-1].after) == (Level.UP, Level.UP)
    assert rest[-1].incident == flapped.incident
    assert (calm.incident, calm.flapping) == ("", False)


def test_the_level_follows_the_runs_while_it_flaps() -> None:
    _, seen = replay(AT_ONCE, "u" * 3 + "xu" * 12)
    levels = [one.after for one in seen]
    assert levels == [Level.UP] + [Level.DOWN, Level.UP] * 12


def test_without_flap_detection_every_outage_is_told() -> None:
    policy = Policy(down_after=(1, 1), up_after=1, flap=None)
    assert told(replay(policy, "u" + "xu" * 12)[1]) == [Event.OPENED, Event.RESOLVED] * 12


def test_a_check_that_stays_down_after_flapping_is_an_ordinary_incident() -> None:
    state, seen = replay(AT_ONCE, "u" * 3 + "xu" * 8 + "x" * 25 + "u")
    assert told(seen)[-1] is Event.RESOLVED
    assert not state.incident


def test_nothing_begins_in_maintenance_and_what_is_left_after_it_does() -> None:
    _, seen = replay(AT_ONCE, "uxxxxx", "......"[:5])
    opened = [one for one in seen if one.event is Event.OPENED]
    assert [(one.at_ms - 100, one.since_ms) for one in opened] == [(6 * EVERY_MS, 2 * EVERY_MS)]
    assert told(replay(AT_ONCE, "uxxxxu", "......")[1]) == []


def test_what_began_before_maintenance_ends_in_it() -> None:
    assert told(replay(AT_ONCE, "uxxu", "  ..")[1]) == [Event.OPENED, Event.RESOLVED]
