"""The one Store, over any database that has a driver."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from probe.store import rows
from probe.store.base import Delivery, Entry, Kept, Outcome, StoreError
from probe.store.rows import Row
from thresholds.base import State, Transition

Change = tuple[str, Sequence[Row]]  # a statement, and the values of each time that it is run

_AT_ONCE = 50  # rows made or read between two turns of the event loop: about 1 ms
_DAY = 86_400_000  # ms
_SHAPES = 50_000  # that are remembered as stored


class Driver(Protocol):
    """A database. Statements have `$1`; every method may raise StoreError."""

    async def write(self, changes: Sequence[Change]) -> Sequence[int]:
        """Make the changes in one transaction, on disk when this returns; how many rows each one touched."""

    async def read(self, statement: str, values: Row = ()) -> Sequence[Sequence[Any]]:
        """All rows of one statement, as of its start. Never waits for a writer."""

    async def size(self, *, shrink: bool = False) -> int:
        """Bytes in use, without free space; `shrink` gives a little of the free space back to the disk."""

    async def close(self) -> None: ...


def read_statements() -> Mapping[str, str]:
    """The statements of queries.sql by name."""
    text = Path(__file__).with_name("queries.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: re.sub(r"^--.*\n", "", text, flags=re.MULTILINE).strip() for name, text in _pairs(blocks[1:])}


def _pairs(items: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(items[::2], items[1::2], strict=True)


SQL = read_statements()


class Batch:
    """The rows that entries become, by table. What is known to be stored is not written again."""

    def __init__(self, names: set[str], shapes: Mapping[bytes, int], splitter: rows.Splitter) -> None:
        self._known_names = names
        self._known_shapes = shapes
        self._splitter = splitter
        self.names: dict[str, Row] = {}
        self.shapes: dict[bytes, Row] = {}
        self.used: dict[bytes, int] = {}  # by shape: Unix ms up to which it is in use
        self._results: list[Row] = []
        self._states: dict[str, Row] = {}  # the last entry of a check decides
        self._transitions: list[Row] = []
        self._notices: list[Row] = []
        self._deliveries: list[Row] = []

    def add(self, entry: Entry) -> None:
        verdict = entry.verdict
        check = verdict.result.check
        if check not in self._known_names:
            self.names[check] = (rows.to_text(check),)
        mould, measured = self._splitter.split(verdict.result)
        self._use(mould, verdict.result.at_ms)
        self._results.append(rows.result_row(verdict, mould.digest, measured))
        self._states[check] = rows.state_row(verdict)
        if verdict.transition is not None:
            self._transitions.append(rows.transition_row(verdict.transition))
        if entry.notice is not None:
            self._notices.append(rows.notice_row(entry.notice))
            self._deliveries += [(entry.notice.id, rows.to_text(receiver)) for receiver in entry.receivers]

    def _use(self, mould: rows.Mould, at_ms: int) -> None:
        digest = mould.digest
        used_ms = self.used.get(digest) or self._known_shapes.get(digest)
        if used_ms is None or at_ms > used_ms + _DAY:
            self.used[digest] = at_ms
            self.shapes[digest] = (digest, at_ms, mould.body)

    def changes(self) -> list[Change]:
        tables: Sequence[tuple[str, Sequence[Row]]] = (
            ("add_check", list(self.names.values())),
            ("add_shape", list(self.shapes.values())),
            ("add_result", self._results),
            ("set_state", list(self._states.values())),
            ("add_transition", self._transitions),
            ("add_notice", self._notices),
            ("owe_delivery", self._deliveries),
        )
        return [(SQL[name], changed) for name, changed in tables if changed]


class SqlStore:
    """probe.store.base.Store over a driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._splitter = rows.Splitter()
        self._names: set[str] = set()  # checks that are surely stored
        self._shapes: dict[bytes, int] = {}  # shapes that are surely stored, and their `used_ms`

    async def append(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        batch = Batch(self._names, self._shapes, self._splitter)
        for index, entry in enumerate(entries, start=1):
            batch.add(entry)
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        try:
            await self._driver.write(batch.changes())
        except StoreError:
            # The file may come back as another one, without what we took for stored.
            self._names.clear()
            self._shapes.clear()
            raise
        self._remember(batch)

    def _remember(self, batch: Batch) -> None:
        self._names.update(batch.names)
        if len(self._shapes) > _SHAPES:
            self._shapes.clear()
        self._shapes.update(batch.used)

    async def states(self) -> Mapping[str, State]:
        found = await self._driver.read(SQL["states"])
        with _legible():
            return {name: rows.state(body) for name, body in found}

    async def pending(self) -> Sequence[Delivery]:
        found = await self._driver.read(SQL["pending"])
        with _legible():
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
        with _legible():
            return [rows.delivery(row) for row in found]

    async def results(self, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Kept]:
        found = await self._driver.read(SQL["results"], (rows.to_text(check), since_ms, until_ms, limit))
        shapes: dict[int, rows.Shape] = {}
        results = []
        for index, row in enumerate(reversed(found), start=1):
            with _legible():
                results.append(rows.kept(check, row, shapes))
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return results

    async def transitions(self, check: str | None, since_ms: int, until_ms: int, limit: int) -> Sequence[Transition]:
        if check is None:
            found = await self._driver.read(SQL["transitions_of_all"], (since_ms, until_ms, limit))
        else:
            values = (rows.to_text(check), since_ms, until_ms, limit)
            found = await self._driver.read(SQL["transitions_of_check"], values)
        with _legible():
            return [rows.transition(row) for row in reversed(found)]

    async def forget(self, checks: Sequence[str]) -> None:
        if checks:
            await self._driver.write([(SQL["forget_state"], [(rows.to_text(check),) for check in checks])])

    async def prune(self, before_ms: int, limit: int) -> int:
        return await self._prune((SQL["prune_results"], [(before_ms, limit)]), limit)

    async def prune_oldest(self, limit: int) -> int:
        return await self._prune((SQL["prune_oldest_results"], [(limit,)]), limit)

    async def _prune(self, change: Change, limit: int) -> int:
        deleted, _shapes = await self._driver.write([change, (SQL["prune_shapes"], [(limit,)])])
        await self._driver.size(shrink=True)
        return deleted

    async def size(self) -> int:
        return await self._driver.size()

    async def close(self) -> None:
        await self._driver.close()


def _refused_end(delivery: Delivery) -> bool:
    return delivery.outcome is Outcome.FAILED and not delivery.notice.firing


@contextlib.contextmanager
def _legible() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreError(f"the store holds a row that this version cannot read: {error}") from error
