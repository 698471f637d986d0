"""What was bad, of how much: against counting millisecond by millisecond, and by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.availability import Unknown, availability
from thresholds.ledger import Covered, RunLedger, Tally, TimeLedger, ledger_of, scope_of
from thresholds.spans import Span, clip, length, union
from thresholds.timeline import Condition, Interval

_SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8).map(union)
_UNKNOWN, _UP, _DEGRADED, _DOWN, _PAUSED = Condition


@given(_SPANS, st.integers(-10, 70), st.integers(-10, 70))
def test_what_spans_cover_of_a_window_is_what_clipping_leaves(spans: list[Span], start: int, end: int) -> None:
    wanted = length(clip(spans, (start, end))) if start < end else 0
    assert Covered(spans).seconds((start, end)) == wanted


def test_an_outage_that_lasts_ends_where_the_window_does() -> None:
    ledger = TimeLedger(60.0, Covered([(0, 10**15)]), Covered([(60_000, 10**15)]))
    assert ledger.tally((0, 180_000)) == Tally(bad=2, expected=3, known=3, counted=3)


def test_what_is_expected_comes_from_the_schedule_and_not_from_what_was_seen() -> None:
    # elastic/kibana issue 203279: one bad of one observed, in an hour of sixty slices, is one in sixty.
    hour = 3_600_000
    ledger = TimeLedger(60.0, Covered([(0, hour)]), Covered([(0, 60_000)]), unknown=Covered([(60_000, hour)]))
    assert ledger.tally((0, hour)) == Tally(bad=1, expected=60, known=1, counted=60)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5), st.integers(0, 5)), max_size=30).map(sorted),
    st.integers(-5, 60),
    st.integers(-5, 60),
)
def test_runs_of_a_window_are_those_from_its_start_to_before_its_end(
    rows: list[tuple[int, int, int]], start: int, end: int
) -> None:
    counted = [(at, good, good + slow) for at, good, slow in rows]
    tally = RunLedger(counted, [(0, 50)], every=0.001).tally((start, end))
    within = [(good, total) for at, good, total in counted if start <= at < end]
    assert tally.bad == sum(total - good for good, total in within)
    assert tally.known == sum(total for _, total in within)
    assert tally.expected == pytest.approx(max(tally.known, 0, min(end, 50) - max(start, 0)), rel=1e-12)


def test_a_window_begins_with_a_bucket_so_that_a_bucket_that_began_just_now_is_not_all_of_it() -> None:
    """Five minutes by buckets of five minutes: all runs are slow, at whatever second somebody looks."""
    step = 300_000
    for now in range(2 * step, 3 * step, 15_000):
        counted = [(0, 0, 30), (step, 0, 30), (2 * step, 0, (now - 2 * step) // 10_000)]
        ledger = RunLedger(counted, [(0, 10 * step)], every=10.0, step=step)
        tally = ledger.tally((now - step, now))
        assert tally.bad == pytest.approx(tally.expected, abs=1)
        assert 30 <= tally.expected <= 60


def _line(*parts: tuple[int, Condition], **flags: bool) -> list[Interval]:
    """Conditions one after the other, each for so many minutes."""
    found, at = [], 0
    for minutes, condition in parts:
        found.append(Interval(at, at + minutes * 60_000, condition, **flags))
        at += minutes * 60_000
    return found


@pytest.mark.parametrize(
    ("policy", "bad", "counted"),
    [
        (Unknown.MISSING, 10, 80),
        (Unknown.IGNORE, 15, 100),  # the five minutes after the outage, not the fifteen after the recovery
        (Unknown.BREACHING, 30, 100),
        (Unknown.NOT_BREACHING, 10, 100),
    ],
)
def test_the_unknown_is_taken_for_what_the_policy_says(policy: Unknown, bad: float, counted: float) -> None:
    line = _line((30, _UP), (10, _DOWN), (5, _UNKNOWN), (40, _UP), (15, _UNKNOWN))
    assert ledger_of(line, 60.0, unknown=policy).tally((0, 100 * 60_000)) == Tally(bad, 100, 80, counted)


def test_after_a_pause_the_unknown_is_as_before_the_pause() -> None:
    line = _line((10, _DOWN), (10, _PAUSED), (10, _UNKNOWN))
    assert ledger_of(line, 60.0, unknown=Unknown.IGNORE).tally((0, 30 * 60_000)) == Tally(20, 20, 10, 20)


@pytest.mark.parametrize(("counts_as", "bad"), [(1.0, 10), (0.5, 20), (0.0, 30)])
def test_degraded_time_is_bad_for_the_share_that_is_asked_for(counts_as: float, bad: float) -> None:
    line = _line((60, _UP), (20, _DEGRADED), (10, _DOWN))
    assert ledger_of(line, 60.0, degraded_counts_as=counts_as).tally((0, 90 * 60_000)) == Tally(bad, 90, 90, 90)


@pytest.mark.parametrize("flag", [{"served": False}, {"planned": True}, {"excluded": True}])
def test_time_out_of_scope_is_neither_bad_nor_expected(flag: dict[str, bool]) -> None:
    outside = _line((10, _DOWN), **flag)
    rest = [Interval(600_000, 1_200_000, _DOWN), Interval(1_200_000, 1_800_000, _UP)]
    assert ledger_of([*outside, *rest], 60.0).tally((0, 1_800_000)) == Tally(10, 20, 20, 20)
    assert scope_of([*outside, *rest]) == [(600_000, 1_800_000)]


def test_a_pause_is_out_of_scope() -> None:
    assert scope_of(_line((10, _UP), (10, _PAUSED), (10, _UNKNOWN))) == [(0, 600_000), (1_200_000, 1_800_000)]


_FLAG = st.sampled_from([True, False, False, False])
_LINES = st.lists(st.tuples(st.integers(1, 50), st.sampled_from(Condition), _FLAG, _FLAG, _FLAG), max_size=12)


@given(_LINES, st.sampled_from(Unknown), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_ledger_and_availability_agree(
    parts: list[tuple[int, Condition, bool, bool, bool]], policy: Unknown, counts_as: float
) -> None:
    line, at = [], 0
    for length_ms, condition, unserved, planned, excluded in parts:
        line.append(Interval(at, at + length_ms, condition, not unserved, planned, excluded))
        at += length_ms
    tally = ledger_of(line, 0.001, degraded_counts_as=counts_as, unknown=policy).tally((0, at))
    whole = availability(line, degraded_counts_as=counts_as, unknown=policy)
    assert tally.expected == pytest.approx(whole.in_scope * 1000)
    assert tally.known == pytest.approx(whole.known * 1000)
    ratio = 1 - tally.bad / tally.counted if tally.counted > 0 else None
    assert ratio == (None if whole.ratio is None else pytest.approx(whole.ratio))
