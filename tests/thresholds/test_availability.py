"""Availability, against counting instants, and against the walk and the published cases of Icinga DB."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.availability import Availability, Unknown, availability
from thresholds.base import Level
from thresholds.spans import Span
from thresholds.timeline import Condition, Edge, Interval, cut, timeline

U, D, X, N, P = Condition.UP, Condition.DEGRADED, Condition.DOWN, Condition.UNKNOWN, Condition.PAUSED
LAST = 60

looks = st.tuples(st.integers(1, 9), st.sampled_from(Condition), st.booleans(), st.booleans(), st.booleans())


def lined_up(parts: list[tuple[int, Condition, bool, bool, bool]]) -> list[Interval]:
    made, at = [], 0
    for length, condition, served, planned, excluded in parts:
        made.append(Interval(at, at + length, condition, served, planned, excluded))
        at += length
    return made


timelines = st.lists(looks, max_size=12).map(lined_up)


@given(timelines, st.sampled_from(Unknown), st.sampled_from([1.0, 0.5, 0.0]))
def test_availability_is_what_counting_instants_gives(line: list[Interval], policy: Unknown, weight: float) -> None:
    got = availability(line, degraded_counts_as=weight, unknown=policy)
    counted = dict.fromkeys(Availability.__slots__, 0.0)
    good = judged = 0.0
    known = N
    for each in line:
        for _ in range(each.start_ms, each.end_ms):
            counts = each.condition
            known = counts if counts in (U, D, X) else known
            if not each.served:
                counted["outside"] += 1
            elif each.excluded:
                counted["excluded"] += 1
            elif each.planned:
                counted["planned"] += 1
            elif counts is P:
                counted["paused"] += 1
            else:
                counted[counts.name.lower()] += 1
                if counts is N:
                    held = {Unknown.IGNORE: known, Unknown.BREACHING: X, Unknown.NOT_BREACHING: U}
                    counts = held.get(policy, N)
                good += {U: 1.0, D: weight}.get(counts, 0.0)
                judged += counts is not N
    for name in ("up", "degraded", "down", "unknown", "paused", "planned", "excluded", "outside"):
        assert getattr(got, name) * 1000 == pytest.approx(counted[name]), name
    assert got.total * 1000 == pytest.approx(sum(each.end_ms - each.start_ms for each in line))
    assert got.ratio == (pytest.approx(good / judged) if judged else None)


@given(timelines, st.sampled_from(Unknown), st.sampled_from([1.0, 0.5, 0.0]))
def test_the_bounds_hold_whatever_the_unknown_time_was(line: list[Interval], policy: Unknown, weight: float) -> None:
    got = availability(line, degraded_counts_as=weight, unknown=policy)
    if got.least is None or got.most is None:
        assert got.in_scope == 0
        return
    assert 0 <= got.least <= got.most <= 1 + 1e-9
    if got.ratio is not None and policy is not Unknown.IGNORE:
        assert got.least - 1e-9 <= got.ratio <= got.most + 1e-9
    if got.coverage == 1:
        assert got.least == got.ratio == got.most


@given(timelines, st.integers(0, 60))
def test_the_parts_of_a_timeline_add_up(line: list[Interval], at: int) -> None:
    whole = availability(line)
    parts = [availability(cut(line, part)) for part in ((0, at), (at, 1000))]
    for name in ("up", "degraded", "down", "unknown", "paused", "planned_down", "planned", "excluded", "outside"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(whole, name))


# A day: 8 h outside the hours, 1 h of maintenance of which half was down, the rest up but for 6 minutes.
DAY = lined_up(
    [
        (8 * 3600_000, X, False, False, False),
        (7 * 3600_000, U, True, False, False),
        (360_000, X, True, False, False),
        (8 * 3600_000 - 360_000 - 3600_000, U, True, False, False),
        (1800_000, X, True, True, False),
        (1800_000, U, True, True, False),
    ]
)


def pardoning(got: Availability) -> float | None:
    """The ratio with planned maintenance as up, whatever it was: the figure that Icinga's SLA reports give."""
    planned = got.planned_up + got.planned_degraded + got.planned_down
    whole = got.known + planned
    return (got.up + planned + got.degraded * got.degraded_counts_as) / whole if whole else None


def test_a_day_by_hand() -> None:
    got = availability(DAY)
    assert (got.outside, got.planned, got.planned_down, got.down) == (8 * 3600, 3600, 1800, 360)
    assert got.in_scope == 14 * 3600
    assert got.ratio == got.headline == got.least == got.most == 1 - 360 / (14 * 3600)
    assert got.including_planned == 1 - (360 + 1800) / (15 * 3600)
    assert pardoning(got) == 1 - 360 / (15 * 3600)


@pytest.mark.parametrize(
    ("degraded_counts_as", "ratio", "least", "most"),
    [(1.0, 0.75, 0.6, 0.8), (0.5, 0.5, 0.4, 0.6), (0.0, 0.25, 0.2, 0.4)],
)
def test_what_degraded_counts_as(degraded_counts_as: float, ratio: float, least: float, most: float) -> None:
    line = lined_up([(each, look, True, False, False) for each, look in ((1, U), (2, D), (1, X), (1, N))])
    got = availability(line, degraded_counts_as=degraded_counts_as)
    assert (got.ratio, got.least, got.most, got.coverage) == pytest.approx((ratio, least, most, 0.8))
    assert got.headline is None  # a fifth is not known


@pytest.mark.parametrize(("unknown", "headline"), [(5, 0.0), (6, None)])
def test_less_than_95_percent_known_is_no_headline(unknown: int, headline: float | None) -> None:
    line = lined_up([(100 - unknown, X, True, False, False), (unknown, N, True, False, False)])
    assert availability(line).headline == headline
    assert availability(line).ratio == 0.0


@pytest.mark.parametrize(
    ("policy", "ratio"),
    [(Unknown.MISSING, 0.5), (Unknown.IGNORE, 0.4), (Unknown.BREACHING, 0.25), (Unknown.NOT_BREACHING, 0.75)],
)
def test_what_unknown_counts_as(policy: Unknown, ratio: float) -> None:
    """CloudWatch's four ways to treat missing data. What precedes anything known cannot be held."""
    line = lined_up([(each, look, True, False, False) for each, look in ((3, N), (2, U), (2, X), (1, N))])
    assert availability(line, unknown=policy).ratio == ratio
    assert availability(line, unknown=policy).coverage == 0.5


def test_a_level_is_held_through_maintenance_and_pauses() -> None:
    line = [Interval(0, 4, U), Interval(4, 6, X, planned=True), Interval(6, 8, P), Interval(8, 10, N)]
    assert availability(line, unknown=Unknown.IGNORE).assumed_down == 0.002


def test_nothing_in_scope_is_no_figure() -> None:
    for line in ([], [Interval(0, 9, P)], [Interval(0, 9, X, planned=True)]):
        got = availability(line)
        assert (got.ratio, got.coverage, got.headline, got.least, got.most) == (None,) * 5


def test_a_weight_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"something from 0 to 1, not 1\.5"):
        availability([], degraded_counts_as=1.5)


def test_an_interval_that_changes_moves_no_figure() -> None:
    """A share of runs would say 90 % here, where half of the time was bad: it is weighted by how often one looked."""
    line = timeline([Edge(0, Level.UP), Edge(50_000, Level.DOWN)], (), (0, 100_000), seen_until_ms=100_000)
    assert availability(line).ratio == 0.5


# (instant, state, state before it) and downtimes, for 1000 to 2000. 0: up, 2: down, 99: nothing known. The names
# and numbers: Icinga DB, tests/sql/sla_test.go, but for the case without any history (100 there, nothing known here).
ICINGA: list[tuple[str, list[tuple[int, int, int]], list[Span], float]] = [
    (
        "MultipleStateChanges",
        [(1000, 2, 99), (1100, 0, 2), (1300, 2, 0), (1400, 0, 2), (1600, 2, 0), (1700, 0, 2), (1900, 2, 0)],
        [],
        60.0,
    ),
    ("OverlappingDowntimesAndProblems", [(1200, 2, 0), (1500, 0, 2)], [(1100, 1300), (1400, 1600)], 90.0),
    ("CriticalBeforeInterval", [(0, 2, 99)], [], 0.0),
    ("CriticalBeforeIntervalWithDowntime", [(800, 2, 99)], [(600, 1800)], 80.0),
    (
        "CriticalBeforeIntervalWithOverlappingDowntimes",
        [(800, 2, 99)],
        [(600, 1000), (800, 1200), (1000, 1400), (1600, 2000), (1800, 2200)],
        80.0,
    ),
    ("FallbackToPreviousState", [(1200, 0, 2)], [], 80.0),
    ("PreferInitialStateFromBeforeOverLaterState", [(800, 2, 99), (1200, 0, 0)], [], 80.0),
    ("InitialUnknownReducesTotalTime", [(1500, 2, 99), (1700, 0, 2)], [], 60.0),
    (
        "IntermediateUnknownReducesTotalTime",
        [(1000, 0, 2), (1100, 2, 0), (1600, 0, 99), (1800, 2, 0)],
        [],
        60.0,
    ),
    # Not published: downtimes that nest, start together and end together with what they cover.
    ("NestedDowntimes", [(0, 2, 99)], [(1000, 1900), (1200, 1300), (1200, 1400)], 90.0),
    ("DowntimeEndsWithTheProblem", [(0, 0, 99), (1200, 2, 0), (1400, 0, 2)], [(1200, 1400), (1300, 1400)], 100.0),
    ("UnknownInDowntime", [(0, 0, 99), (1500, 0, 99)], [(1000, 1400), (1200, 1500)], 100.0),
]


def walk(events: Sequence[tuple[int, int, int]], downtimes: Sequence[Span], window: Span) -> float | None:
    """Availability in per cent by a walk over events with a counter of downtimes, as Icinga DB defines it."""
    start, end = window
    earlier = [state for at, state, _ in events if at <= start]
    later = [before for at, _, before in events if at > start]
    state = earlier[-1] if earlier else later[0] if later else 0
    known = [(at, 0, now, before) for at, now, before in events if start < at < end]
    starts = [(max(first, start), 1, 0, 0) for first, last in downtimes if first < end and last >= start]
    ends = [(last, 2, 0, 0) for first, last in downtimes if first < end and start <= last < end]
    total, problem, reached, active = end - start, 0, start, 0
    for at, kind, now, before in sorted([*known, *starts, *ends, (end, 3, 0, 0)]):
        if kind == 0 and before == 99:
            total -= at - reached
        elif state not in (0, 99) and not active:
            problem += at - reached
        active += {1: 1, 2: -1}.get(kind, 0)
        state = now if kind == 0 else state
        reached = at
    return 100 * (total - problem) / total if total else None


def ours(events: Sequence[tuple[int, int, int]], downtimes: Sequence[Span], window: Span) -> float | None:
    levels = {0: Level.UP, 2: Level.DOWN, 99: Level.UNKNOWN}
    edges = [Edge(at, levels[state]) for at, state, _ in events]
    if events and events[0][0] > window[0]:  # what a later event says of the time before it
        edges.insert(0, Edge(window[0], levels[events[0][2]]))
    gaps = [(one[0], other[0]) for one, other in pairwise(events) if other[2] == 99]
    line = timeline(edges, gaps, window, seen_until_ms=window[1], planned=list(downtimes))
    ratio = pardoning(availability(line))
    return None if ratio is None else 100 * ratio


@pytest.mark.parametrize(("name", "events", "downtimes", "expected"), ICINGA, ids=[case[0] for case in ICINGA])
def test_the_published_sla_cases(
    name: str, events: list[tuple[int, int, int]], downtimes: list[Span], expected: float
) -> None:
    assert walk(events, downtimes, (1000, 2000)) == pytest.approx(expected)
    assert ours(events, downtimes, (1000, 2000)) == pytest.approx(expected)


def test_no_history_is_no_availability() -> None:
    assert ours([], [], (1000, 2000)) is None


@given(
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from([0, 2])), min_size=1, max_size=8, unique_by=lambda e: e[0]),
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 40)), max_size=5),
)
def test_overlapping_downtimes_count_as_in_the_walk(
    states: list[tuple[int, int]], downtimes: list[tuple[int, int]]
) -> None:
    states.sort()
    befores = [0, *(state for _, state in states)]
    events = [(at, state, before) for (at, state), before in zip(states, befores, strict=False)]
    spans = [(start, start + length) for start, length in downtimes]
    assert ours(events, spans, (20, 60)) == pytest.approx(walk(events, spans, (20, 60)))
