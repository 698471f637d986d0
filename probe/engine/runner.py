"""One attempt of one check, from its start to a Result. Whatever happens in it, a Result comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from checks.core.base import CheckSpec
from checks.core.classify import classify
from checks.core.net import Net
from checks.core.result import Failure, FailureKind, Result, Trace
from checks.core.units import format_duration
from probe.clock import Clock
from probe.engine.lag import LagMeter
from thresholds.policy import LAG

_EXCUSE = 0.1  # a blocked loop of this share of the timeout may be why the deadline was missed


class Runner:
    """Runs checks: deadline, classification, our own lag, and no secret in what comes out."""

    def __init__(self, net: Net, clock: Clock, lag: LagMeter, redact: Callable[[str], str]) -> None:
        self.net = net  # may be replaced between runs
        self._clock = clock
        self._lag = lag
        self._redact = redact

    async def run_once(self, spec: CheckSpec, attempt: int = 1) -> Result:
        trace = Trace(self._clock.monotonic)
        at_ms = self._clock.now_ms()
        failure = None
        try:
            async with asyncio.timeout(spec.timeout):
                await spec.check.run(trace, self.net)
        except Exception as error:  # noqa: BLE001  # a bug in one check is one LOCAL failure, not the end of all
            failure = classify(error, trace)
            trace.ended = self._clock.monotonic()
        if lag := self._lag_in(trace):
            trace.facts[LAG] = round(lag, 6)
        duration = max(0.0, trace.ended - trace.began)
        if failure is not None:
            failure = self._presentable(failure, self._lag.during(trace.began, trace.ended), spec.timeout)
        facts = {name: self._redact(fact) if isinstance(fact, str) else fact for name, fact in trace.facts.items()}
        return Result(spec.name, at_ms, duration, trace.phases, facts, failure, attempt)

    def _lag_in(self, trace: Trace) -> float:
        """Seconds of the run's latency that may be ours: what happened while we waited for the kernel is not."""
        lag = self._lag.during(trace.began, trace.ended)
        if lag and trace.facts.get("timing") == "kernel":
            lag -= sum(self._lag.during(began, ended) for began, ended in trace.waits)
        return max(0.0, lag)

    def _presentable(self, failure: Failure, lag: float, timeout: float) -> Failure:
        if failure.kind is FailureKind.TIMEOUT and lag > _EXCUSE * timeout:
            blocked = f"our own event loop was blocked for {format_duration(lag)} of {format_duration(timeout)}"
            return Failure(FailureKind.LOCAL, failure.phase, f"not judged: {blocked}")
        return replace(failure, message=self._redact(failure.message))
