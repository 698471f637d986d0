"""Who probes: the service itself, or workers, as the configuration has it. It may change while checks run."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from checks.core.base import CheckSpec
from probe.clock import Clock
from probe.config.machine import cores
from probe.config.model import Config
from probe.engine.briefing import Briefing, missed
from probe.engine.crew import Crew
from probe.engine.fleet import Fleet
from probe.engine.local import Local
from probe.engine.orders import Change, Rules
from probe.engine.place import Ears
from probe.engine.process import most_at_once
from probe.engine.shard import rate, workers_for
from probe.engine.vitals import Vitals

log = logging.getLogger(__name__)

_LOOK = 1.0  # s between two looks at what was counted
_BACK = 11  # looks that are remembered: ten seconds


class Probing:
    """Probes by the prober that fits. No check is ever run by two of them."""

    def __init__(self, clock: Clock, ears: Ears) -> None:
        self._clock = clock
        self._ears = ears
        self._local = Local(clock, ears.result, most_at_once())
        self._briefing = self._briefed()  # of the service's own engine, while that probes
        self._fleet: Fleet | None = None
        self._ended: dict[str, Vitals] = {}  # workers of which there are no more, by name
        self._looks: deque[dict[str, Vitals]] = deque(maxlen=_BACK)  # vitals by process, oldest first
        self._crew = Crew("prober:")
        self._turn = asyncio.Lock()
        self._planned = self._stopped = False

    async def run(self) -> None:
        """Work until cancelled; raise what is a bug of ours."""
        self._crew.start("service", self._local.run())
        self._crew.start("memory", self._remember())
        await self._crew.run()

    async def plan(self, specs: Iterable[CheckSpec], rules: Rules, workers: int | None) -> None:
        """Run exactly these checks from now on, in so many workers; None: as many as they want."""
        wanted = list(specs)
        count = workers_for(rate(wanted), cores()) if workers is None else workers
        async with self._turn:
            if self._stopped:
                return
            if count != (len(self._fleet) if self._fleet else 0) or (self._fleet and not self._fleet.suits(rules)):
                await self._change(count, rules)
            if self._fleet is None:
                await self._plan_local(wanted, rules)
            elif not self._stopped:
                self._fleet.plan(wanted, rules)
            self._planned = True

    async def stop(self) -> None:
        """Start no run any more; what has been seen goes out. The caller sets the deadline."""
        self._stopped = True
        await self._local.stop()
        if self._fleet is not None:
            await self._fleet.stop()

    def vitals(self) -> list[Vitals]:
        """Every process, the service first, those that were and are no more last: sums of counters never fall."""
        oldest = self._looks[0] if self._looks else {}
        return [replace(one, before=oldest.get(one.process)) for one in self._now()]

    def _now(self) -> list[Vitals]:
        return [*self._local.vitals(), *(self._fleet.vitals() if self._fleet else ()), *self._ended.values()]

    async def _remember(self) -> None:
        """Whoever asks how we do hears what happened lately, too: a sum since the start hides that."""
        while True:
            self._looks.append({one.process: one.kept() for one in self._now()})
            await self._clock.sleep(_LOOK)

    def _briefed(self) -> Briefing:
        return Briefing(self._clock.now_ms, self._ears.seen_ms)

    async def _plan_local(self, wanted: Sequence[CheckSpec], rules: Rules) -> None:
        """Probe here; what nobody ran since workers did is missed."""
        seen: list[tuple[CheckSpec, int]] = []
        self._briefing.want({spec.name: spec for spec in wanted}, rules)
        for order in self._briefing.orders():
            if isinstance(order, Change):
                seen += [one for one in zip(order.specs, order.seen_ms, strict=False) if one[1]]
            await asyncio.sleep(0)
        if not self._stopped:
            self._local.plan(wanted, rules)
            self._briefing.counted()
            self._local.tally.skipped(missed(seen, self._clock.now_ms(), self._clock.monotonic()))

    async def _change(self, count: int, rules: Rules) -> None:
        """Take another prober. It gets ready before the old one ends: its start costs no runs."""
        log.info("probing in %s", f"{count} worker{'' if count == 1 else 's'}" if count else "the service")
        before, fleet = self._fleet, Fleet(count, self._clock, self._ears, by_host=rules.by_host) if count else None
        if fleet is not None:
            self._crew.start(fleet.name, fleet.run())
            if self._planned:
                await fleet.ready()
        if before is not None:
            await before.stop()
            self._crew.end(before.name)
        self._local.plan((), rules)
        self._hand_over(before, fleet)
        if self._stopped and fleet is not None:
            await fleet.stop()

    def _hand_over(self, before: Fleet | None, after: Fleet | None) -> None:
        """What was run and counted goes on: instants without a run are missed ones, and no counter falls."""
        past, self._briefing = (before or self._briefing).past(), self._briefed()
        self._ended.update((one.process, _late(one)) for one in (before.vitals() if before else ()))
        if after is None:
            self._briefing.inherit(past)
        else:
            after.inherit(past, self._ended)
            for one in after.vitals():
                self._ended.pop(one.process, None)
        self._fleet = after


def _late(worker: Vitals) -> Vitals:
    """A worker that has ended for good: its counters are what is left of it."""
    nothing = Vitals(worker.process, 0, worker.at_ms, ended=True)
    counters = (
        "runs",
        "missed",
        "restarts",
        "cpu",
        "dropped",
        "loop_lag",
        "loop_lag_total",
        "lateness",
        "lateness_total",
    )
    return replace(nothing, **{name: getattr(worker, name) for name in counters})


def rules_of(config: Config) -> Rules:
    """What a configuration has to say about every run."""
    network = config.network
    return Rules(
        network.deny, network.allow, network.resolvers, network.rate, network.concurrent, frozenset(config.secrets)
    )
