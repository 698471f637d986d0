"""The schedule at work: what is due gets a seat, runs, and is emitted. Knows nothing of judgement, stores or alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Protocol

from checks.core.base import CheckSpec
from checks.core.poller import slice_end
from checks.core.result import FailureKind, Result
from checks.core.wait import Wait
from probe.clock import Clock, Timer
from probe.engine.runner import Runner
from probe.engine.schedule import Grid, grid
from probe.engine.seats import Seats

# Waking for each event of many runs costs more than the runs themselves: from so many runs a second on the loop looks
# every so many seconds. The kernel's stamps keep what is reported true.
_SLICES = ((1000.0, 0.01), (50.0, 0.02))
_MOST = 32  # runs begun in one turn
_NEW = 8  # of these by new hands, which begin their work in the next
_FEW = 2  # runs begun in one turn while others wait to go on: what is under way has to end first, or ever more is
_TURN = 0.002  # s that a turn may take
_IDLE = 256  # hands that are kept for the next runs


def slice_for(rate: float) -> float:
    """How often to look at sockets and the schedule, in seconds, at so many runs/s; 0: at every event."""
    return next((length for least, length in _SLICES if rate >= least), 0.0)


class Figures(Protocol):
    """Who hears how the engine keeps up."""

    def late(self, seconds: float) -> None:
        """A run started this long after it was due."""

    def skipped(self, runs: int) -> None:
        """Instants at which no run started, because the run before had not ended or we had no time for it."""


class _Entry:
    """A check in the schedule. While it waits, this and its place in the queue are all that there is of it."""

    __slots__ = ("gone", "hand", "number", "spec", "times")

    def __init__(self, spec: CheckSpec, times: Grid, number: int) -> None:
        self.spec = spec
        self.times = times
        self.number = number  # the order among those that are due at the same instant
        self.hand: _Hand | None = None  # whose run is under way
        self.gone = False


class _Hand:
    """A task that does one run after the other: making a task for every run would cost as much as its schedule."""

    __slots__ = ("due", "entry", "task", "wanted")

    def __init__(self, entry: _Entry, due: float) -> None:
        self.entry = entry
        self.due = due
        self.wanted = Wait(asyncio.get_running_loop())
        self.task: asyncio.Task[None] | None = None


class Engine:
    """Runs every check at its instants and gives every Result to `emit`."""

    def __init__(
        self, runner: Runner, seats: Seats, clock: Clock, emit: Callable[[Result], None], figures: Figures
    ) -> None:
        self._runner = runner
        self._seats = seats
        self._clock = clock
        self._emit = emit
        self._figures = figures
        self._entries: dict[str, _Entry] = {}
        self._queue: list[tuple[float, int, _Entry]] = []  # a heap of what waits, by the instant at which it is due
        self._numbered = 0
        self._timer: Timer | None = None
        self._armed = 0.0
        self._slice = 0.0
        self._idle: list[_Hand] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    async def run(self) -> None:
        """Wait for ever; raise what a run of a check raised, for that is a bug of ours."""
        self._failed = asyncio.get_running_loop().create_future()
        try:
            await self._failed
        finally:
            await self.stop()

    def plan(self, specs: Iterable[CheckSpec]) -> None:
        """Run exactly these checks from now on. Unchanged ones keep their run and their place in the schedule."""
        wanted = {spec.name: spec for spec in specs}
        for name, entry in list(self._entries.items()):
            if wanted.get(name) != entry.spec:
                self._drop(self._entries.pop(name))
        self._queue = [item for item in self._queue if not item[2].gone]
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        for name, spec in wanted.items():
            if name not in self._entries:
                self._numbered += 1
                entry = _Entry(spec, grid(name, spec.every, now_ms, now), self._numbered)
                self._entries[name] = entry
                self._queue.append((entry.times.next_due(now), entry.number, entry))
        heapify(self._queue)
        self._slice = slice_for(sum(1 / spec.every for spec in wanted.values()))
        self._runner.net.look_every(self._slice)
        self._arm()

    async def stop(self) -> None:
        """End every run; what was under way is not a result."""
        for entry in self._entries.values():
            self._drop(entry)
        self._entries.clear()
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._end(self._idle.pop())
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _drop(self, entry: _Entry) -> None:
        entry.gone = True
        if entry.hand is not None:
            self._end(entry.hand)

    def _end(self, hand: _Hand) -> None:
        if hand.task is not None:
            self._ending.add(hand.task)
            hand.task.add_done_callback(self._ending.discard)
            hand.task.cancel()

    def _arm(self) -> None:
        """Wake when the next run is due; in slices, at the end of the slice that it is due in."""
        if not self._queue:
            return
        due = self._queue[0][0]
        at = slice_end(due, self._slice) if self._slice else due
        if self._timer is not None:
            if self._armed <= at:
                return
            self._timer.cancel()
        self._armed = at
        self._timer = self._clock.call_at(at, self._turn)

    def _turn(self) -> None:
        """Begin what is due."""
        self._timer = None
        queue, now, new = self._queue, self._clock.monotonic(), 0
        for _ in range(_FEW if self._runner.net.behind else _MOST):
            if not queue or queue[0][0] > now or new >= _NEW or self._clock.monotonic() - now >= _TURN:
                break
            due, _, entry = heappop(queue)
            if not entry.gone:
                new += not self._idle
                self._give(entry, due)
        if queue and queue[0][0] <= now:
            self._armed = now
            self._timer = self._clock.call_at(now, self._turn)
        else:
            self._arm()

    def _give(self, entry: _Entry, due: float) -> None:
        """Have a run begin, here and now if there is an idle hand."""
        if self._idle:
            entry.hand = hand = self._idle.pop()
            hand.entry, hand.due = entry, due
            hand.wanted.wake()
        else:
            entry.hand = hand = _Hand(entry, due)
            hand.task = asyncio.create_task(self._work(hand))

    async def _work(self, hand: _Hand) -> None:
        """Run after run; whatever ends this other than being told to is a bug of ours."""
        try:
            while True:
                entry = hand.entry
                await self._run(entry.spec, hand.due, entry.times)
                entry.hand = None
                if not entry.gone:
                    self._follow(entry, hand.due)
                if len(self._idle) >= _IDLE:
                    return
                self._idle.append(hand)
                await hand.wanted
        except asyncio.CancelledError:
            if hand.task not in self._ending:
                self._fail(RuntimeError(f"check {hand.entry.spec.name} ended"))
            raise
        except Exception as error:  # noqa: BLE001  # raised again by run()
            self._fail(error)

    async def _run(self, spec: CheckSpec, due: float, times: Grid) -> None:
        result = await self._seated(spec, due, 1)
        if result.failure is None:
            self._emit(result)
        else:
            await self._confirm(spec, result, times)

    def _follow(self, entry: _Entry, due: float) -> None:
        """Queue the next run. Missed instants are skipped: a burst of late probes would measure us, not the target."""
        following = entry.times.next_due(max(due, self._clock.monotonic()))
        if missed := entry.times.missed(due, following):
            self._figures.skipped(missed)
        heappush(self._queue, (following, entry.number, entry))
        if self._timer is None or following < self._armed:
            self._arm()

    def _fail(self, error: Exception) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _confirm(self, spec: CheckSpec, result: Result, times: Grid) -> None:
        """Emit a failure, and the attempts that confirm it, each as it ends."""
        while self._repeats(spec, result, times):
            self._emit(replace(result, provisional=True))
            await self._clock.sleep(spec.retry_after)
            result = await self._seated(spec, 0.0, result.attempt + 1)
        self._emit(result)

    async def _seated(self, spec: CheckSpec, due: float, attempt: int) -> Result:
        if not self._seats.try_take():
            async with self._seats.take(spec.check.host):
                return await self._begin(spec, due, attempt)
        try:
            return await self._begin(spec, due, attempt)
        finally:
            self._seats.leave()

    def _begin(self, spec: CheckSpec, due: float, attempt: int) -> Coroutine[None, None, Result]:
        if attempt == 1:
            self._figures.late(max(0.0, self._clock.monotonic() - due))
        return self._runner.run_once(spec, attempt)

    def _repeats(self, spec: CheckSpec, result: Result, times: Grid) -> bool:
        """Whether a failure is tried again before it counts: only where the retry can end before the next run is due.

        Of a timeout longer than half the interval, half the interval is asked for: most retries answer at once, and
        without the rule a check with a long timeout would never be confirmed.
        """
        if result.failure is None or result.failure.kind is FailureKind.LOCAL or result.attempt > spec.retries:
            return False
        now = self._clock.monotonic()
        left = times.next_due(now) - now - spec.retry_after
        return left >= min(spec.timeout, spec.every / 2)
