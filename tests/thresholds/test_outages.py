"""Outages: their four instants, what was told of them, and how much of them counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Failure, FailureKind, Result
from tests.judging import gaps_of
from thresholds.base import Level, Policy, State
from thresholds.composite import Kind, Rule, compose, told
from thresholds.outages import Outage, dated, merge_gap, outages, unique
from thresholds.policy import judge
from thresholds.timeline import Condition, Edge, Interval, covered_until, edges_of, timeline

U, D, X, N, P = Condition.UP, Condition.DEGRADED, Condition.DOWN, Condition.UNKNOWN, Condition.PAUSED
T0 = 1_700_000_000_000
MARKS = {"u": U, "d": D, "x": X, "n": N, "p": P}


def line(marks: str) -> list[Interval]:
    """One interval of 10 ms for each mark; a capital is in maintenance."""
    return [
        Interval(T0 + index * 10, T0 + index * 10 + 10, MARKS[mark.lower()], planned=mark.isupper())
        for index, mark in enumerate(marks)
    ]


def ends(found: list[Outage]) -> list[tuple[int, int]]:
    """Where outages begin and end, in marks; -1: open."""
    return [((each.first_bad_ms - T0) // 10, -1 if each.open else (each.first_good_ms - T0) // 10) for each in found]


@pytest.mark.parametrize(
    ("marks", "down", "degraded"),
    [
        ("uuu", [], []),
        ("uxu", [(1, 2)], [(1, 2)]),
        ("udxdu", [(2, 3)], [(1, 4)]),
        ("udu", [], [(1, 2)]),
        ("uxnxu", [(1, 4)], [(1, 4)]),  # nothing good was seen between
        ("uxnu", [(1, 3)], [(1, 3)]),
        ("uxpxu", [(1, 4)], [(1, 4)]),
        ("uxuxu", [(1, 2), (3, 4)], [(1, 2), (3, 4)]),
        ("ux", [(1, -1)], [(1, -1)]),
        ("uxn", [(1, -1)], [(1, -1)]),
        ("xu", [(0, 1)], [(0, 1)]),
        ("nxu", [(1, 2)], [(1, 2)]),
        ("", [], []),
    ],
)
def test_where_an_outage_begins_and_ends(
    marks: str, down: list[tuple[int, int]], degraded: list[tuple[int, int]]
) -> None:
    assert ends(outages("a", line(marks))) == down
    assert ends(outages("a", line(marks), at_least=D)) == degraded


@given(st.text("udxnpUDXNP", max_size=30))
def test_the_bad_time_of_outages_is_that_of_the_timeline(marks: str) -> None:
    found = outages("a", line(marks))
    assert sum(each.bad for each in found) == pytest.approx(sum(mark in "xX" for mark in marks) / 100)
    assert sum(each.lost for each in found) == pytest.approx(marks.count("x") / 100)
    for each, following in zip(found, [*found[1:], None], strict=False):
        assert each.last_good_ms <= each.first_bad_ms < each.last_bad_ms
        if following:
            assert each.last_bad_ms <= each.first_good_ms <= following.last_good_ms
        assert each.counts is (each.lost > 0)
        assert not (each.counts and each.planned)


@pytest.mark.parametrize(
    ("marks", "planned", "counts", "began"),
    [
        ("uXu", True, False, 1),
        ("uXxu", False, True, 2),  # it outlived its maintenance: from the end of that on it counts
        ("uxXu", False, True, 1),
        ("uXxXu", False, True, 2),
    ],
)
def test_an_outage_in_maintenance(marks: str, planned: bool, counts: bool, began: int) -> None:
    (outage,) = outages("a", line(marks))
    assert (outage.planned, outage.counts, outage.began_ms) == (planned, counts, T0 + began * 10)
    assert outage.first_bad_ms == T0 + 10
    assert replace(outage, started_ms=T0 + 5).began_ms == T0 + 5


def test_an_outage_out_of_hours_or_excluded_does_not_count_and_is_not_planned() -> None:
    for aside in (Interval(T0, T0 + 10, X, served=False), Interval(T0, T0 + 10, X, excluded=True)):
        (outage,) = outages("a", [aside])
        assert (outage.planned, outage.counts) == (False, False)


EDGES = [
    Edge(T0, Level.UP, T0 + 1),
    Edge(T0 + 10, Level.DEGRADED, T0 + 13, "slow", "a@10"),
    Edge(T0 + 10, Level.DOWN, T0 + 17, "status 503", "a@10"),
    Edge(T0 + 30, Level.UP, T0 + 35, "status 503", "a@10"),
    Edge(T0 + 60, Level.DOWN, T0 + 66, "refused", "a@60"),
]


def test_what_was_told_of_an_outage() -> None:
    whole = timeline(EDGES, (), (T0, T0 + 100), seen_until_ms=T0 + 100)
    first, second = outages("a", whole, EDGES, every=0.01)
    assert (first.last_good_ms, first.first_bad_ms, first.detected_ms) == (T0, T0 + 10, T0 + 17)
    assert (first.last_bad_ms, first.first_good_ms) == (T0 + 20, T0 + 30)
    assert (first.reason, first.incident, first.worst) == ("status 503", "a@10", X)
    assert (second.detected_ms, second.reason, second.incident, second.open) == (T0 + 66, "refused", "a@60", True)
    degraded, _ = outages("a", whole, EDGES, at_least=D)
    assert (degraded.detected_ms, degraded.reason) == (T0 + 13, "status 503")  # seen as slow, then worse


def test_what_nobody_decided_was_not_detected() -> None:
    told_of_the_second = [Edge(T0 + 30, Level.DOWN, T0 + 35, "refused", "a@30")]
    first, second = outages("a", line("uxuxu"), told_of_the_second)
    assert (first.detected_ms, first.reason, first.incident) == (0, "", "")
    assert (second.detected_ms, second.reason, second.incident) == (T0 + 35, "refused", "a@30")


def test_what_was_decided_first_counts_as_the_detection_though_it_was_dated_later() -> None:
    edges = [
        Edge(T0, Level.UP),
        Edge(T0 + 20, Level.DEGRADED, T0 + 25, "slow"),
        Edge(T0 + 10, Level.DOWN, T0 + 35, "503"),
    ]
    whole = timeline(edges, (), (T0, T0 + 50), seen_until_ms=T0 + 50)
    (outage,) = outages("a", whole, edges, at_least=D)
    assert (outage.first_bad_ms, outage.detected_ms, outage.reason) == (T0 + 10, T0 + 25, "503")


def test_an_outage_that_was_there_before_the_window_keeps_its_date() -> None:
    window = (T0 + 70, T0 + 100)
    (outage,) = outages("a", timeline(EDGES, (), window, seen_until_ms=T0 + 100), EDGES)
    assert (outage.first_bad_ms, outage.in_scope_ms, outage.detected_ms) == (T0 + 60, T0 + 60, T0 + 66)
    edges = [*EDGES, Edge(T0 + 80, Level.UNKNOWN), Edge(T0 + 90, Level.DOWN, T0 + 92, "refused")]
    window = (T0 + 82, T0 + 100)
    (outage,) = outages("a", timeline(edges, (), window, seen_until_ms=T0 + 100), edges)
    assert outage.first_bad_ms == T0 + 60


def test_the_last_good_run_before_a_gap_was_earlier() -> None:
    """A run speaks for one and a half intervals where none follows."""
    edges = [Edge(T0, Level.UP), Edge(T0 + 100, Level.DOWN)]
    whole = timeline(edges, [(T0 + 65, T0 + 100)], (T0, T0 + 200), seen_until_ms=T0 + 175)
    (outage,) = outages("a", whole, every=0.01)
    assert (outage.last_good_ms, outage.last_bad_ms) == (T0 + 50, T0 + 160)


def test_runs_date_an_outage_exactly() -> None:
    (outage,) = outages("a", line("uuxxu"))
    runs = [(T0 + at, bad) for at, bad in ((1, False), (17, False), (20, True), (23, True), (38, True), (40, False))]
    exact = dated(outage, runs)
    assert (exact.last_good_ms, exact.last_bad_ms) == (T0 + 17, T0 + 38)
    assert dated(outage, []) == outage
    (still,) = outages("a", line("uuxx"))
    assert dated(still, runs[:5]).last_bad_ms == T0 + 38


def test_a_service_is_detected_when_its_rule_was_known_to_be_broken() -> None:
    """Both members have to fail; the one that failed first was seen last."""
    shop = [Edge(T0, Level.UP, T0), Edge(T0 + 10, Level.DOWN, T0 + 30, "refused"), Edge(T0 + 50, Level.UP, T0 + 52)]
    cart = [Edge(T0, Level.UP, T0), Edge(T0 + 20, Level.DOWN, T0 + 21, "timed out"), Edge(T0 + 60, Level.UP, T0 + 61)]
    lines = [timeline(edges, (), (T0, T0 + 99), seen_until_ms=T0 + 99) for edges in (shop, cart)]
    rule = Rule(Kind.ANY)
    (outage,) = outages("pair", compose(lines, rule), told({"shop": shop, "cart": cart}, rule))
    assert (outage.first_bad_ms, outage.detected_ms, outage.first_good_ms) == (T0 + 20, T0 + 30, T0 + 50)
    assert outage.reason == "shop: refused"


@given(st.text("ux", min_size=1, max_size=60), st.sets(st.integers(0, 59)))
def test_from_runs_to_outages(marks: str, missing: set[int]) -> None:
    """Every outage is dated to a bad run after which M of N agreed, and decided at the run that made them agree."""
    every_ms = 10_000
    runs = [(T0 + index * every_ms, mark) for index, mark in enumerate(marks) if index not in missing]
    policy, state, edges = Policy(down_after=(2, 3), up_after=2), State(), []
    for at_ms, mark in runs:
        failure = Failure(FailureKind.CONNECT, "connect", "refused") if mark == "x" else None
        verdict = judge(policy, state, Result("a", at_ms, 0.0, failure=failure))
        state = verdict.state
        edges += edges_of([verdict.transition] if verdict.transition else [])
    instants = [at_ms for at_ms, _ in runs]
    end = covered_until(instants[-1], 10.0) if instants else T0
    whole = timeline(edges, gaps_of(instants, 10.0), (T0, end), seen_until_ms=end)
    found = [dated(each, [(at, mark == "x") for at, mark in runs]) for each in outages("a", whole, edges, every=10.0)]
    mark_at = dict(runs)
    for each in found:
        assert mark_at[each.first_bad_ms] == "x" == mark_at[each.last_bad_ms]
        assert each.first_bad_ms < each.detected_ms <= each.last_bad_ms
        assert mark_at[each.detected_ms] == "x"
        between = [at for at in instants if each.first_bad_ms <= at <= each.detected_ms]
        assert sum(mark_at[at] == "x" for at in between) == 2
        assert len(between) <= 3
        if not each.open:
            after = [mark_at[at] for at in instants if at >= each.first_good_ms]
            assert after[:2] == ["u", "u"]


def an_outage(begin: int, end: int, reason: str = "refused", subject: str = "a") -> Outage:
    """Of seconds after the start; an end of 0 is open."""
    first, last = T0 + begin * 1000, T0 + end * 1000 if end else 0
    return Outage(subject, first, first, first, last or first, last, X, reason, in_scope_ms=first, bad=1.0, lost=1.0)


def test_a_night_of_flapping_is_one_failure() -> None:
    flaps = [an_outage(at, at + 60, f"status {503 - at % 2}, wanted 2xx") for at in range(0, 3600, 600)]
    (failure,) = unique(flaps, gap=900.0)
    assert (failure.spells, failure.first_bad_ms, failure.first_good_ms) == (6, T0, T0 + 3_060_000)
    assert (failure.bad, failure.lost) == (6.0, 6.0)
    assert len(unique(flaps, gap=540.0)) == 6  # the gap is not less than that


@pytest.mark.parametrize(
    ("found", "spells"),
    [
        ([an_outage(0, 60), an_outage(70, 90, "timed out")], [1, 1]),  # another reason
        ([an_outage(0, 60), an_outage(70, 90, subject="b")], [1, 1]),
        ([an_outage(0, 60), an_outage(70, 90, "timed out"), an_outage(100, 110)], [2, 1]),
        ([an_outage(70, 0), an_outage(0, 60)], [2]),  # given in any order
        ([an_outage(0, 60), an_outage(960, 970)], [1, 1]),
        ([an_outage(0, 60), an_outage(959, 970)], [2]),
        ([], []),
    ],
)
def test_what_is_one_failure(found: list[Outage], spells: list[int]) -> None:
    made = unique(found, gap=900.0)
    assert [each.spells for each in made] == spells
    assert not found or made[-1].open is any(each.open for each in found)


@pytest.mark.parametrize(("every", "gap"), [(10.0, 900.0), (180.0, 900.0), (3600.0, 18_000.0)])
def test_failures_are_apart_by_a_quarter_of_an_hour_or_five_intervals(every: float, gap: float) -> None:
    assert merge_gap(every) == gap
