"""One place in the fleet: a shard of the checks, and the worker process that runs them now.

There is at most one process in a place: the old one is dead for certain before a new one starts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from checks.core.result import Result
from checks.core.units import format_duration
from probe.clock import Clock
from probe.engine.briefing import Briefing
from probe.engine.child import Child
from probe.engine.intake import Intake
from probe.engine.orders import Stop
from probe.engine.shard import Shard
from probe.engine.vitals import Histogram, Vitals
from thresholds.base import Level

log = logging.getLogger(__name__)

WORKER = "worker/"  # what is said of workers is said under `probe/worker/2`
TICK = 0.5  # s between two looks at a worker
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # s before a worker is replaced; then the last
_SILENT = 10  # ticks without a word: it hangs. It speaks every second.
_UNBORN = 60  # ticks for the first word: a busy machine takes its time to start a process
_WELL = 120  # ticks after which the deaths before are forgotten
_OFTEN = 3  # deaths before people are told


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears of workers, and from whom it is known what they did last."""

    result: Callable[[Result], None]
    report: Callable[[str, Level, str], None]  # subject, how it is, why: Hub.report
    seen_ms: Callable[[str], int]  # of a check: when the last run began that a result came from; 0 for none


class Place:
    """Keeps a process at work on one shard."""

    def __init__(self, shard: Shard, clock: Clock, intake: Intake, ears: Ears) -> None:
        self.name = f"worker {shard.index + 1}"
        self.subject = f"{WORKER}{shard.index + 1}"
        self.ready = asyncio.Event()  # a process has said its first word
        self.briefing = Briefing(clock.now_ms, ears.seen_ms)
        self._shard = shard
        self._clock = clock
        self._intake = intake
        self._ears = ears
        self._child: Child | None = None
        self._empty = asyncio.Event()  # there is no process, dead or alive
        self._empty.set()
        self._news = asyncio.Event()
        self._past = Vitals(self.name, 0, 0)  # what was counted by those that are no more
        self._leaving = False
        self._restarts = self._deaths = self._silent = self._well = 0

    async def run(self) -> None:
        """Keep a process in this place, until cancelled."""
        while not self._leaving:
            why = await self._life()
            if not self._leaving:
                await self._mourn(why)
        await asyncio.Event().wait()

    def inform(self) -> None:
        """The briefing has changed."""
        self._news.set()

    async def leave(self) -> None:
        """Have the process end in order, and take its last results. The caller sets the deadline."""
        self._leaving = True
        if self._child is not None:
            self._child.send(Stop())
        await self._empty.wait()

    def tick(self) -> None:
        """Look whether the process is alive. Ticks are ours: while we were stopped, nobody is to blame."""
        child = self._child
        if child is None or self._leaving:
            return
        self._well += 1
        self._silent = 0 if child.heard() else self._silent + 1
        if self._silent >= (_UNBORN if child.vitals is None else _SILENT):
            child.kill(f"hung: not a word for {format_duration(self._silent * TICK)}")
        elif self._well == _WELL:
            self._deaths = 0
            self.acquit()

    def acquit(self) -> None:
        """What was wrong with this place is over, or of no account any more."""
        self._ears.report(self.subject, Level.UP, "")

    def vitals(self) -> Vitals:
        """How the process is doing; counters go on where those of the one before ended."""
        now = self._now(self._child) if self._child is not None else Vitals(self.name, 0, self._clock.now_ms())
        return replace(_counted(self._past, now), restarts=self._restarts)

    def _now(self, child: Child) -> Vitals:
        said = child.vitals or Vitals(self.name, child.pid, self._clock.now_ms())
        return replace(said, process=self.name, runs=child.results)  # what it did not get to tell did not happen

    def inherit(self, past: Vitals) -> None:
        """Count on from where the worker of this name in the fleet before ended."""
        self._past = _counted(past, self._past)
        self._restarts += past.restarts

    async def _life(self) -> str:
        """One process from its start to its end; how it came to that."""
        try:
            child = Child(self._shard, self._intake, self._ears.result, self.ready.set)
        except OSError as error:
            return f"cannot be started: {error}"
        self._empty.clear()
        try:
            await child.connect()
            self._silent = self._well = 0
            self.briefing.forget()
            self._child = child
            if not self._leaving:
                await self._serve(child)
        finally:
            self._child = None
            if child.planned:
                self.briefing.counted()
            self._past = _counted(self._past, self._now(child))
            why = await child.bury()
            self._empty.set()
        return why

    async def _serve(self, child: Child) -> None:
        """Tell the process whatever it does not know, until it is gone."""
        closed = asyncio.ensure_future(child.closed.wait())
        try:
            while not closed.done():
                self._news.clear()
                for order in self.briefing.orders():
                    if order is not None:
                        child.send(order)
                    await asyncio.sleep(0)
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({closed, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        finally:
            closed.cancel()

    async def _mourn(self, why: str) -> None:
        """Say that a process is gone, and wait before the next: one that dies at once must not die all the time."""
        self._restarts += 1
        self._deaths += 1
        pause = _PAUSES[min(self._deaths, len(_PAUSES)) - 1]
        log.error("%s %s; another one starts in %s", self.name, why, format_duration(pause))
        if self._deaths >= _OFTEN:
            reason = f"{self.name} keeps ending: it {why}; {len(self.briefing)} checks run only now and then"
            self._ears.report(self.subject, Level.DEGRADED, reason)
        await self._clock.sleep(pause)


def _counted(past: Vitals, now: Vitals) -> Vitals:
    """What a process says, with its counters on top of those before it."""
    loop_lag, lateness = Histogram(past.loop_lag, past.loop_lag_total), Histogram(past.lateness, past.lateness_total)
    loop_lag.merge(Histogram(now.loop_lag, now.loop_lag_total))
    lateness.merge(Histogram(now.lateness, now.lateness_total))
    reasons = past.dropped.keys() | now.dropped.keys()
    return replace(
        now,
        runs=past.runs + now.runs,
        missed=past.missed + now.missed,
        cpu=past.cpu + now.cpu,
        dropped={reason: past.dropped.get(reason, 0) + now.dropped.get(reason, 0) for reason in reasons},
        loop_lag=loop_lag.counts,
        loop_lag_total=loop_lag.total,
        lateness=lateness.counts,
        lateness_total=lateness.total,
    )
