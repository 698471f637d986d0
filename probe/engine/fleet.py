"""Worker processes that probe for the service: every check belongs to one of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from checks.core.base import CheckSpec
from probe.clock import Clock
from probe.engine.briefing import Past
from probe.engine.crew import Crew
from probe.engine.intake import Intake
from probe.engine.orders import Rules
from probe.engine.place import TICK, Ears, Place
from probe.engine.shard import Shard, dealt
from probe.engine.vitals import Vitals

_LAST_WORDS = 4.0  # s for workers to end in order; then they are killed
_READY = 10.0  # s for new workers to be there


class Fleet:
    """So many worker processes, from `run` to `stop`. `by_host`: all checks of a host are in one of them."""

    def __init__(self, workers: int, clock: Clock, ears: Ears, *, by_host: bool = False) -> None:
        self.name = f"{workers} workers{' by host' if by_host else ''}"
        self._by_host = by_host
        self._clock = clock
        self._intake = Intake()
        self._places = [Place(Shard(index, workers), clock, self._intake, ears) for index in range(workers)]
        self._crew = Crew("fleet:")

    def __len__(self) -> int:
        return len(self._places)

    async def run(self) -> None:
        """Keep the workers at work until cancelled; then none of them is left."""
        self._crew.start("intake", self._intake.run())
        self._crew.start("watch", self._watch())
        for place in self._places:
            self._crew.start(place.name, place.run())
        await self._crew.run()

    async def ready(self) -> None:
        """Wait until the workers are there, but not for ever: they may be hindered from starting."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY):
                for place in self._places:
                    await place.ready.wait()

    def suits(self, rules: Rules) -> bool:
        """Whether these rules leave every check where it is.

        Else another fleet has to take over: a check that moved between running workers would be run by both for a
        moment, and what its move cuts off would be missed by nobody.
        """
        return len(self._places) == 1 or rules.by_host == self._by_host

    def plan(self, specs: Iterable[CheckSpec], rules: Rules) -> None:
        """Run exactly these checks from now on, by rules that suit. Unchanged ones keep their place in the schedule."""
        shards = dealt(specs, len(self._places), by_host=self._by_host)
        for place, shard in zip(self._places, shards, strict=True):
            place.briefing.want(shard, rules)
            place.inform()

    def past(self) -> Past:
        """What the workers were told to run."""
        pasts = [place.briefing.past() for place in self._places]
        return Past(
            {name: spec for past in pasts for name, spec in past.specs.items()},
            {name: at_ms for past in pasts for name, at_ms in past.since_ms.items()},
        )

    def inherit(self, past: Past, counted: Mapping[str, Vitals]) -> None:
        """Take over from a prober that is no more, and from the workers of the same names that there were."""
        for place in self._places:
            place.briefing.inherit(past)
            if place.name in counted:
                place.inherit(counted[place.name])

    async def stop(self) -> None:
        """End the workers in order, with all that they have to say; those that take too long are killed."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await asyncio.gather(*(place.leave() for place in self._places))
        finally:
            await self._crew.stop()
            for place in self._places:
                place.acquit()

    def vitals(self) -> list[Vitals]:
        return [place.vitals() for place in self._places]

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(TICK)
            for place in self._places:
                place.tick()
