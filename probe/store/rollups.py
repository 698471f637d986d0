"""The part of the store that keeps what runs come to. What is rolled when, and again, is probe.engine.roll's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from probe.store import rows, tallies
from probe.store.base import Bucket
from probe.store.batch import Change
from probe.store.driver import Driver, legible
from probe.store.shapes import Shape
from probe.store.statements import SQL
from probe.store.tallies import Outline
from probe.store.texts import to_text
from thresholds.rollup import FIVE_MINUTES, STEPS, Tally, begin

_FEW = 16  # checks, or shapes, that are read at a time
_AT_ONCE = 100  # runs taken in between two turns of the event loop: about 1 ms
_SKETCHES = 50  # read between two turns: about 1 ms
_MOST = 50_000  # outlines of shapes that are remembered


class SqlRollups:
    """probe.store.base.Rollups over a driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._changing = asyncio.Lock()  # what is known to be stored, and what is stored
        self._sealed: int | None = None  # as the file says; None: not looked up
        self._sealing = 0  # what we say, whatever the file does
        self._outlines: dict[int, Outline] = {}  # by shape

    def _forget(self) -> None:
        """What was known to be stored is not any more."""
        self._sealed = None
        self._outlines.clear()

    async def roll(self, check: str, buckets: Sequence[Bucket]) -> None:
        if buckets:
            (number,) = await self._driver.number((SQL["add_check"], [(to_text(check),)]))
            await self._driver.write([(SQL["add_rollup"], [rows.bucket_row(number, one) for one in buckets])])

    async def buckets(self, check: str, step: int, since_ms: int, until_ms: int) -> Sequence[Bucket]:
        found = await self._driver.read(SQL["rollups"], (to_text(check), step, since_ms, until_ms))
        with legible():
            return [rows.bucket(row) for row in found]

    async def rolled(self) -> Mapping[int, int]:
        return {int(step): int(until_ms) for step, until_ms in await self._driver.read(SQL["rolled"])}

    async def roll_until(self, step: int, until_ms: int) -> None:
        if step == FIVE_MINUTES:
            await self.seal(until_ms)
        await self._driver.write([(SQL["set_rolled"], [(step, until_ms)])])

    async def seal(self, until_ms: int) -> None:
        async with self._changing:  # what is being appended is read afterwards, what comes then knows
            self._sealing = max(self._sealing, until_ms)

    async def _sealed_until(self) -> int:
        if self._sealed is None:
            self._sealed = (await self.rolled()).get(FIVE_MINUTES, 0)
        return max(self._sealed, self._sealing)

    async def settled(self) -> Mapping[int, int]:
        until = dict(await self.rolled())
        for late, at_ms in await self.late():
            for step in STEPS:
                if step >= late and step in until:
                    until[step] = min(until[step], begin(at_ms, step))
        return until

    async def late(self) -> Sequence[tuple[int, int]]:
        return [(int(step), int(at_ms)) for step, at_ms in await self._driver.read(SQL["late"])]

    async def late_checks(self, step: int, at_ms: int) -> Mapping[int, int]:
        return {int(check): int(marks) for check, marks in await self._driver.read(SQL["late_checks"], (step, at_ms))}

    async def late_buckets(self, check: str) -> Sequence[tuple[int, int]]:
        found = await self._driver.read(SQL["late_buckets"], (to_text(check),))
        return [(int(step), int(at_ms)) for step, at_ms in found]

    async def numbers(self) -> Sequence[int]:
        return [int(number) for (number,) in await self._driver.read(SQL["numbers"])]

    async def sums(self, step: int, at_ms: int, checks: Sequence[int]) -> AsyncIterator[Mapping[int, Bucket]]:
        make = self._of_runs if step == FIVE_MINUTES else self._of_buckets
        for start in range(0, len(checks), _FEW):
            some = checks[start : start + _FEW]
            padded = (*some, *[some[0]] * (_FEW - len(some)))
            made: dict[int, Bucket] = {}
            async for check, tally in make(step, (at_ms, at_ms + step * 1000), padded):
                made[check] = tallies.stored(at_ms, step, tally)
            yield made

    async def _of_runs(self, _step: int, span: tuple[int, int], checks: Sequence[int]) -> AsyncIterator[_Sum]:
        found = await self._driver.read(SQL["runs_of_checks"], (*span, *checks))
        outlines = await self._outlined({row[-1] for row in found})
        for check, group in groupby(found, itemgetter(0)):
            runs = list(group)
            tally = Tally()
            for start in range(0, len(runs), _AT_ONCE):
                with legible():
                    tallies.fold(tally, runs[start : start + _AT_ONCE], outlines)
                await asyncio.sleep(0)
            yield check, tally

    async def _of_buckets(self, step: int, span: tuple[int, int], checks: Sequence[int]) -> AsyncIterator[_Sum]:
        finer = STEPS[STEPS.index(step) - 1]
        found = await self._driver.read(SQL["rollups_of_checks"], (finer, *span, *checks))
        decoded = 0
        for check, group in groupby(found, itemgetter(0)):
            tally = Tally()
            for row in group:
                with legible():
                    bucket = rows.bucket(row[1:])
                    tally.merge(tallies.tally_of(bucket))
                decoded += len(bucket.sketches)
                if decoded >= _SKETCHES:
                    decoded = 0
                    await asyncio.sleep(0)
            yield check, tally

    async def _outlined(self, ids: set[int]) -> Mapping[int, Outline]:
        """What is to be known of shapes; from memory, mostly."""
        known = {number: self._outlines[number] for number in ids if number in self._outlines}
        if len(known) < len(ids):
            if len(self._outlines) >= _MOST:
                self._outlines.clear()
            shapes = await self._shapes(ids - known.keys())
            read = {number: tallies.outline(shape) for number, shape in shapes.items()}
            self._outlines.update(read)
            known.update(read)
        return known

    async def _shapes(self, ids: set[int]) -> Mapping[int, Shape]:
        """Shapes by id; read apart from the results, of which thousands have the same."""
        shapes: dict[int, Shape] = {}
        wanted = sorted(ids)
        for start in range(0, len(wanted), _FEW):
            some = wanted[start : start + _FEW]
            found = await self._driver.read(SQL["shapes"], (*some, *[some[0]] * (_FEW - len(some))))
            with legible():
                shapes.update((number, rows.shape(body)) for number, body in found)
        return shapes

    async def keep(
        self,
        step: int,
        at_ms: int,
        buckets: Mapping[int, Bucket],
        *,
        late: Mapping[int, int] | None = None,
        coarser: int = 0,
        until_ms: int = 0,
    ) -> None:
        made = [rows.bucket_row(check, bucket) for check, bucket in buckets.items()]
        above = [rows.late_row(coarser, begin(at_ms, coarser), check) for check in buckets] if coarser else []
        changes: list[Change] = [
            (SQL["add_rollup"], made),
            (SQL["mark_late"], above),
            (SQL["unmark_late"], [(step, at_ms, check, marks) for check, marks in (late or {}).items()]),
            (SQL["set_rolled"], [(step, until_ms)] if until_ms else []),
        ]
        if changes := [change for change in changes if change[1]]:
            await self._driver.write(changes)

    async def next_run(self, since_ms: int) -> int | None:
        return await self._instant("next_run", since_ms)

    async def next_bucket(self, step: int, since_ms: int) -> int | None:
        return await self._instant("next_rollup", step, since_ms)

    async def first(self, check: str, step: int) -> int | None:
        if step:
            return await self._instant("first_rollup", to_text(check), step)
        return await self._instant("first_run", to_text(check))

    async def _instant(self, statement: str, *values: str | int) -> int | None:
        ((found,),) = await self._driver.read(SQL[statement], values)
        return None if found is None else int(found)

    async def prune_buckets(self, step: int, before_ms: int, limit: int) -> int:
        (deleted,) = await self._driver.write([(SQL["prune_rollups"], [(step, before_ms, limit)])])
        if deleted:
            await self._driver.size(shrink=True)
        return deleted


_Sum = tuple[int, Tally]  # a check, and what its runs come to
