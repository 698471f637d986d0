"""What availability counts, where windows say more than the runs: people are told of the one, the other is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from checks.core.result import FailureKind
from tests.judging import BOTH, EVERY_MS, START_MS, Step, follow, past_of, script
from tests.thresholds.test_judging_histories import histories, policies
from thresholds.assess import assess
from thresholds.availability import availability
from thresholds.base import Aggregate, Event, Level, Policy, State, Transition, WindowThreshold
from thresholds.composite import Rule, compose, told
from thresholds.outages import outages
from thresholds.policy import judge
from thresholds.spans import Span
from thresholds.timeline import Condition, Interval, counted, cut, edges_of, timeline

HOUR = WindowThreshold("failures over 1h", Aggregate.FAILURES, "", 3600.0, down=3.0)
SLOW = replace(BOTH, windows=(HOUR,))


def moves(policy: Policy, steps: list[Step]) -> list[Transition]:
    return [one for _, one in follow(policy, steps) if one is not None]


def line(policy: Policy, marks: str) -> list[Interval]:
    end = START_MS + len(marks.split()) * EVERY_MS
    return timeline(edges_of(moves(policy, script(marks))), (), (START_MS, end), seen_until_ms=end)


def conditions(policy: Policy, marks: str) -> str:
    """A letter for each run: how its time counts."""
    found = line(policy, marks)
    starts = range(START_MS, START_MS + len(marks.split()) * EVERY_MS, EVERY_MS)
    held = [next(one for one in found if one.start_ms <= at < one.end_ms) for at in starts]
    return " ".join({"UNKNOWN": "?", "UP": "u", "DEGRADED": "d", "DOWN": "X"}[one.condition.name] for one in held)


@pytest.mark.parametrize(
    ("marks", "counts"),
    [
        pytest.param("u1 d9 u1 u1 u1", "u d d d u", id="a window alone degrades, whatever its limit is called"),
        pytest.param(
            "u1 x9 x u9 u1 u1 u1", "u X X d d d u", id="the runs recover first: down up to the first good one"
        ),
        pytest.param("u1 x u9 x u1 u1", "u X X X u u", id="both let go at once: the runs say since when"),
        pytest.param("u1 x x u5 u1 u1 u1", "u X X d d d u", id="a lesser window holds on"),
        pytest.param("u1 u5 x x x u1 u1", "u d X X X u u", id="runs get worse than a window"),
        pytest.param("u1 d1 d1 d9 d1 d1 d1", "u d d d d d d", id="slow runs, and a window that says down"),
        pytest.param("u1 u9 l u1 u1", "u d ? d u", id="what nobody knows is neither"),
        pytest.param("x9 u9 u1 u1 u1 u1", "? d d d u u", id="before any run is good or bad, nothing is counted"),
        pytest.param("u1 x x u1 u1 u1", "u X X u u u", id="without a window: as ever"),
        pytest.param("u1 x x u1 d1 d1", "u X X d d d", id="down ends with the first better run, also where it eases"),
    ],
)
def test_down_is_what_the_runs_confirm(marks: str, counts: str) -> None:
    assert conditions(BOTH, marks) == counts


def test_a_window_of_an_hour_makes_no_hour_of_two_minutes() -> None:
    marks = "u " * 10 + "x " * 12 + "u " * 400
    seen = [(one.event, one.after) for one in moves(SLOW, script(marks))]
    assert seen == [
        (Event.QUIET, Level.UP),
        (Event.OPENED, Level.DOWN),
        (Event.QUIET, Level.DOWN),  # the runs are good again
        (Event.RESOLVED, Level.UP),
    ]
    told_for = moves(SLOW, script(marks))[-1].at_ms - moves(SLOW, script(marks))[1].at_ms
    assert told_for > 3_500_000  # people hear of its end when the window lets go
    found = availability(line(SLOW, marks))
    assert (found.down, found.degraded) == (120.0, 3570.0)


def test_an_objective_says_what_such_time_is_worth() -> None:
    found = line(SLOW, "u " * 10 + "x " * 12 + "u " * 400)
    assert availability(found).ratio == pytest.approx(1 - 120 / 4220)
    assert availability(found, degraded_counts_as=0.5).ratio == pytest.approx(1 - (120 + 1785) / 4220)


@pytest.mark.parametrize(
    ("level", "runs", "expected"),
    [
        (Level.DOWN, None, Level.DOWN),  # as of a transition from before it was kept
        (Level.UNKNOWN, None, Level.UNKNOWN),
        (Level.DOWN, Level.UP, Level.DEGRADED),
        (Level.DOWN, Level.DEGRADED, Level.DEGRADED),
        (Level.DEGRADED, Level.UP, Level.DEGRADED),
        (Level.DOWN, Level.UNKNOWN, Level.UNKNOWN),
        (Level.UP, None, Level.UP),
    ],
)
def test_what_a_level_counts_as(level: Level, runs: Level | None, expected: Level) -> None:
    assert counted(level, runs) is expected


def test_an_outage_is_detected_by_whoever_saw_it_first_and_keeps_its_incident() -> None:
    """The window opens the incident at the second failure, the runs confirm it at the fifth."""
    early = WindowThreshold("failures over 1m", Aggregate.FAILURES, "", 60.0, down=2.0)
    policy = replace(BOTH, down_after=(5, 5), windows=(early,))
    made = moves(policy, script("u u x x x x x u u u u u u u u u"))
    edges = edges_of(made)
    end = START_MS + 16 * EVERY_MS
    whole = timeline(edges, (), (START_MS, end), seen_until_ms=end)
    (outage,) = outages("a", whole, edges, every=10.0)
    first, opened = START_MS + 2 * EVERY_MS, START_MS + 3 * EVERY_MS
    assert (outage.first_bad_ms, outage.first_good_ms) == (first, START_MS + 7 * EVERY_MS)
    assert outage.detected_ms == opened + 900
    assert (outage.incident, outage.reason) == (f"a@{opened}", "connection refused")
    assert outages("s", compose([whole], Rule()), told({"a": edges}, Rule()), every=10.0) == [
        replace(outage, subject="s", reason="a: connection refused", incident=f"a@{opened}")
    ]


def test_an_outage_within_the_alert_of_a_window_belongs_to_its_incident() -> None:
    made = moves(BOTH, script("u1 u9 x x u1 u1 u1"))
    end = START_MS + 7 * EVERY_MS
    (outage,) = outages("a", timeline(edges_of(made), (), (START_MS, end), seen_until_ms=end), edges_of(made))
    assert (outage.first_bad_ms, outage.first_good_ms) == (START_MS + 2 * EVERY_MS, START_MS + 4 * EVERY_MS)
    assert (outage.incident, outage.reason) == (f"a@{START_MS + EVERY_MS}", "connection refused")


def test_a_transition_says_what_the_runs_say_only_where_it_is_something_else() -> None:
    found = [(one.after.name, one.runs, bool(one.runs_since_ms)) for one in moves(BOTH, script("u x x u u"))]
    assert found == [("UP", None, True), ("DOWN", None, True), ("UP", None, True)]


@settings(max_examples=80)
@given(policies, histories())
def test_time_of_good_runs_is_never_down(policy: Policy, steps: list[Step]) -> None:
    """From the first of as many runs in a row as a recovery takes, none of them a failure, up to the next failure.

    As many, too, that failures on both of their sides do not count together.
    """
    policy = replace(policy, memory=0.0)
    state, edges, past = State(), [], past_of(policy)
    for step in steps:
        verdict = judge(policy, state, step.result, past, muted=step.muted)
        state = verdict.state
        edges += edges_of([verdict.transition] if verdict.transition else [])
    end = steps[-1].result.at_ms + EVERY_MS if steps else START_MS
    whole = timeline(edges, (), (START_MS, end), seen_until_ms=end)
    for span in well(policy, steps, end):
        assert all(one.condition is not Condition.DOWN for one in cut(whole, span))


def well(policy: Policy, steps: list[Step], end: int) -> list[Span]:
    """Spans in which nothing failed, that are long enough to be a recovery."""
    least = max(policy.up_after, policy.down_after[1] - 1)
    spans, row, failing = list[Span](), list[int](), 0
    for step in steps:
        result = step.result
        failed = result.failure is not None and result.failure.kind is not FailureKind.LOCAL
        if result.provisional:
            failing = failing or result.at_ms
        elif failed:
            spans += [(row[0], failing or result.at_ms)] if len(row) >= least else []
            row, failing = [], 0
        elif result.failure is None:
            row += [result.at_ms] if assess(policy, result).counts else []
            failing = 0
    return [*spans, (row[0], end)] if len(row) >= least else spans
