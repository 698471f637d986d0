"""Probing in this process: the engine with all that it needs, under rules that may change while it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Protocol

from checks.core.base import CheckSpec
from checks.core.net import Net
from checks.core.redact import Redactor
from checks.core.result import Result
from probe.clock import Clock
from probe.engine.contention import machine_wait
from probe.engine.engine import Engine
from probe.engine.lag import LagMeter
from probe.engine.orders import Rules
from probe.engine.process import own_usage
from probe.engine.runner import Runner
from probe.engine.seats import Seats
from probe.engine.vitals import Tally, Vitals


class Prober(Protocol):
    """Who runs checks: this process, or workers. Every Result goes to the function that it was made with."""

    async def run(self) -> None:
        """Work until cancelled; raise what is a bug of ours."""

    def plan(self, specs: Iterable[CheckSpec], rules: Rules) -> None:
        """Run exactly these checks from now on, by these rules. Unchanged ones keep their place in the schedule."""

    async def stop(self) -> None:
        """Start no run any more; what has been seen goes out. The caller sets the deadline."""

    def vitals(self) -> list[Vitals]:
        """How every process of it is doing."""


class Local:
    """Probes in this process. Its meter of our own lag runs also while no check does."""

    def __init__(self, clock: Clock, emit: Callable[[Result], None], seats: int, *, process: str = "service") -> None:
        self._clock = clock
        self._emit = emit
        self._process = process
        self._rules = Rules()
        self._mask = Redactor()
        self._nets: AsyncExitStack = AsyncExitStack()
        self.tally = Tally()
        self.lag = LagMeter(clock, self.tally.loop_lag.observe, machine_wait())
        self._net = self._opened(self._rules)
        self._runner = Runner(self._net, clock, self.lag, self._redact)
        self._most = seats
        self._seats = Seats(seats)
        self._engine = Engine(self._runner, self._seats, clock, self._ran, self.tally)

    async def run(self) -> None:
        async with self._nets, asyncio.TaskGroup() as tasks:
            tasks.create_task(self.lag.run(), name="lag")
            tasks.create_task(self._engine.run(), name="engine")

    def plan(self, specs: Iterable[CheckSpec], rules: Rules) -> None:
        self._adopt(rules)
        self._engine.plan(specs)

    async def stop(self) -> None:
        await self._engine.stop()

    def vitals(self) -> list[Vitals]:
        usage, tally = own_usage(), self.tally
        return [
            Vitals(
                process=self._process,
                pid=os.getpid(),
                at_ms=self._clock.now_ms(),
                checks=len(self._engine),
                runs=tally.runs,
                missed=tally.missed,
                in_flight=self._seats.taken,
                lookups=self._runner.net.lookups,
                seats=self._most,
                lag=self.lag.recent,
                cpu=usage.cpu,
                rss=usage.rss,
                fds=usage.fds,
                fd_limit=usage.fd_limit,
                loop_lag=tally.loop_lag.counts,
                loop_lag_total=tally.loop_lag.total,
                lateness=tally.lateness.counts,
                lateness_total=tally.lateness.total,
            )
        ]

    def _adopt(self, rules: Rules) -> None:
        before, self._rules = self._rules, rules
        if rules.secrets != before.secrets:
            self._mask = Redactor(rules.secrets)
        if (rules.rate, rules.concurrent) != (before.rate, before.concurrent):
            self._seats.limit(rules.rate, rules.concurrent)
        if (rules.deny, rules.allow, rules.resolvers) != (before.deny, before.allow, before.resolvers):
            self._runner.net = self._opened(rules)

    def _opened(self, rules: Rules) -> Net:
        """A network by these rules. It stays open until the end: runs under way may still use the one before."""
        net = Net(deny=rules.deny, allow=rules.allow, nameservers=rules.resolvers)
        self._nets.push_async_callback(net.close)
        return net

    def _redact(self, text: str) -> str:
        return self._mask(text)

    def _ran(self, result: Result) -> None:
        self.tally.runs += 1
        self._emit(result)
