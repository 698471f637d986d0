"""One task per check: sleep until due, take a seat, run, emit. Knows nothing of judgement, stores or alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from checks.core.base import CheckSpec
from checks.core.result import FailureKind, Result
from probe.clock import Clock
from probe.engine.crew import Crew
from probe.engine.runner import Runner
from probe.engine.schedule import Grid, grid
from probe.engine.seats import Seats


class Figures(Protocol):
    """Who hears how the engine keeps up."""

    def late(self, seconds: float) -> None:
        """A run started this long after it was due."""

    def skipped(self, runs: int) -> None:
        """Instants at which no run started, because the run before had not ended."""


class Engine:
    """Keeps one task for every check and gives every Result to `emit`."""

    def __init__(
        self, runner: Runner, seats: Seats, clock: Clock, emit: Callable[[Result], None], figures: Figures
    ) -> None:
        self._runner = runner
        self._seats = seats
        self._clock = clock
        self._emit = emit
        self._figures = figures
        self._specs: dict[str, CheckSpec] = {}
        self._crew = Crew("check")

    async def run(self) -> None:
        """Wait for ever; raise what a task of a check raised, for that is a bug of ours."""
        await self._crew.run()

    def plan(self, specs: Iterable[CheckSpec]) -> None:
        """Run exactly these checks from now on. Unchanged ones keep their task and their place in the schedule."""
        wanted = {spec.name: spec for spec in specs}
        for name, spec in list(self._specs.items()):
            if wanted.get(name) != spec:
                del self._specs[name]
                self._crew.end(name)
        for name, spec in wanted.items():
            if name not in self._specs:
                self._specs[name] = spec
                self._crew.start(name, self._watch(spec))

    async def stop(self) -> None:
        """End every run; what was under way is not a result."""
        self._specs.clear()
        await self._crew.stop()

    async def _watch(self, spec: CheckSpec) -> None:
        times = grid(spec.name, spec.every, self._clock.now_ms(), self._clock.monotonic())
        due = times.next_due(self._clock.monotonic())
        while True:
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            await self._run(spec, due, times)
            # Missed instants are skipped: a burst of late probes would measure us, not the target.
            following = times.next_due(self._clock.monotonic())
            if missed := times.missed(due, following):
                self._figures.skipped(missed)
            due = following

    async def _run(self, spec: CheckSpec, due: float, times: Grid) -> None:
        """The scheduled attempt and those that confirm its failure, each emitted as it ends."""
        attempt = 1
        while True:
            async with self._seats.take(spec.check.host):
                if attempt == 1:
                    self._figures.late(max(0.0, self._clock.monotonic() - due))
                result = await self._runner.run_once(spec, attempt)
            again = self._repeats(spec, result, times)
            self._emit(replace(result, provisional=True) if again else result)
            if not again:
                return
            await self._clock.sleep(spec.retry_after)
            attempt += 1

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
