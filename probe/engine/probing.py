"""Who probes: the service itself, or workers, as the configuration has it. It may change while checks run."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable

from checks.core.base import CheckSpec
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.crew import Crew
from probe.engine.fleet import Fleet
from probe.engine.local import Local
from probe.engine.orders import Rules
from probe.engine.place import Ears
from probe.engine.process import most_at_once
from probe.engine.shard import rate, workers_for
from probe.engine.vitals import Vitals

log = logging.getLogger(__name__)


class Probing:
    """Probes by the prober that fits. No check is ever run by two of them."""

    def __init__(self, clock: Clock, ears: Ears) -> None:
        self._clock = clock
        self._ears = ears
        self._local = Local(clock, ears.result, most_at_once())
        self._fleet: Fleet | None = None
        self._crew = Crew("prober:")
        self._turn = asyncio.Lock()
        self._planned = self._stopped = False

    async def run(self) -> None:
        """Work until cancelled; raise what is a bug of ours."""
        self._crew.start("service", self._local.run())
        await self._crew.run()

    async def plan(self, specs: Iterable[CheckSpec], rules: Rules, workers: int | None) -> None:
        """Run exactly these checks from now on, in so many workers; None: as many as they want."""
        wanted = list(specs)
        count = workers_for(rate(wanted), cores()) if workers is None else workers
        async with self._turn:
            if self._stopped:
                return
            if count != (len(self._fleet) if self._fleet else 0):
                await self._change(count, rules)
            if not self._stopped:
                (self._fleet or self._local).plan(wanted, rules)
            self._planned = True

    async def stop(self) -> None:
        """Start no run any more; what has been seen goes out. The caller sets the deadline."""
        self._stopped = True
        await self._local.stop()
        if self._fleet is not None:
            await self._fleet.stop()

    def vitals(self) -> list[Vitals]:
        """Every process, the service first."""
        return [*self._local.vitals(), *(self._fleet.vitals() if self._fleet else ())]

    async def _change(self, count: int, rules: Rules) -> None:
        """Take another prober. It gets ready before the old one ends: its start costs no runs."""
        log.info("probing in %s", f"{count} worker{'' if count == 1 else 's'}" if count else "the service")
        before, fleet = self._fleet, Fleet(count, self._clock, self._ears) if count else None
        if fleet is not None:
            self._crew.start(f"{count} workers", fleet.run())
            if self._planned:
                await fleet.ready()
        if before is not None:
            await before.stop()
            self._crew.end(f"{len(before)} workers")
        self._local.plan((), rules)
        self._fleet = fleet
        if self._stopped and fleet is not None:
            await fleet.stop()


def rules_of(config: Config) -> Rules:
    """What a configuration has to say about every run."""
    network = config.network
    return Rules(
        network.deny, network.allow, network.resolvers, network.rate, network.concurrent, frozenset(config.secrets)
    )


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
