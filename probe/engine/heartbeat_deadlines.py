"""Jobs that report to us, and their deadlines, which pass in memory. Never waits, and asks no store.

Time in which nobody listened (we were not running, the machine slept, the clock was set) moves deadlines.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from checks.core.result import Result
from checks.core.units import format_duration
from checks.heartbeat import Heartbeat
from probe.clock import Clock
from probe.config.model import Config, Planned
from probe.config.passive import rules_of
from probe.store.beats import Said
from thresholds.heartbeat import Rules, Run, Standing
from thresholds.heartbeat_due import BRIDGED, absent, configured, next_ms, passed, reconfigured, resumed, set_back
from thresholds.heartbeat_turn import Step

log = logging.getLogger(__name__)

_STEP = 5_000  # ms that the wall clock gains or loses before it counts as set
_STALL = 45_000  # ms without a look: longer than a pause and a slow write


class Job:
    """One job: what is expected of it and how it stands."""

    __slots__ = ("dirty", "next_ms", "paused_ms", "planned", "rules", "standing")

    def __init__(self, planned: Planned, rules: Rules, standing: Standing) -> None:
        self.planned = planned
        self.rules = rules
        self.standing = standing
        self.dirty = False  # the store does not know it as it stands
        self.paused_ms = 0  # since when nothing is waited for; 0: it is
        self.next_ms = 0  # the next deadline

    @property
    def name(self) -> str:
        return self.rules.check


@dataclass(slots=True)
class Work:
    """A batch of pings, and what they change once it is written."""

    standings: dict[str, Standing] = field(default_factory=dict)
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    answers: list[asyncio.Future[None]] = field(default_factory=list)

    def take(self, check: str, step: Step) -> None:
        self.standings[check] = step.standing
        self.runs.update(((check, run.number), run) for run in step.runs)
        self.results += step.results


class Deadlines:
    """Every configured job, and when what is expected of it is due. `emit` takes results as the engine's does."""

    def __init__(self, clock: Clock, emit: Callable[[Result], None]) -> None:
        self.jobs: dict[str, Job] = {}
        self._clock = clock
        self._emit = emit
        self._due: list[tuple[int, str]] = []  # a heap; what a job does not wait for any more is passed over
        self._unkept = Work()  # what came of deadlines, not in the store yet
        self._looked_ms, self._looked = clock.now_ms(), clock.monotonic()

    def _change(self, config: Config, known: Mapping[str, Standing]) -> None:
        now_ms = self._clock.now_ms()
        back = {name: _anew(one, now_ms) for name, one in known.items() if name not in self.jobs}
        self._plan(config, {**back, **{name: job.standing for name, job in self.jobs.items()}}, now_ms)

    def _plan(self, config: Config, known: Mapping[str, Standing], now_ms: int) -> None:
        before, self.jobs = self.jobs, {}
        for name, planned in config.checks.items():
            check = planned.spec.check
            if not isinstance(check, Heartbeat):
                continue
            rules = rules_of(name, check, planned.zone)
            standing = known.get(name)
            standing = configured(rules, now_ms) if standing is None else reconfigured(rules, standing, now_ms)
            self.jobs[name] = job = Job(planned, rules, standing)
            job.dirty = True
            job.paused_ms = before[name].paused_ms if name in before else 0
        self._due = []
        for job in self.jobs.values():
            self._arm(job)
        heapify(self._due)

    def _pause_all(self, names: Collection[str]) -> None:
        now_ms = self._clock.now_ms()
        for name, job in self.jobs.items():
            if name in names:
                job.paused_ms = job.paused_ms or now_ms
            elif job.paused_ms:
                job.standing = resumed(job.rules, job.standing, job.paused_ms, now_ms)
                job.paused_ms, job.dirty = 0, True
                self._arm(job)

    def _arm(self, job: Job) -> None:
        job.next_ms = next_ms(job.rules, job.standing)
        heappush(self._due, (job.next_ms, job.name))

    def _look_at_clocks(self) -> None:
        """Notice time in which nobody listened, and a clock that was set."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        before_ms, lasted = self._looked_ms, round((now - self._looked) * 1000)
        self._looked_ms, self._looked = now_ms, now
        gained = now_ms - before_ms - lasted
        if gained > _STEP:
            self._be_absent(now_ms - gained, now_ms, "the machine slept, or its clock was set forward")
        elif gained < -_STEP:
            log.warning("the clock was set back by %s", format_duration(-gained / 1000))
            for job in self.jobs.values():
                self._stand(job, set_back(job.rules, job.standing, -gained, now_ms))
        elif lasted > _STALL:
            self._be_absent(before_ms, now_ms, "Probe was stopped")

    def _be_absent(self, from_ms: int, until_ms: int, why: str) -> None:
        if until_ms - from_ms > BRIDGED:
            length = format_duration((until_ms - from_ms) / 1000)
            log.warning("%s for %s: what heartbeats were to say then is not missed", why, length)
        for job in self.jobs.values():
            if not job.paused_ms:
                self._stand(job, absent(job.rules, job.standing, from_ms, until_ms))

    def _stand(self, job: Job, standing: Standing) -> None:
        job.standing, job.dirty = standing, True
        self._arm(job)

    def _pass_time(self) -> None:
        """Let the deadlines pass that are over."""
        now_ms = self._clock.now_ms()
        while self._due and self._due[0][0] <= now_ms:
            at_ms, name = heappop(self._due)
            job = self.jobs.get(name)
            if job is None or job.next_ms != at_ms or job.paused_ms:
                continue
            step = passed(job.rules, job.standing, now_ms)
            self._unkept.take(name, step)
            self._stand(job, step.standing)
            for result in step.results:
                self._emit(result)


def _anew(standing: Standing, now_ms: int) -> Standing:
    """Of a job that was not configured for a while: what it did is history, and nothing of it is waited for."""
    plain = Standing(standing.since_ms, "", 0, number=standing.number, told_ms=min(standing.told_ms, now_ms))
    return replace(plain, heard_ms=standing.heard_ms)
