"""One check over time as one series: whether it comes from runs, five minutes, hours or days is nobody's business.

What is not rolled up yet is made here of what it will be made of, so a series ends now and has no seams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from probe.store.base import Store
from probe.store.tallies import tally_of
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, STEPS, TOTAL, Stats, Tally, begin, regroup, stats
from thresholds.spans import Span, clip, union

RUNS = 0  # the step of what is not rolled up
_COARSER = dict(pairwise((RUNS, *STEPS)))
FINER = {coarser: finer for finer, coarser in _COARSER.items()}
_LADDER = (60, FIVE_MINUTES, 900, HOUR, 21_600, DAY, 7 * DAY)  # s
_POINTS = 400  # that a series has at most where its step is left to us
_FOREVER = 1 << 53
_SKETCHES = 20  # decoded, or asked, between two turns of the event loop: about 2 ms


@dataclass(frozen=True, slots=True)
class Point:
    """What the runs of `step` seconds came to. Percentiles are those of its runs, never of other percentiles."""

    at_ms: int  # Unix ms of its beginning
    step: int  # s
    up: int
    degraded: int
    down: int
    unknown: int  # that failed through us
    kinds: Mapping[str, int] = field(default_factory=dict)  # failures by kind
    latencies: Mapping[str, Stats] = field(default_factory=dict)  # of good runs, by metric: "total", or a phase

    @property
    def runs(self) -> int:
        return self.up + self.degraded + self.down + self.unknown


@dataclass(frozen=True, slots=True)
class Series:
    """Points of a check in order, those without a run left out, and what all of them come to as one."""

    check: str
    step: int  # s; points of times of which no finer ones are kept have a coarser one
    points: tuple[Point, ...]
    whole: Point


def step_for(window: Span) -> int:
    """The finest step that makes a picture of a window, and not a carpet."""
    seconds = (window[1] - window[0]) / 1000
    return next((step for step in _LADDER if seconds / step <= _POINTS), _LADDER[-1])


async def trend(
    store: Store, check: str, window: Span, *, step: int = 0, metrics: Collection[str] | None = (TOTAL,)
) -> Series:
    """A check's series over a window: of whole steps, all that the window touches. Raises StoreError.

    `step` in seconds divides 5 minutes, an hour or a day into whole parts, or is a number of days; 0 chooses one.
    ValueError for another. `metrics` None: latencies of all phases, too.
    """
    step = step or step_for(window)
    tier = tier_of(step)
    span = begin(window[0], step), begin(window[1] - 1, step) + step * 1000
    archive = Archive(store, check, metrics, await unsettled(store, check))
    tallies = await archive.series(tier, step, span) if window[0] < window[1] else {}
    points = []
    whole = Tally()
    for at_ms, length in sorted(tallies):
        tally = tallies[at_ms, length]
        points.append(_point(at_ms, length, tally))
        whole.merge(tally)
        await archive.breathe(len(tally.sketches))
    return Series(check, step, tuple(points), _point(span[0], (span[1] - span[0]) // 1000, whole))


def tier_of(step: int) -> int:
    """The coarsest buckets that make up such steps; 0 for runs. ValueError where it is no step."""
    if step >= DAY and step % DAY == 0:
        return DAY
    for tier, coarser in reversed(_COARSER.items()):
        if step > 0 and coarser % step == 0 and step % (tier or 1) == 0:
            return tier
    raise ValueError(
        f"a step of {step} s does not divide 5 minutes, nor is it made of them and divides an hour, or a day"
    )


def _point(at_ms: int, step: int, tally: Tally) -> Point:
    latencies = {metric: found for metric, sketch in tally.sketches.items() if (found := stats(sketch))}
    return Point(at_ms, step, tally.up, tally.degraded, tally.down, tally.unknown, tally.kinds, latencies)


async def unsettled(store: Store, check: str) -> Mapping[int, list[Span]]:
    """The time, by step, whose buckets of a check are not made, or wait to be made again."""
    rolled, late = await store.rolled(), await store.late_buckets(check)
    spans: dict[int, list[Span]] = {}
    for step in STEPS:
        waiting = [begin(at_ms, step) for finer, at_ms in late if finer <= step]
        made_ms = begin(rolled.get(step, 0), step)
        spans[step] = union([(made_ms, _FOREVER), *((at_ms, at_ms + step * 1000) for at_ms in waiting)])
    return spans


class Archive:
    """What is kept of one check, by step; without `metrics` no latency is looked at."""

    def __init__(
        self, store: Store, check: str, metrics: Collection[str] | None, unsettled: Mapping[int, list[Span]]
    ) -> None:
        self._store = store
        self._check = check
        self._metrics = metrics
        self._unsettled = unsettled
        self._sketches = 0

    async def breathe(self, sketches: int) -> None:
        """Let others go on, after so many sketches more."""
        self._sketches += sketches
        if self._sketches >= _SKETCHES:
            self._sketches = 0
            await asyncio.sleep(0)

    async def series(self, tier: int, step: int, span: Span) -> dict[tuple[int, int], Tally]:
        """Tallies by beginning and step: as fine as asked for where that is kept, coarser before that."""
        cut_ms = await self._reaches(tier, span)
        found: dict[tuple[int, int], Tally] = {}
        if cut_ms > span[0]:
            coarser = _COARSER[tier]
            before = begin(span[0], coarser), begin(cut_ms - 1, coarser) + coarser * 1000
            found = await self.series(coarser, coarser, before)
        fine = await self.tallies(tier, step, (cut_ms, span[1])) if cut_ms < span[1] else {}
        return {**found, **{(at_ms, step): tally for at_ms, tally in fine.items()}}

    async def _reaches(self, tier: int, span: Span) -> int:
        """From when on a tier holds all that there was in a span; before that, a coarser one does."""
        if tier == DAY:
            return span[0]
        coarser = _COARSER[tier]
        first_ms = await self._store.first(self._check, tier)
        above_ms = await self._store.first(self._check, coarser)
        if above_ms is None or (first_ms is not None and first_ms <= span[0]):
            return span[0]
        if first_ms is None or first_ms >= span[1]:
            return span[1]
        start_ms = begin(first_ms, coarser)
        if not await self.holds(tier, coarser, start_ms):
            start_ms += coarser * 1000
        return max(span[0], min(start_ms, span[1]))

    async def holds(self, tier: int, coarser: int, at_ms: int) -> bool:
        """Whether a tier has all of one coarser bucket, and not only what is left of it."""
        kept = await self._store.buckets(self._check, coarser, at_ms, at_ms + 1)
        finer = await self.tallies(tier, coarser, (at_ms, at_ms + coarser * 1000))
        return not kept or (at_ms in finer and finer[at_ms].runs >= tally_of(kept[0], ()).runs)

    async def tallies(self, tier: int, step: int, span: Span) -> dict[int, Tally]:
        """Tallies of a step, made of what is kept of one tier."""
        if tier == RUNS:
            return await self._of_runs(step, span)
        kept = await self._buckets(tier, span)
        return kept if step == tier else regroup(kept, step)

    async def _buckets(self, tier: int, span: Span) -> dict[int, Tally]:
        found: dict[int, Tally] = {}
        for bucket in await self._store.buckets(self._check, tier, *span):
            found[bucket.at_ms] = tally_of(bucket, self._metrics)
            await self.breathe(len(found[bucket.at_ms].sketches))
        for part in clip(self._unsettled[tier], span):
            for at_ms, tally in (await self.tallies(FINER[tier], tier, part)).items():
                if at_ms not in found or tally.runs >= found[at_ms].runs:  # fewer: what it is made of is partly gone
                    found[at_ms] = tally
        return found

    async def _of_runs(self, step: int, span: Span) -> dict[int, Tally]:
        found: dict[int, Tally] = {}
        async for page in self._store.runs(self._check, *span):
            for kept in page:
                at_ms = begin(kept.result.at_ms, step)
                if at_ms not in found:
                    found[at_ms] = Tally()
                found[at_ms].take(kept.result, kept.level)
        return {at_ms: self._wanted(tally) for at_ms, tally in found.items() if tally.runs}

    def _wanted(self, tally: Tally) -> Tally:
        if self._metrics is not None:
            tally.sketches = {metric: tally.sketches[metric] for metric in self._metrics if metric in tally.sketches}
        return tally
