"""How many runs were fast enough, for objectives on latency: counted as runs come, five minutes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from checks.core.result import Result
from probe.store.base import Store
from thresholds.measured import truthful, value_of
from thresholds.sketch import Sketch
from thresholds.slo import Kind, Objective

STEP = 300_000  # ms: what rollups keep, so that a restart counts as before
_FOREVER = 1 << 53

Key = tuple[str, float]  # a metric, and the limit that a run is to keep


@dataclass(slots=True)
class Count:
    """Runs of one check that kept a limit, and all that say anything of it, by the beginning of their five minutes."""

    good: dict[int, int] = field(default_factory=dict)
    total: dict[int, int] = field(default_factory=dict)
    runs: int = 0  # since the start of the process, for counters
    slow: int = 0  # of them

    def take(self, at_ms: int, good: bool) -> None:
        self.runs += 1
        self.slow += not good
        self.add(at_ms, int(good), 1)

    def add(self, at_ms: int, good: int, total: int) -> None:
        at_ms -= at_ms % STEP
        self.good[at_ms] = self.good.get(at_ms, 0) + good
        self.total[at_ms] = self.total.get(at_ms, 0) + total

    def forget(self, before_ms: int) -> None:
        for at_ms in [at_ms for at_ms in self.total if at_ms < before_ms]:
            del self.good[at_ms], self.total[at_ms]


class Paces:
    """Counts by check, of those that an objective asks for."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Key, Count]] = {}

    def take(self, result: Result) -> None:
        """Count a run. One whose latency our own lag may explain says nothing of it, nor does a failed one."""
        counts = self._counts.get(result.check)
        if counts is None or result.provisional or result.failure is not None or not truthful(result):
            return
        for (metric, limit), count in counts.items():
            value = value_of(metric, result)
            if value is not None:
                count.take(result.at_ms, value <= limit)

    async def want(self, wanted: Mapping[str, Iterable[Objective]], store: Store, since_ms: int) -> None:
        """Count for these objectives by check, and no others; what is new is counted from the store's history."""
        counts: dict[str, dict[Key, Count]] = {}
        for check, objectives in wanted.items():
            for key in {(one.metric, one.limit) for one in objectives if one.kind is Kind.LATENCY}:
                known = self._counts.get(check, {}).get(key)
                counts.setdefault(check, {})[key] = known or await _counted(store, check, key, since_ms)
        self._counts = counts

    def rows(self, checks: Iterable[str], objective: Objective) -> list[tuple[int, int, int]]:
        """(Unix ms, good, total) of some checks together, in order."""
        good: dict[int, int] = {}
        total: dict[int, int] = {}
        for check in checks:
            count = self._counts.get(check, {}).get((objective.metric, objective.limit))
            for at_ms, runs in count.total.items() if count else ():
                total[at_ms] = total.get(at_ms, 0) + runs
                good[at_ms] = good.get(at_ms, 0) + (count.good[at_ms] if count else 0)
        return [(at_ms, good[at_ms], total[at_ms]) for at_ms in sorted(total)]

    def counted(self, checks: Iterable[str], objective: Objective) -> tuple[int, int]:
        """Runs of some checks together since the start of the process, and how many of them were slow."""
        key = objective.metric, objective.limit
        counts = [count for check in checks if (count := self._counts.get(check, {}).get(key)) is not None]
        return sum(count.runs for count in counts), sum(count.slow for count in counts)

    def forget(self, before_ms: int) -> None:
        for counts in self._counts.values():
            for count in counts.values():
                count.forget(before_ms)


async def _counted(store: Store, check: str, key: Key, since_ms: int) -> Count:
    """From rollups as far as they go, to a bucket of their sketches; from the runs themselves after that."""
    metric, limit = key
    count, after_ms = Count(), since_ms - since_ms % STEP
    for bucket in await store.buckets(check, STEP // 1000, after_ms, _FOREVER):
        after_ms = bucket.at_ms + STEP
        if encoded := bucket.sketches.get(metric):
            sketch = Sketch.decode(encoded)
            count.add(bucket.at_ms, sketch.count_upto(limit), sketch.count)
    async for page in store.runs(check, after_ms, _FOREVER):
        for kept in page:
            result = kept.result
            value = value_of(metric, result)
            if result.failure is None and not result.provisional and truthful(result) and value is not None:
                count.add(result.at_ms, int(value <= limit), 1)
    return count
