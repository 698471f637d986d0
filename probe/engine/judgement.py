"""What judging needs beside the hub, put together: the past, maintenance, and objectives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from checks.core.result import Result
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.chronicle import Chronicle
from probe.engine.hub import Hub
from probe.engine.lines import Lines
from probe.engine.notices import About
from probe.engine.objectives import Accountant, longest_look, promises
from probe.engine.paces import Paces
from probe.engine.recall import recall
from probe.engine.records import Records, by_alarm
from probe.engine.upkeep import Upkeep
from probe.store.base import Announcement, Store, StoreError
from thresholds.base import Level
from thresholds.past import Past
from thresholds.slo import Objective
from thresholds.spans import Span

log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
_TIDY = 3600.0  # s between two looks for what nobody asks for any more


class Judgement:
    """The past of every check, the maintenance that it is under, and the objectives that it is part of."""

    def __init__(self, store: Store, clock: Clock, paused: Callable[[], None]) -> None:
        """`paused` is called when other checks than before are not to run."""
        self.store = store
        self._clock = clock
        self.chronicle = Chronicle()
        self.upkeep = Upkeep(clock, paused)
        self.paces = Paces()
        self._board: Hub | None = None
        self._look_back = 0.0  # s
        self._keeping, self._failing = asyncio.Lock(), False
        self.lines = Lines(self.chronicle, self.upkeep, self._covered)
        self.accountant = Accountant(clock, self.lines, self.paces, self._report)

    async def recall(self, config: Config, known: Mapping[str, Past]) -> Mapping[str, Past]:
        """What windows and baselines of a configuration look back on."""
        return await recall(self.store, self._clock, config.checks.values(), known, self._planned)

    async def configure(self, config: Config) -> None:
        """Take a configuration; at the start before the first run. Raises StoreError."""
        now_ms = self._clock.now_ms()
        self._look_back = longest_look(config)
        since_ms = now_ms - max(_DAY_MS, round(self._look_back * 1000))
        self.upkeep.configure(config.maintenance, config.checks)
        await self._announced(since_ms)
        if since_ms < self.chronicle.since_ms or not self.chronicle.since_ms:
            await self.chronicle.read(self.store, since_ms)
        wanted: dict[str, list[Objective]] = {}
        for promise in promises(config):
            for check in promise.members:
                wanted.setdefault(check, []).append(promise.objective)
        await self.paces.want(wanted, self.store, since_ms)
        self.accountant.configure(config)

    async def _announced(self, since_ms: int) -> None:
        """Read what people announced and what was noted, and go on noting."""
        if self.upkeep.noting:
            self.upkeep.announce(await self.store.announcements(since_ms))
        else:
            # Up to the last run that is stored, the service was there to write down what was planned.
            seen_ms = max((await self.store.last_runs()).values(), default=self._clock.now_ms())
            self.upkeep.announce(await self.store.announcements(min(since_ms, seen_ms)))
            self.upkeep.note_from(seen_ms)
        await self.note()

    def attach(self, board: Hub) -> None:
        """Hear of what happens on a board, and tell it what it has to know."""
        self._board = board
        board.muted = self.upkeep.muted
        board.moved = self.chronicle.moved
        board.unseen = self.chronicle.unseen

    def take(self, result: Result) -> None:
        """Hear of a run."""
        self.paces.take(result)

    async def announce(self, announcement: Announcement) -> None:
        """Keep what somebody announced, and go by it. Raises StoreError."""
        await self.store.announce(announcement)
        self.upkeep.announce((announcement,))

    async def note(self) -> None:
        """Write down the maintenance of the configuration that has begun. What the store does not take is tried again
        with the next call, and in force meanwhile.
        """
        self.upkeep.note()
        async with self._keeping:
            for record in self.upkeep.unkept():
                try:
                    await self.store.announce(record)
                except StoreError as error:
                    if not self._failing:
                        log.warning("maintenance %s is not written down yet: %s", record.id, error)
                    self._failing = True
                    return
                self.upkeep.kept(record)
            self._failing = False

    async def records(self, config: Config, since_ms: int) -> Records:
        """What is known of the past from an instant on. Raises StoreError."""
        now_ms = self._clock.now_ms()
        if self.chronicle.since_ms and self.chronicle.since_ms <= since_ms:
            return Records(config, self.lines, now_ms, await by_alarm(self.store, since_ms))
        older, upkeep = Chronicle(), Upkeep(self._clock)
        await older.read(self.store, since_ms)
        upkeep.configure(config.maintenance, config.checks)
        upkeep.announce([*await self.store.announcements(since_ms), *self.upkeep.unkept()])
        lines = replace(self.lines, chronicle=older, upkeep=upkeep)
        return Records(config, lines, now_ms, await by_alarm(self.store, since_ms))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.upkeep.run(), name="upkeep")
            tasks.create_task(self._note(), name="maintenance")
            tasks.create_task(self.accountant.run(), name="objectives")
            tasks.create_task(self._tidy(), name="tidy")

    async def _note(self) -> None:
        while True:
            await self.note()
            await self._clock.sleep(self.upkeep.until_next())

    async def _tidy(self) -> None:
        while True:
            await self._clock.sleep(_TIDY)
            before_ms = self._clock.now_ms() - round(self._look_back * 1000) - _DAY_MS
            self.chronicle.forget(before_ms)
            self.paces.forget(before_ms)
            self.upkeep.forget(before_ms)

    def _planned(self, check: str) -> Callable[[Span], bool]:
        return lambda span: bool(self.upkeep.of(check, span)[0])

    def _covered(self, check: str) -> int:
        """Until when the last run of a check speaks for it."""
        return self._board.covered(check) if self._board is not None else 0

    def _report(self, subject: str, level: Level, reason: str, about: About) -> None:
        if self._board is not None:
            self._board.report(subject, level, reason, about=about)
