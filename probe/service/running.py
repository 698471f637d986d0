"""The running service: everything built in order, held together, taken down in order.

A task of ours that ends unexpectedly ends the service, loudly; a target, a receiver or a disk never does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack

from checks.core.units import format_duration
from exporters.exposition import slices
from probe.engine.probing import rules_of
from probe.engine.process import settle
from probe.service.asked import Asked
from probe.web.app import make_app, serve
from probe.web.receivers import SWITCHBOARD
from thresholds.base import Level

log = logging.getLogger(__package__)

_DRAIN = 5.0  # s that each step of a shutdown may take
_LOOK = 30.0  # s between two looks for checks that cannot be judged
_AT_ONCE = 1_000  # checks looked at in one turn of the loop
_BLIND = 300_000  # ms without a judgement that are worth an alert


class Service(Asked):
    """One configuration at work. `run` holds it; the rest is what pages, signals and the terminal ask of it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end in order. Raises StoreError or ListenError when it cannot start."""
        async with AsyncExitStack() as stack:
            await self._build(stack)
            app = make_app(
                self.board,
                self,
                self._store,
                instance=self.config.instance,
                token=lambda: self.config.token,
                redact=self.redact,
                clock=self._clock,
                jobs=self._heartbeats,
            )
            app[SWITCHBOARD] = self._deliverer
            site = await serve(app, self.config.host, self.config.port)
            stack.push_async_callback(site.close)
            self.address = site.url
            await self._work(stop)

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            jobs = {
                "store": self._recorder.pump.run(),
                "probing": self._probing.run(),
                "retention": self._janitor.run(),
                "reload": self._reload_when_wanted(),
                "lookout": self._look_out(),
                "judgement": self.judgement.run(),
                "incidents": self.dispatcher.run(),
                "rollups": self._roller.run(),
                "pauses": self._replan_when_wanted(),
                "watchman": self._watchman.run(),
                "deadman": self._deadman.run(),
                "heartbeats": self._heartbeats.run(),
                "feeds": self._feeds.run(),
                "roster": self._herald.run(),
            }
            running = [tasks.create_task(self._deliverer.run(), name="couriers")]
            await asyncio.sleep(0)
            disabled = await self._store.disabled()
            # What was owed when the service ended goes first, before anything new can be decided and handed on.
            self._deliverer.configure(self.config.receivers, self._told, terms=self.config.terms, disabled=disabled)
            for delivery in self._pending:
                self._deliverer.accept(delivery)
            running += [tasks.create_task(job, name=name) for name, job in jobs.items()]
            await asyncio.sleep(0)  # each has begun: the probers take what comes next
            await self._plan(rules_of(self.config))
            self._phase = ""
            settle()
            self.started.set()
            log.info("%d checks run; pages at %s", len(self.config.checks), self.address)
            await stop.wait()
            await self._end()
            for task in running:
                task.cancel()

    async def _end(self) -> None:
        """No new runs; what was seen is stored, what is being said is said. Each step is bounded."""
        self._phase = "stopping"
        log.info("stopping")
        await _within(self._probing.stop(), "runs under way")
        await _within(self._heartbeats.end(), "heartbeats not written down")
        await _within(self._recorder.pump.drain(), "results not stored")
        await _within(self._deliverer.flush(), "alerts not sent; they are after the next start")
        await _within(self._recorder.pump.drain(), "deliveries not written down")

    async def _look_out(self) -> None:
        """Say when checks are UNKNOWN for long: whoever relies on them must know that nobody looks."""
        while True:
            await self._clock.sleep(_LOOK)
            names = await self._unjudged(self._clock.now_ms() - _BLIND)
            few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            reason = f"not judged for {format_duration(_BLIND / 1000)} because of trouble on our side: {few}"
            self.board.report("unjudged", Level.DEGRADED if names else Level.UP, reason if names else "")

    async def _unjudged(self, at_ms: int) -> Sequence[str]:
        """Checks that have been UNKNOWN since then, looked for in many turns of the loop: 20,000 in one take 10 ms."""
        names: list[str] = []
        for some in slices(list(self.board.views()), _AT_ONCE):
            names += self.board.unknown_since(at_ms, some)
            await asyncio.sleep(0)
        return sorted(names)


async def _within(step: Awaitable[object], left: str) -> None:
    try:
        async with asyncio.timeout(_DRAIN):
            await step
    except TimeoutError:
        log.warning("shutdown: %s within %g s", left, _DRAIN)
