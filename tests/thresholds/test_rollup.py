"""What runs come to, held against counting them by hand; and that it does not matter how the time was cut."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Failure, FailureKind, Result
from thresholds.base import Level
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, Tally, begin, regroup, stats
from thresholds.sketch import Sketch

AT_MS = 1_763_800_000_000
GOOD = Result("a", AT_MS, 0.3, {"dns": 0.1, "ttfb": 0.2})


def failed(kind: FailureKind) -> Result:
    return Result("a", AT_MS, 10.0, {"dns": 0.1}, {}, Failure(kind, "connect", "no"))


def counts(tally: Tally) -> tuple[int, int, int, int]:
    return tally.up, tally.degraded, tally.down, tally.unknown


@pytest.mark.parametrize(
    ("run", "level", "counted", "kinds", "metrics"),
    [
        (GOOD, Level.UP, (1, 0, 0, 0), {}, {"total", "dns", "ttfb"}),
        (GOOD, Level.DEGRADED, (0, 1, 0, 0), {}, {"total", "dns", "ttfb"}),  # slow is no failure
        (GOOD, Level.DOWN, (0, 0, 1, 0), {}, {"total", "dns", "ttfb"}),  # nor is too slow
        (GOOD, Level.UNKNOWN, (0, 0, 0, 1), {}, {"total", "dns", "ttfb"}),
        (Result("a", AT_MS, 0.0), Level.UP, (1, 0, 0, 0), {}, set()),  # nobody knows how long it took
        (failed(FailureKind.TIMEOUT), Level.DOWN, (0, 0, 1, 0), {"timeout": 1}, set()),
        (failed(FailureKind.LOCAL), Level.DOWN, (0, 0, 0, 1), {"local": 1}, set()),
        (replace(failed(FailureKind.TIMEOUT), provisional=True), Level.DOWN, (0, 0, 0, 0), {}, set()),
        (replace(GOOD, facts={"loop.lag": 0.031}), Level.UP, (1, 0, 0, 0), {}, set()),  # more than a tenth of it
        (replace(GOOD, facts={"loop.lag": 0.029}), Level.UP, (1, 0, 0, 0), {}, {"total", "dns", "ttfb"}),
    ],
)
def test_a_run_is_counted_for_what_it_says(
    run: Result, level: Level, counted: tuple[int, ...], kinds: dict[str, int], metrics: set[str]
) -> None:
    tally = Tally()
    tally.take(run, level)
    assert (counts(tally), tally.kinds, set(tally.sketches)) == (counted, kinds, metrics)
    assert tally.runs == sum(counted)
    assert {metric: sketch.total for metric, sketch in tally.sketches.items()} == pytest.approx(
        {metric: {"total": 0.3, "dns": 0.1, "ttfb": 0.2}[metric] for metric in metrics}
    )


@pytest.mark.parametrize(
    ("step", "began"),
    [
        (FIVE_MINUTES, "2024-02-29T23:55:00"),
        (HOUR, "2024-02-29T23:00:00"),
        (DAY, "2024-02-29T00:00:00"),
    ],
)
def test_buckets_begin_where_utc_clocks_say(step: int, began: str) -> None:
    leap_ms = 1_709_251_199_999  # date -u -d 2024-02-29T23:59:59.999 +%s%3N
    wanted = {
        "2024-02-29T23:55:00": 1_709_250_900,
        "2024-02-29T23:00:00": 1_709_247_600,
        "2024-02-29T00:00:00": 1_709_164_800,
    }
    assert begin(leap_ms, step) == wanted[began] * 1000
    assert begin(leap_ms + 1, step) == leap_ms + 1  # a leap day ends like any other


runs = st.builds(
    lambda offset, seconds, kind, provisional: Result(
        "a",
        AT_MS + offset * 1000,
        seconds,
        {"ttfb": seconds / 2} if kind is None else {},
        {},
        None if kind is None else Failure(kind, "", "no"),
        provisional=provisional and kind is not None,
    ),
    st.integers(0, 200_000),
    st.floats(1e-6, 60),
    st.none() | st.sampled_from(FailureKind),
    st.booleans(),
)


@given(st.lists(runs, max_size=40))
def test_however_the_time_is_cut_a_day_is_its_runs(results: list[Result]) -> None:
    fine: dict[int, Tally] = {}
    whole: dict[int, list[Result]] = {}
    for run in results:
        fine.setdefault(begin(run.at_ms, FIVE_MINUTES), Tally()).take(run, Level.DOWN if run.failure else Level.UP)
        whole.setdefault(begin(run.at_ms, DAY), []).append(run)
    days = regroup(regroup(fine, HOUR), DAY)
    assert days.keys() == whole.keys()
    for at_ms, tally in days.items():
        counted = [run for run in whole[at_ms] if not run.provisional]
        kinds = Counter(run.failure.kind.value for run in counted if run.failure)
        assert tally.kinds == kinds
        assert tally.unknown == kinds["local"]
        assert (tally.down, tally.up) == (kinds.total() - kinds["local"], len(counted) - kinds.total())
        exact = Sketch()
        for run in counted:
            if run.failure is None:
                exact.add(run.duration)
        if exact.count:
            assert tally.sketches["total"].encode() == exact.encode()
        else:
            assert "total" not in tally.sketches


def test_regrouping_leaves_the_parts_as_they_were() -> None:
    part = Tally()
    part.take(GOOD, Level.UP)
    coarse = regroup({AT_MS: part, AT_MS + 300_000: part}, DAY)
    assert [tally.runs for tally in coarse.values()] == [2]
    assert (part.runs, part.sketches["total"].count) == (1, 1)


def test_stats_are_those_of_the_values() -> None:
    sketch = Sketch()
    assert stats(sketch) is None
    values = [number / 1000 for number in range(1, 1001)]
    for value in values:
        sketch.add(value)
    found = stats(sketch)
    assert found is not None
    assert (found.count, found.least, found.most) == (1000, 0.001, 1.0)
    assert found.mean == pytest.approx(0.5005)
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx([0.5, 0.9, 0.95, 0.99], rel=0.011)
