"""Jobs that report to us, at work: pings come in, deadlines pass, and results go the way of any run.

What a ping changed is on disk before it is answered. Deadlines pass in memory, whatever the disk does: people are told
all the same. Time in which nobody listened (we were not running, the machine slept, the clock was set) moves deadlines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from checks.core.result import Result
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.heartbeat_deadlines import Deadlines, Work
from probe.engine.waiting import sleep_or
from probe.store.base import StoreError
from probe.store.beats import Beat, Beats, Said
from thresholds.heartbeat import Ping, Standing
from thresholds.heartbeat_due import resumed
from thresholds.heartbeat_hear import hear

log = logging.getLogger(__name__)

_BEAT = 10.0  # s between two times that we write down that we listen
_PATIENCE = 15.0  # s that a write may take
_MOST = 10_000  # pings that wait
_BATCH = 500  # pings written together
_TIDY = 600.0  # s between two looks for what nobody asks for any more
_RUNS, _BODIES, _STRAYS = 500, 50, 14 * 86_400_000  # runs kept of a job, bodies, and ms for what is of no run


class Heartbeats(Deadlines):
    """Every configured job. `emit` takes results as the engine's does."""

    def __init__(self, store: Beats, clock: Clock, emit: Callable[[Result], None]) -> None:
        super().__init__(clock, emit)
        self.pings: Counter[tuple[str, str]] = Counter()  # by check and signal, since the start
        self._store = store
        self._queue: deque[tuple[str, Ping, Said, asyncio.Future[None]]] = deque()
        self._wanted = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()  # how jobs stand, while what they said is being written
        self.refused: Counter[str] = Counter()  # pings that were not taken, by why
        self._beaten = self._tidied = clock.monotonic() - _BEAT
        self._ended = self._failing = False

    async def open(self, config: Config) -> None:
        """Take up where we stopped; what became of pings and is not among the results is emitted. Raises StoreError."""
        now_ms, beat_ms = self._clock.now_ms(), await self._store.last_beat()
        known = await self._store.standings()
        self._plan(config, known, now_ms)
        if 0 < beat_ms < now_ms and self.jobs:
            self._be_absent(beat_ms, now_ms, "Probe was not running")
        for result in await self._store.owed_results():
            if result.check in self.jobs:
                self._emit(result)
        if self.jobs:
            await self._store.beat(Beat({name: job.standing for name, job in self.jobs.items()}, at_ms=now_ms))
        self._looked_ms, self._looked = self._clock.now_ms(), self._clock.monotonic()

    async def configure(self, config: Config) -> None:
        """Take another configuration. Jobs that stay go on as they stand; one that comes back begins anew."""
        known: Mapping[str, Standing] = {}
        if any(planned.passive and name not in self.jobs for name, planned in config.checks.items()):
            with contextlib.suppress(StoreError):
                known = await self._store.standings()
        async with self._changing:
            self._change(config, known)
        self._wanted.set()

    async def pause(self, names: Collection[str]) -> None:
        """Wait for nothing of these from now on; of the others again."""
        async with self._changing:
            self._pause_all(names)
        self._wanted.set()

    async def hear(self, ping: Ping, said: Said) -> None:
        """Take what a job says; it is on disk when this returns. Raises StoreError."""
        if self._ended or len(self._queue) >= _MOST:
            raise StoreError("Probe is stopping" if self._ended else "too many pings wait")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((said.check, ping, said, answer))
        self._wanted.set()
        await answer

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await sleep_or(self._clock, self._pause(), self._wanted)
            self._wanted.clear()
            self._look_at_clocks()
            self._pass_time()
            async with self._changing:
                await self._write()
                if self._clock.monotonic() - self._tidied >= _TIDY:
                    await self._tidy()

    async def end(self) -> None:
        """Take no more pings; write what is not written, and until when we listened."""
        self._ended = True
        self._beaten = self._clock.monotonic() - _BEAT
        async with self._changing:
            while self._queue:
                await self._write()
            await self._write()

    def _pause(self) -> float:
        """Seconds until something is to be done."""
        if self._queue:
            return 0.0
        beat = self._beaten + _BEAT - self._clock.monotonic() if self.jobs else _BEAT
        due = (self._due[0][0] - self._clock.now_ms()) / 1000 if self._due else _BEAT
        return max(0.0, min(beat, due))

    async def _write(self) -> None:
        """Write down what waits; then it counts, and is answered."""
        if self._writing is not None and not self._writing.done():
            self._refuse(StoreError("the store does not answer"))
            return
        now = self._clock.monotonic()
        if not self._queue and not self._unkept.runs and not self._unkept.results and now - self._beaten < _BEAT:
            return
        if not self.jobs and not self._queue:
            self._beaten = now
            return
        work, unkept = self._taken(), self._unkept
        standings = {name: job.standing for name, job in self.jobs.items() if job.dirty} | work.standings
        runs = [(check, run) for (check, _), run in (unkept.runs | work.runs).items()]
        owed = [*unkept.results, *work.results]
        beat = Beat(standings, runs, work.said, owed, at_ms=self._clock.now_ms())
        try:
            await self._stored(beat)
        except StoreError as error:
            self._failed(work, error)
            return
        self._beaten, self._failing, self._unkept = now, False, Work()
        for job in self.jobs.values():
            job.dirty = False
        self._commit(work)

    def _taken(self) -> Work:
        """What the pings that wait would change."""
        work = Work()
        for _ in range(min(len(self._queue), _BATCH)):
            check, ping, said, answer = self._queue.popleft()
            job = self.jobs.get(check)
            if job is None:
                _settle(answer, StoreError("there is no such heartbeat any more"))
                continue
            standing = work.standings.get(check, job.standing)
            if job.paused_ms:
                standing = resumed(job.rules, standing, job.paused_ms, ping.at_ms)
            step = hear(job.rules, standing, ping)
            work.take(check, step)
            if not step.repeated:
                work.said.append(replace(said, run=step.run))
            work.answers.append(answer)
            self.pings[check, ping.signal.value] += 1
        return work

    async def _stored(self, beat: Beat) -> None:
        """Raises StoreError, also for a disk that does not answer at all: then it is asked no more until it does."""
        answered = asyncio.Event()
        self._writing = writing = asyncio.create_task(self._store.beat(beat))
        writing.add_done_callback(lambda _task: answered.set())
        try:
            await sleep_or(self._clock, _PATIENCE, answered)
            if not writing.done():
                writing.add_done_callback(_forget)
                raise StoreError(f"no answer for {_PATIENCE:g} s")
            await writing
        except asyncio.CancelledError:
            writing.cancel()
            raise

    def _failed(self, work: Work, error: StoreError) -> None:
        """Pings that are not on disk did not happen: whoever sent them is told to try again."""
        if not self._failing:
            log.error("heartbeats cannot be stored: %s", error)
        self._failing = True
        self._beaten = self._clock.monotonic()
        for answer in work.answers:
            _settle(answer, error)

    def _refuse(self, error: StoreError) -> None:
        while self._queue:
            _settle(self._queue.popleft()[3], error)

    def _commit(self, work: Work) -> None:
        for check, standing in work.standings.items():
            job = self.jobs.get(check)
            if job is not None:
                job.standing = standing
                job.paused_ms = job.paused_ms and self._clock.now_ms()
                self._arm(job)
        for result in work.results:
            self._emit(result)
        for answer in work.answers:
            _settle(answer, None)

    async def _tidy(self) -> None:
        self._tidied = self._clock.monotonic()
        try:
            await self._store.prune_jobs(_RUNS, _BODIES, self._clock.now_ms() - _STRAYS)
        except StoreError as error:
            log.warning("old runs of heartbeats could not be deleted: %s", error)


def _settle(answer: asyncio.Future[None], error: Exception | None) -> None:
    if answer.done():  # whoever waited has gone
        return
    if error is None:
        answer.set_result(None)
    else:
        answer.set_exception(error)


def _forget(task: asyncio.Task[None]) -> None:
    """It came too late for anybody."""
    if not task.cancelled():
        task.exception()
