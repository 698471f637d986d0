"""Another configuration for a service at work: what stays goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from checks.core.redact import Redactor
from probe.config import ConfigError, Problem, load
from probe.config.machine import cores
from probe.config.model import Config
from probe.engine.capacity import objection
from probe.engine.orders import Rules
from probe.engine.probing import rules_of
from probe.service.built import TOLD_BACK, Built, gone
from probe.store.base import StoreError
from thresholds.base import Level

log = logging.getLogger(__package__)

_READING = 60.0  # s for reading a configuration again
_FIXED = ("instance", "host", "port", "store")  # what a reload leaves as it is


class Reloaded(Built):
    """A service that can be given another configuration."""

    def reload_soon(self) -> None:
        """For signals: the reload happens in a task of its own, and says in the log what came of it."""
        self._reload_wanted.set()

    async def reload(self) -> Sequence[str]:
        """Read the configuration again. Unchanged checks go on as if nothing had been; a bad one changes nothing."""
        async with self._reloading:
            if self._phase:
                return (f"not now: the service is {self._phase}",)
            try:
                config = await _read(self.config.path)
            except ConfigError as error:
                problems = [self.redact(str(problem)) for problem in error.problems]
                self.own.reload_failed()
                self.board.report("config", Level.DEGRADED, f"the configuration cannot be used: {problems[0]}")
                return problems
            await self._adopt(config)
            log.info("configuration reloaded: %d checks", len(config.checks))
            return ()

    async def _reload_when_wanted(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            for problem in await self.reload():
                log.error("not reloaded: %s", problem)

    async def _replan_when_wanted(self) -> None:
        """Maintenance that pauses begins or ends: other checks are to run."""
        while True:
            await self._replan.wait()
            self._replan.clear()
            async with self._reloading:
                await self._plan(self._rules)

    async def _seen_again(self, config: Config) -> Mapping[str, int]:
        """When checks were run last that a configuration brings back."""
        if all(self.board.view(name) for name in config.checks):
            return {}
        with contextlib.suppress(StoreError):
            return await self._store.last_runs()
        return {}

    async def _adopt(self, config: Config) -> None:
        before = self.config
        self._mask = Redactor(before.secrets | config.secrets)  # runs under way may still show the old ones
        for key in _FIXED:
            if getattr(before, key) != getattr(config, key):
                log.warning("a change of %s takes a restart", {"host": "listen", "port": "listen"}.get(key, key))
        # Receivers know incidents by the instance: it must not change between a beginning and its end.
        self.config = config = replace(config, **{key: getattr(before, key) for key in _FIXED})
        with contextlib.suppress(StoreError):  # then a receiver that comes back does not know what it was told before
            self._told = await self._store.told(self._clock.now_ms() - TOLD_BACK)
        self._deliverer.configure(config.receivers, self._told, terms=config.terms)
        with contextlib.suppress(StoreError):  # then objectives go by what is in memory, and windows begin anew
            await self.judgement.configure(config)
        pasts = await self.judgement.recall(config, self.board.pasts())
        self.duty.roster = config.roster
        self.dispatcher.configure(config)
        self.board.configure(config, pasts=pasts, seen_ms=await self._seen_again(config))
        self._attach()
        self._apply(config)
        await self._heartbeats.configure(config)
        await self._feeds.configure(config.roster)
        self._herald.configure(config)
        for subject in ("config", *gone(self.board, config)):
            self.board.report(subject, Level.UP, "")
        rules = rules_of(config)
        await self._plan(replace(rules, secrets=before.secrets | rules.secrets))

    async def _plan(self, rules: Rules) -> None:
        if lack := objection(self.config, cores()):
            log.warning("%s", lack)
        paused = self.judgement.upkeep.paused()
        await self._heartbeats.pause(paused)
        active = {name: planned for name, planned in self.config.checks.items() if not planned.passive}
        specs = [planned.spec for name, planned in active.items() if name not in paused]
        self._rules = rules
        await self._probing.plan(specs, rules, self.config.workers)


async def _read(path: Path) -> Config:
    """The configuration, read by a thread that nobody waits for for ever: a file may lie on a disk that hangs."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Config] = loop.create_future()

    def settle(config: Config | None, error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(cast("Config", config))

    def work() -> None:
        outcome: tuple[Config | None, Exception | None]
        try:
            outcome = load(path), None
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, name="load", daemon=True).start()
    try:
        async with asyncio.timeout(_READING):
            return await done
    except TimeoutError:
        raise ConfigError([Problem(str(path), 0, 0, "", f"not read within {_READING:g} s", "")]) from None
