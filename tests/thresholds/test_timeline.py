"""Timelines, against painting every instant by itself."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Failure, FailureKind, Result
from tests.judging import gaps_of
from thresholds.base import Event, Level, Policy, State, Transition
from thresholds.policy import judge
from thresholds.spans import Span, inside, union
from thresholds.timeline import (
    Condition,
    Edge,
    Interval,
    covered_until,
    cut,
    edges_of,
    gap_between,
    timeline,
)

LAST = 60
EVERY = 0.004  # s: a run covers 6 ms

instants = st.integers(-10, LAST + 10)
spans = st.lists(st.tuples(instants, instants), max_size=4)
edge_lists = st.lists(st.builds(Edge, instants, st.sampled_from(Level)), max_size=8)
windows = st.tuples(st.integers(0, LAST), st.integers(0, LAST)).map(sorted).map(lambda pair: (pair[0], pair[1]))


def at_each_instant(intervals: list[Interval]) -> dict[int, tuple[object, ...]]:
    return {
        at: (each.condition, each.served, each.planned, each.excluded)
        for each in intervals
        for at in range(each.start_ms, each.end_ms)
    }


@given(edge_lists, spans, windows, instants, spans, st.none() | spans, spans, spans)
def test_a_timeline_is_what_painting_every_instant_gives(
    edges: list[Edge],
    gaps: list[Span],
    window: Span,
    seen_until_ms: int,
    paused: list[Span],
    hours: list[Span] | None,
    planned: list[Span],
    excluded: list[Span],
) -> None:
    level_at = dict.fromkeys(range(-20, LAST + 20), Condition.UNKNOWN)
    for edge in edges:
        for at in range(edge.since_ms, LAST + 20):
            level_at[at] = Condition(int(edge.level))
    painted = {}
    for at in range(*window):
        unseen = at >= seen_until_ms or inside(gaps, at)
        condition = Condition.PAUSED if inside(paused, at) else Condition.UNKNOWN if unseen else level_at[at]
        painted[at] = (condition, hours is None or inside(hours, at), inside(planned, at), inside(excluded, at))
    made = timeline(
        edges,
        gaps,
        window,
        seen_until_ms=seen_until_ms,
        paused=paused,
        hours=hours,
        planned=planned,
        excluded=excluded,
    )
    assert at_each_instant(made) == painted
    for one, other in pairwise(made):
        assert one.end_ms == other.start_ms
        assert replace(one, start_ms=0, end_ms=0) != replace(other, start_ms=0, end_ms=0)
    assert not made or (made[0].start_ms, made[-1].end_ms) == window


@given(edge_lists, windows, windows)
def test_a_cut_is_the_timeline_of_a_smaller_window(edges: list[Edge], window: Span, within: Span) -> None:
    whole = timeline(edges, (), window, seen_until_ms=LAST)
    first, last = max(window[0], within[0]), min(window[1], within[1])
    assert cut(whole, within) == timeline(edges, (), (first, last), seen_until_ms=LAST)


def test_a_later_decision_overwrites_what_was_said_of_that_time() -> None:
    edges = [Edge(0, Level.UP), Edge(50, Level.UNKNOWN), Edge(30, Level.DOWN), Edge(80, Level.UP)]
    assert timeline(edges, (), (0, 100), seen_until_ms=100) == [
        Interval(0, 30, Condition.UP),
        Interval(30, 80, Condition.DOWN),
        Interval(80, 100, Condition.UP),
    ]


def test_what_lies_ahead_is_unknown_and_its_maintenance_is_planned() -> None:
    made = timeline([Edge(0, Level.UP)], (), (0, 30), seen_until_ms=10, planned=[(20, 40)])
    assert made == [
        Interval(0, 10, Condition.UP),
        Interval(10, 20, Condition.UNKNOWN),
        Interval(20, 30, Condition.UNKNOWN, planned=True),
    ]


@pytest.mark.parametrize(
    ("interval", "flagged", "in_scope"),
    [
        (Interval(0, 1, Condition.DOWN), False, True),
        (Interval(0, 1, Condition.UNKNOWN), False, True),
        (Interval(0, 1, Condition.PAUSED), False, False),
        (Interval(0, 1, Condition.UP, served=False), True, False),
        (Interval(0, 1, Condition.UP, planned=True), True, False),
        (Interval(0, 1, Condition.UP, excluded=True), True, False),
    ],
)
def test_what_is_in_scope(interval: Interval, flagged: bool, in_scope: bool) -> None:
    assert interval.flagged is flagged
    assert interval.in_scope is in_scope


@pytest.mark.parametrize(
    ("before_ms", "every", "at_ms", "gap"),
    [
        (0, 10.0, 10_000, None),
        (0, 10.0, 15_000, None),  # up to, and with, one and a half
        (0, 10.0, 15_001, (15_000, 15_001)),
        (0, 60.0, 3_600_000, (90_000, 3_600_000)),
        (20_000, 10.0, 10_000, None),  # a clock set back
    ],
)
def test_a_run_speaks_for_one_and_a_half_intervals(before_ms: int, every: float, at_ms: int, gap: Span | None) -> None:
    assert gap_between(before_ms, every, at_ms) == gap


def run(at_ms: int, mark: str) -> Result:
    kinds = {"x": FailureKind.CONNECT, "l": FailureKind.LOCAL}
    failure = Failure(kinds[mark], "connect", "refused") if mark in kinds else None
    return Result("a", at_ms, 0.0005, failure=failure)


@given(
    st.lists(st.tuples(st.sampled_from([2, 4, 4, 4, 5, 6, 7, 15]), st.sampled_from("uuxl")), min_size=1, max_size=15)
)
def test_from_runs_to_intervals_every_run_speaks_until_the_next_one_or_until_it_is_too_old(
    script: list[tuple[int, str]],
) -> None:
    """With nothing to confirm, a level is that of the last run; a failure of our own side is no data."""
    state, edges, runs, at_ms = State(), [], [], 10
    for wait, mark in script:
        at_ms += wait
        verdict = judge(Policy(down_after=(1, 1), up_after=1), state, run(at_ms, mark))
        state = verdict.state
        runs.append((at_ms, mark))
        edges += edges_of([verdict.transition] if verdict.transition else [])
    painted = dict.fromkeys(range(at_ms + 20), Condition.UNKNOWN)
    meaning = {"u": Condition.UP, "x": Condition.DOWN, "l": Condition.UNKNOWN}
    for (start, mark), (following, _) in pairwise([*runs, (at_ms + 20, "")]):
        for at in range(start, min(following, start + 6)):
            painted[at] = meaning[mark]
    gaps = gaps_of([start for start, _ in runs], EVERY)
    made = timeline(edges, gaps, (0, at_ms + 20), seen_until_ms=covered_until(at_ms, EVERY))
    assert {at: look[0] for at, look in at_each_instant(made).items()} == painted


def test_an_outage_is_dated_back_and_a_blind_moment_in_its_confirmation_is_part_of_it() -> None:
    state, transitions = State(), []
    for number, mark in enumerate("uuxlxxuu"):
        verdict = judge(Policy(down_after=(2, 3), up_after=2), state, run(1000 + number * 10, mark))
        state = verdict.state
        transitions += [verdict.transition] if verdict.transition else []
    made = timeline(edges_of(transitions), (), (1000, 1080), seen_until_ms=1080)
    assert made == [
        Interval(1000, 1020, Condition.UP),
        Interval(1020, 1060, Condition.DOWN),
        Interval(1060, 1080, Condition.UP),
    ]


def test_edges_keep_what_a_transition_says() -> None:
    transition = Transition("a", 9, 5, Level.UP, Level.DOWN, Event.OPENED, "a@5", 5, "refused", Level.DOWN)
    assert edges_of([transition]) == [Edge(5, Level.DOWN, 9, "refused", "a@5")]


def test_gaps_of_few_runs() -> None:
    assert gaps_of([], 1.0) == []
    assert gaps_of([0], 1.0) == []
    assert gaps_of([0, 1000, 9000, 10_000, 20_000], 1.0) == union([(2500, 9000), (11_500, 20_000)])


def test_what_only_people_are_told_overwrites_no_time() -> None:
    """Maintenance ends while it is down: the incident that opens then says nothing of the blind minute in between."""
    moves = [
        Transition("a", 1_000, 1_000, Level.UNKNOWN, Level.UP, Event.QUIET, "", 0, ""),
        Transition("a", 2_000, 2_000, Level.UP, Level.DOWN, Event.QUIET, "", 0, ""),
        Transition("a", 3_000, 3_000, Level.DOWN, Level.UNKNOWN, Event.QUIET, "", 0, ""),
        Transition("a", 4_000, 4_000, Level.UNKNOWN, Level.DOWN, Event.QUIET, "", 0, ""),
        Transition("a", 5_000, 2_000, Level.DOWN, Level.DOWN, Event.OPENED, "a@2000", 2_000, ""),
    ]
    line = timeline(edges_of(moves), (), (1_000, 6_000), seen_until_ms=6_000)
    assert [(one.start_ms, one.condition.name) for one in line] == [
        (1_000, "UP"),
        (2_000, "DOWN"),
        (3_000, "UNKNOWN"),
        (4_000, "DOWN"),
    ]
