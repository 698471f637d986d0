"""The one Store, over any database that has a driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from probe.store import rows
from probe.store.base import Act, Announcement, Entry, Kept
from probe.store.batch import Batch, Change, Known, Run
from probe.store.changes import SqlChanges
from probe.store.deliveries import Delivery, Outcome
from probe.store.driver import Driver, legible
from probe.store.evidence import SqlEvidence, evidence_changes
from probe.store.feeds import SqlFeeds
from probe.store.heartbeats import SqlHeartbeats
from probe.store.incidents import SqlIncidents
from probe.store.receivers import SqlReceivers
from probe.store.rollups import SqlRollups
from probe.store.rows import Row
from probe.store.shapes import Mould, Splitter
from probe.store.statements import SQL
from probe.store.texts import to_text
from thresholds.base import State, Transition
from thresholds.rollup import STEPS
from thresholds.spans import Span

_AT_ONCE = 100  # rows made or read between two turns of the event loop: about 1 ms
_PAGE = 500  # runs read at a time
_DAY = 86_400_000  # ms


class SqlStore(SqlRollups, SqlIncidents, SqlChanges, SqlReceivers, SqlEvidence, SqlHeartbeats, SqlFeeds):
    """probe.store.base.Store over a driver."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self._splitter = Splitter()
        self._known: dict[str, Known] = {}  # by check

    async def append(self, entries: Sequence[Entry | Act]) -> None:
        if not entries:
            return
        async with self._changing:
            try:
                await self._append(entries)
            except BaseException:
                self._forget()  # the file may come back as another one, without what we took for stored
                raise

    async def _append(self, entries: Sequence[Entry | Act]) -> None:
        runs, strangers = await self._split([entry for entry in entries if isinstance(entry, Entry)])
        if strangers:
            await self._introduce(strangers)
        batch = Batch(await self._sealed_until())
        remaining = iter(runs)
        for index, entry in enumerate(entries, start=1):  # in order: of an incident the last word counts
            if isinstance(entry, Act):
                batch.act(entry)
            else:
                batch.add(*next(remaining))
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._driver.write([*batch.changes(), *await evidence_changes(runs)])
        batch.written()

    async def _split(self, entries: Sequence[Entry]) -> tuple[list[Run], list[Run]]:
        """The check and the shape of each run; and those runs again of which either is not known to be stored."""
        runs, strangers = [], []
        for index, entry in enumerate(entries, start=1):
            result = entry.verdict.result
            check = self._known.get(result.check)
            if check is None:
                check = self._known[result.check] = Known()
            check.mould = mould = self._splitter.mould(result, check.mould)
            run = (entry, check, mould)
            runs.append(run)
            if not check.id or not mould.id or result.at_ms > mould.used_ms + _DAY:
                strangers.append(run)
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return runs, strangers

    async def _introduce(self, strangers: Sequence[Run]) -> None:
        """Store the names and shapes that are new, and learn their ids: rows then need not look them up."""
        checks = {check: entry.verdict.result.check for entry, check, _ in strangers if not check.id}
        moulds: dict[Mould, int] = {}  # Unix ms of the last use
        for entry, _, mould in strangers:
            moulds[mould] = max(entry.verdict.result.at_ms, moulds.get(mould, 0))
        if checks:
            numbers = await self._driver.number((SQL["add_check"], [(to_text(name),) for name in checks.values()]))
            for check, number in zip(checks, numbers, strict=True):
                check.id = number
        bodies: list[Row] = []
        for index, (mould, at_ms) in enumerate(moulds.items(), start=1):
            digest, body = mould.stored()
            bodies.append((digest, at_ms, body))
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        for (mould, at_ms), number in zip(
            moulds.items(), await self._driver.number((SQL["add_shape"], bodies)), strict=True
        ):
            mould.id, mould.used_ms = number, at_ms

    def _forget(self) -> None:
        super()._forget()
        self._known.clear()
        self._splitter.forget()

    async def states(self) -> Mapping[str, State]:
        found = await self._driver.read(SQL["states"])
        with legible():
            return {name: rows.state(body) for name, body in found}

    async def pending(self) -> Sequence[Delivery]:
        found = await self._driver.read(SQL["pending"])
        with legible():
            return [rows.delivery(row) for row in found]

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        # The notice again: while the store failed, people were told of transitions that it never saw.
        changes = [
            (SQL["add_notice"], [rows.notice_row(delivery.notice) for delivery in deliveries]),
            (SQL["settle_delivery"], [rows.delivery_row(delivery) for delivery in deliveries]),
        ]
        # An end that was refused for good is the last word all the same: nobody is told again that it lasts.
        last = [one for one in deliveries if one.outcome is Outcome.DELIVERED or _refused_end(one)]
        if told := [rows.delivery_row(delivery) for delivery in last]:
            changes.append((SQL["remember_told"], [row[:2] for row in told]))
        await self._driver.write(changes)

    async def told(self, since_ms: int) -> Sequence[Delivery]:
        found = await self._driver.read(SQL["told"], (since_ms,))
        with legible():
            return [rows.delivery(row) for row in found]

    async def results(self, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Kept]:
        found = await self._driver.read(SQL["results"], (to_text(check), since_ms, until_ms, limit))
        shapes = await self._shapes({row[-1] for row in found})
        results: list[Kept] = []
        for start in range(len(found), 0, -_AT_ONCE):
            with legible():
                results += rows.kept(check, found[max(0, start - _AT_ONCE) : start][::-1], shapes)
            await asyncio.sleep(0)
        return results

    async def transitions(self, check: str | None, since_ms: int, until_ms: int, limit: int) -> Sequence[Transition]:
        if check is None:
            found = await self._driver.read(SQL["transitions_of_all"], (since_ms, until_ms, limit))
        else:
            values = (to_text(check), since_ms, until_ms, limit)
            found = await self._driver.read(SQL["transitions_of_check"], values)
        with legible():
            return [rows.transition(row) for row in reversed(found)]

    async def standing(self, at_ms: int) -> Sequence[Transition]:
        found = await self._driver.read(SQL["standing"], (at_ms,))
        with legible():
            return [rows.transition(row) for row in found]

    async def last_runs(self) -> Mapping[str, int]:
        return {str(name): int(at_ms) for name, at_ms in await self._driver.read(SQL["last_runs"])}

    async def gaps(self, since_ms: int, until_ms: int) -> Mapping[str, Sequence[Span]]:
        by_check: dict[str, list[Span]] = {}
        for name, began_ms, ended_ms in await self._driver.read(SQL["gaps"], (since_ms, until_ms)):
            by_check.setdefault(name, []).append((began_ms, ended_ms))
        return by_check

    async def runs(self, check: str, since_ms: int, until_ms: int) -> AsyncIterator[Sequence[Kept]]:
        after = since_ms, -1  # the run that was read last
        name = to_text(check)
        while found := await self._driver.read(SQL["runs"], (name, *after, until_ms, _PAGE)):
            after = found[-1][0], found[-1][1]
            shapes = await self._shapes({row[-1] for row in found})
            with legible():
                kept = rows.kept(check, found, shapes)
            yield kept

    async def announce(self, announcement: Announcement) -> None:
        await self._driver.write([(SQL["announce"], [rows.announcement_row(announcement)])])

    async def announcements(self, since_ms: int) -> Sequence[Announcement]:
        found = await self._driver.read(SQL["announcements"], (since_ms,))
        with legible():
            return [rows.announcement(body) for (body,) in found]

    async def forget(self, checks: Sequence[str]) -> None:
        if not checks:
            return
        async with self._changing:
            await self._driver.write([(SQL["forget_state"], [(to_text(check),) for check in checks])])
            for check in checks:
                if check in self._known:
                    self._known[check].state = None

    async def prune(self, before_ms: int, limit: int) -> int:
        return await self._prune((SQL["prune_results"], [(before_ms, limit)]), limit)

    async def prune_oldest(self, limit: int) -> int:
        return await self._prune((SQL["prune_oldest_results"], [(limit,)]), limit)

    async def _prune(self, change: Change, limit: int) -> int:
        async with self._changing:
            deleted, shapes = await self._driver.write([change, (SQL["prune_shapes"], [(limit,)])])
            if shapes:
                self._forget()  # one of them may come back, under another id
        await self._driver.size(shrink=True)
        return deleted

    async def oldest(self) -> Mapping[int, int]:
        found = await self._driver.read(SQL["oldest"], STEPS)
        return {int(step): int(at_ms) for step, at_ms in found if at_ms is not None}

    async def size(self) -> int:
        return await self._driver.size()

    async def close(self) -> None:
        await self._driver.close()


def _refused_end(delivery: Delivery) -> bool:
    return delivery.outcome is Outcome.FAILED and not delivery.notice.firing
