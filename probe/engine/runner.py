"""One attempt of one check, from its start to a Result. Whatever happens in it, a Result comes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate

from checks.core.base import CheckSpec
from checks.core.classify import classify
from checks.core.gather import gather
from checks.core.net import Net
from checks.core.result import Fact, Failure, FailureKind, Result, Trace
from checks.core.units import format_duration
from checks.core.veil import url
from probe.clock import Clock
from probe.engine.deadline import Deadlines
from probe.engine.exhibits import Making
from probe.engine.lag import LagMeter
from thresholds.measured import LAG

log = logging.getLogger(__name__)

_EXCUSE = 0.1  # so much of the timeout lost through us may be why the deadline was missed
_MOSTLY = 0.5  # blocked for so much of it, we cannot judge anything
_SHORT = 1.0  # s: of a shorter timeout the slices in which sockets are served would be a part worth mentioning
_NEAR = 0.02  # s before an event in which the machine's other work can have held it up
_WAITS = frozenset({"connect", "proxy", "ttfb", "transfer"})  # in these we wait, and the kernel keeps what comes


class Runner:
    """Runs checks: deadline, classification, our own lag, and no secret in what comes out."""

    def __init__(self, net: Net, clock: Clock, lag: LagMeter, redact: Callable[[str], str]) -> None:
        self.net = net  # may be replaced between runs
        self._clock = clock
        self._lag = lag
        self._redact: Callable[[str], str] = lambda text: url(redact(text))
        self._making = Making()
        self._deadlines = Deadlines(clock, self._look)

    async def run_once(self, spec: CheckSpec, attempt: int = 1) -> Result:
        clock = self._clock
        trace = Trace(clock.monotonic)
        trace.hurried = spec.timeout < _SHORT
        at_ms = clock.now_ms()
        failure = None
        try:
            await self._run(spec, trace)
        except Exception as error:  # noqa: BLE001  # a bug in one check is one LOCAL failure, not the end of all
            failure = classify(error, trace)
        duration = trace.duration()
        if lag := self._lag_in(trace):
            trace.facts[LAG] = round(lag, 6)
        if duration > spec.timeout + lag and _answered(trace, failure):
            failure = _too_late(trace, spec.timeout, duration)
        elif failure is not None:
            failure = self._presentable(failure, trace, spec.timeout)
        # Whole microseconds, as the store keeps them: history judged again is judged the same.
        phases = {name: round(seconds, 6) for name, seconds in trace.phases.items()}
        result = Result(spec.name, at_ms, round(duration, 6), phases, self._shown(trace.facts), failure, attempt)
        if failure is not None:
            return self._with_evidence(result, failure, spec, trace)
        if self._making.failing:
            self._making.failing.pop(spec.name, None)
        return result

    def _with_evidence(self, result: Result, failure: Failure, spec: CheckSpec, trace: Trace) -> Result:
        if not self._making.wanted(spec.name, failure, result.at_ms):
            return result
        try:
            evidence = gather(spec.check, trace, failure, self._redact, spec.timeout)
        except Exception:  # whatever a target sent that we did not think of: the result counts all the same
            log.exception("%s: no evidence of this failing run; that is a bug", spec.name)
            return result
        return replace(result, evidence=evidence)

    async def _run(self, spec: CheckSpec, trace: Trace) -> None:
        """Raises what the check raises, and TimeoutError at its deadline."""
        deadline = self._deadlines.begin(trace, spec.timeout)
        task = deadline.task
        try:
            await spec.check.run(trace, self.net)
        except asyncio.CancelledError as cancelled:
            # Only our own deadline becomes a failure: somebody else may end the task, even at the same moment.
            if not deadline.expired or task is None or task.uncancel() > 0:
                raise
            raise TimeoutError from cancelled
        except BaseException:
            if deadline.expired and task is not None:
                task.uncancel()  # it was cut off, and raised something else on its way out
            raise
        finally:
            self._deadlines.end(deadline)

    def _look(self) -> bool:
        return self.net.look()

    def _shown(self, facts: Mapping[str, Fact]) -> Mapping[str, Fact]:
        """Facts without secrets. Looked at all at once: hardly ever is there one."""
        joined = "\0".join([fact for fact in facts.values() if type(fact) is str])
        if self._redact(joined) == joined:
            return facts
        return {name: self._redact(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}

    def _lag_in(self, trace: Trace) -> float:
        """Seconds of the run's latency that may be ours: what our loop did while the kernel kept watch is not.

        What other programs did to the kernel's watch is, and what they may have done between our clock and our request.
        """
        return max(self._blocked(trace), self._crowded(trace) + trace.unsure)

    def _crowded(self, trace: Trace) -> float:
        """What may have come late to the ends of waits: how long a wait was before does not matter."""
        crowded = self._lag.crowded
        return sum([crowded(max(began, ended - _NEAR), ended) for began, ended in trace.waits])

    def _blocked(self, trace: Trace) -> float:
        lag, now = self._lag, self._clock.monotonic()
        if not lag.during(trace.began, now):
            return 0.0
        spans = [*trace.works]
        if trace.facts.get("timing") != "kernel":
            spans += trace.waits
        if trace.phase:
            spans.append((trace.opened, now))
        return sum(lag.during(began, ended) for began, ended in spans)

    def _presentable(self, failure: Failure, trace: Trace, timeout: float) -> Failure:
        if failure.kind is FailureKind.TIMEOUT and (lag := self._lost(trace, timeout)) > _EXCUSE * timeout:
            blocked = f"our own event loop was blocked for {format_duration(lag)} of {format_duration(timeout)}"
            return Failure(FailureKind.LOCAL, failure.phase, f"not judged: {blocked}")
        return replace(failure, message=self._redact(failure.message))

    def _lost(self, trace: Trace, timeout: float) -> float:
        """Seconds that the target lost through us before its deadline.

        While we only wait, a stall costs nothing but its last moments: bytes that came before are read after it. What
        counts is a stall before the wait began, and one that the deadline fell into.
        """
        total = self._lag.during(trace.began, self._clock.monotonic())
        if trace.phase not in _WAITS or total > _MOSTLY * timeout:
            return total
        before = self._lag.during(trace.began, trace.opened)
        waited = sum(self._lag.during(began, ended) for began, ended in trace.waits)
        return max(0.0, before - waited) + self._lag.at(trace.began + timeout)


def _answered(trace: Trace, failure: Failure | None) -> bool:
    """Whether all phases of a run are over, and its duration so what the target took."""
    ours = failure is not None and failure.kind is FailureKind.LOCAL
    return bool(trace.phases) and not trace.phase and not ours


def _too_late(trace: Trace, timeout: float, duration: float) -> Failure:
    """Of a run that was answered after its deadline. Nobody cut it off, for our loop was late, too."""
    ends = zip(trace.phases, accumulate(trace.phases.values()), strict=True)
    phase = next((name for name, spent in ends if spent > timeout), "")
    said = f"timed out: answered after {format_duration(duration)}, and the timeout is {format_duration(timeout)}"
    return Failure(FailureKind.TIMEOUT, phase, said)
