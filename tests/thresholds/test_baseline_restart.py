"""A baseline that was made again from stored hours judges as the one that never stopped."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from thresholds.base import BaselineThreshold, Level
from thresholds.baseline import Baseline
from thresholds.gathered import Hour
from thresholds.profile import HOUR_MS
from thresholds.sketch import Sketch
from thresholds.spans import Span

START = 1_772_000_000_000 // HOUR_MS * HOUR_MS  # 2026-02-25, so that clocks change within
Run = tuple[int, float | None, bool]


@dataclass(frozen=True)
class History:
    """Runs with all that may happen to them."""

    runs: list[Run]
    work: list[Span]
    hours: list[Hour]

    def planned(self, span: Span) -> bool:
        return any(start < span[1] and span[0] < end for start, end in self.work)


def hours(runs: Iterable[Run]) -> Iterator[Hour]:
    """As rollups have them."""
    by_hour: defaultdict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_hour[run[0] // HOUR_MS].append(run)
    for number, some in by_hour.items():
        sketch = Sketch()
        for _, value, _failed in some:
            if value is not None:
                sketch.add(value)
        failures = sum(failed for *_, failed in some)
        yield Hour.of(number * HOUR_MS, len(some), failures, sketch if sketch.count else None)


def history(chance: random.Random, days: int, until_days: float, bucket: float) -> History:
    """`days` of a few runs an hour, then runs as dense as buckets want them: slow for hours at times."""
    at_ms, end_ms = START + chance.randrange(HOUR_MS), START + round((days + until_days) * 86_400_000)
    runs: list[Run] = []
    level, until_ms = 1.0, at_ms
    while at_ms < end_ms:
        dense = at_ms >= START + days * 86_400_000
        if at_ms >= until_ms:
            level = chance.choice([1.0, 1.0, 2.5] if dense else [1.0] * 8 + [2.5])
            until_ms = at_ms + round(chance.expovariate(1 / 8) * bucket * 1000)
            if chance.random() < 0.04:
                at_ms += round(chance.expovariate(1 / 3) * HOUR_MS)  # nothing ran
        value = level * 0.3 * math.exp(chance.gauss(0, 0.1)) * (1.5 if at_ms // HOUR_MS % 24 == 2 else 1)
        failed = chance.random() < (0.3 if level > 1 else 0.005)
        runs.append((at_ms, None if failed or chance.random() < 0.02 else value, failed))
        at_ms += round(chance.uniform(0.3, 1.7) * (bucket / 8 if dense else 500.0) * 1000)
    work = [(at, at + chance.randrange(3 * HOUR_MS)) for at, *_ in chance.sample(runs, 8)]
    return History(runs, work, list(hours(runs)))


def restarted(threshold: BaselineThreshold, past: History, before_ms: int) -> Baseline:
    """One that is made after a restart at an instant, from what was stored until then."""
    baseline = Baseline(threshold, past.planned)
    hours_ms, runs_ms = baseline.needs(before_ms)
    baseline.restore(hour for hour in past.hours if hours_ms <= hour.at_ms < runs_ms)
    for run in past.runs:
        if runs_ms <= run[0] < before_ms:
            baseline.take(*run)
    return baseline


@pytest.mark.parametrize(
    ("bucket", "buckets", "zone", "days"),
    [
        (3600.0, 2, "Europe/Berlin", 38),
        (3600.0, 3, "Australia/Lord_Howe", 10),
        (3600.0, 1, "UTC", 9),
        (1800.0, 2, "Asia/Kolkata", 9),
        (900.0, 2, "America/New_York", 12),
        (300.0, 2, "Europe/Berlin", 6),
        (300.0, 3, "UTC", 12),
        (420.0, 2, "UTC", 9),  # some buckets lie in two hours
    ],
)
def test_restarts_at_any_instant_change_nothing(bucket: float, buckets: int, zone: str, days: int) -> None:
    chance = random.Random(f"{bucket} {buckets} {zone}")
    threshold = BaselineThreshold("baseline(total)", "total", 4.0, bucket=bucket, buckets=buckets, zone=zone)
    past = history(chance, days, 2.0 * bucket / 900, bucket)
    always = Baseline(threshold, past.planned)
    dense = [i for i, run in enumerate(past.runs) if run[0] >= START + days * 86_400_000]
    cuts = sorted(chance.sample(dense, 8))
    others: list[Baseline] = []
    seen: set[Level] = set()
    current = Level.UP
    for i, run in enumerate(past.runs):
        if i in cuts:
            others = [*others[-2:], restarted(threshold, past, run[0])]
            others.append(restarted(threshold, past, past.runs[i - 1][0] + 1))
        for baseline in (always, *others):
            baseline.take(*run)
        current, _ = judged = always.judge(current)
        seen.add(current)
        for other in others:
            for level in Level:
                assert other.judge(level) == always.judge(level)
            if not i % 25:
                assert other.usual(run[0]) == always.usual(run[0])
                assert (other.stage, other.learned) == (always.stage, always.learned)
        assert judged[0] is current
    assert seen == {Level.UP, Level.DEGRADED}  # it had something to say


def test_the_oldest_hour_that_was_looked_back_on_is_needed_too() -> None:
    """Without the oldest of five values their median is less, and 450 ms would be over."""
    first = START // HOUR_MS + 7 * 24
    slow, last = (first, first + 168, first + 336), first + 840
    runs: list[Run] = []
    for hour in range(first, last + 2):
        value = 0.45 if hour >= last else 0.4 if hour in slow else 0.3 if (hour - first) % 168 == 1 else 0.2
        runs += [(hour * HOUR_MS + n, value, False) for n in range(9)]
        runs += [(hour * HOUR_MS + n, None, True) for n in (9, 10) if hour >= last]  # it teaches nothing
    past = History(runs, [], list(hours(runs)))
    threshold = BaselineThreshold("baseline(total)", "total", 4.0)
    always = Baseline(threshold)
    for run in runs:
        always.take(*run)
    now = (last + 2) * HOUR_MS
    again = restarted(threshold, past, now)
    for baseline in (always, again):
        baseline.take(now, 0.2, False)
        assert baseline.judge(Level.UP)[0] is Level.UP
    assert again.judge(Level.DEGRADED) == always.judge(Level.DEGRADED)


def test_hours_that_are_taken_again_run_by_run_change_nothing() -> None:
    """A rollup may already have an hour of which the runs are read, too."""
    threshold = BaselineThreshold("baseline(total)", "total", 4.0, bucket=900.0)
    past = history(random.Random(5), 10, 1.0, 900.0)
    cut = past.runs[-40][0]
    again = Baseline(threshold, past.planned)
    hours_ms, runs_ms = again.needs(cut)
    again.restore(hours(run for run in past.runs if hours_ms <= run[0] < cut))
    once = restarted(threshold, past, cut)
    for run in past.runs:
        if run[0] >= runs_ms:
            again.take(*run)
        if run[0] >= cut:
            once.take(*run)
            assert again.judge(Level.DEGRADED) == once.judge(Level.DEGRADED)
            assert again.usual(run[0]) == once.usual(run[0])
