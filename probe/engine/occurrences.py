"""Good runs, of the runs that count: from days, hours and five minutes as far as they go, else from single runs.

A bucket in which something begins or ends that decides how runs count is taken apart, down to single runs. Where what
is finer is no longer kept, a bucket counts as most of it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probe.engine.trend import FINER, RUNS, Archive, unsettled
from probe.store.base import Store
from thresholds.base import Level
from thresholds.occurrences import Occurrences, Scope, scope
from thresholds.rollup import DAY, begin
from thresholds.spans import Span
from thresholds.timeline import Interval


@dataclass(frozen=True, slots=True)
class _Cell:
    """Runs of some time, of which no more is known than how many they were."""

    span: Span
    good: int
    bad: int
    runs: int  # with those that failed through us


async def occurrences(store: Store, check: str, window: Span, intervals: Iterable[Interval]) -> Occurrences:
    """The runs of a check in a window, by its timeline there. Raises StoreError."""
    archive = Archive(store, check, (), await unsettled(store, check))
    counter = _Counter(store, check, archive, scope(intervals))
    days = begin(window[0], DAY), begin(window[1] - 1, DAY) + DAY * 1000
    return await counter.sum(DAY, await counter.cells(DAY, days))


@dataclass(frozen=True, slots=True)
class _Counter:
    store: Store
    check: str
    archive: Archive
    scope: Scope

    async def sum(self, step: int, cells: Iterable[_Cell]) -> Occurrences:
        found = Occurrences()
        for cell in cells:
            if step != RUNS and self.scope.parted(cell.span):
                finer = await self.cells(FINER[step], cell.span)
                if sum(one.runs for one in finer) >= cell.runs:
                    found += await self.sum(FINER[step], finer)
                    continue
            found += self.scope.of(cell.span, cell.good, cell.bad)
        return found

    async def cells(self, step: int, span: Span) -> list[_Cell]:
        """What is kept of a span by one step."""
        if step == RUNS:
            return await self._runs(span)
        tallies = await self.archive.tallies(step, step, span)
        return [
            _Cell((at_ms, at_ms + step * 1000), one.up + one.degraded, one.down, one.runs)
            for at_ms, one in sorted(tallies.items())
        ]

    async def _runs(self, span: Span) -> list[_Cell]:
        found: list[_Cell] = []
        async for page in self.store.runs(self.check, *span):
            for kept in page:
                at_ms, level = kept.result.at_ms, kept.level
                if not kept.result.provisional:
                    good, bad = int(level in (Level.UP, Level.DEGRADED)), int(level is Level.DOWN)
                    found.append(_Cell((at_ms, at_ms + 1), good, bad, 1))
        return found
