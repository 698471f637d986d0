"""What is asked of the past: availability, outages and what they come to, objectives. Of a check or a service.

The same answers for the API of a running service and for `probe query`, which reads the database beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exporters.alerting.incident import Incident
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.chronicle import Chronicle
from probe.engine.lines import Lines
from probe.engine.objectives import Account, account_of, promises
from probe.engine.occurrences import occurrences
from probe.engine.paces import Paces
from probe.engine.upkeep import Upkeep
from probe.store.base import Store
from probe.store.casebook import Incidents
from thresholds.availability import Availability, availability
from thresholds.composite import Rule, told
from thresholds.hours import Hours
from thresholds.measures import Cause, Flow, Reliability, cumulative_flow, reasons, reliability
from thresholds.occurrences import Occurrences
from thresholds.outages import Outage, merge_gap, outages, unique
from thresholds.spans import Span
from thresholds.timeline import Condition, Edge, Interval, covered_until

_FOREVER = 1 << 53
_MOST = 20_000  # incidents that are looked at


@dataclass(frozen=True, slots=True)
class Subject:
    """A check, or a service with its checks."""

    name: str
    is_service: bool
    members: tuple[str, ...]
    rule: Rule
    hours: Hours | None
    zone: str
    every: float  # s


class Records:
    """Answers about a configuration's checks and services, from their transitions and gaps."""

    def __init__(
        self, config: Config, lines: Lines, now_ms: int, incidents: Mapping[str, Incident] | None = None
    ) -> None:
        """`incidents` are by the outages of checks that they are made of."""
        self.config = config
        self.now_ms = now_ms
        self._lines = lines
        self._incidents = incidents or {}

    @classmethod
    async def read(cls, config: Config, store: Store, clock: Clock, since_ms: int) -> Records:
        """From a store alone. Raises StoreError."""
        chronicle, upkeep = Chronicle(), Upkeep(clock)
        upkeep.configure(config.maintenance, config.checks)
        upkeep.announce(await store.announcements(since_ms))
        await chronicle.read(store, since_ms)
        lasts = await store.last_runs()
        lines = Lines(chronicle, upkeep, lambda check: _covered(config, lasts, check))
        return cls(config, lines, clock.now_ms(), await by_alarm(store, since_ms))

    @property
    def since_ms(self) -> int:
        """Unix ms before which nothing is known here."""
        return self._lines.chronicle.since_ms

    def subject(self, name: str) -> Subject | None:
        """A service or a check of this name; None where there is none."""
        if service := self.config.services.get(name):
            every = service.every or 60.0
            return Subject(name, True, service.members, service.rule, service.hours, service.zone, every)
        if check := self.config.checks.get(name):
            return Subject(name, False, (name,), Rule(), check.hours, check.zone, check.spec.every)
        return None

    def timeline(self, subject: Subject, window: Span) -> list[Interval]:
        """How it stood at every instant of a window that lies in the past."""
        return self._lines.timeline(subject.members, subject.rule, subject.hours, window)

    def availability(self, subject: Subject, window: Span) -> Availability:
        return availability(self.timeline(subject, window))

    async def occurrences(self, store: Store, subject: Subject, window: Span) -> Occurrences:
        """How many runs of its checks in a window were good. Raises StoreError."""
        found = Occurrences()
        for check in subject.members:
            line = self._lines.timeline((check,), Rule(), subject.hours, window)
            found += await occurrences(store, check, window, line)
        return found

    def outages(self, subject: Subject, window: Span, *, at_least: Condition = Condition.DOWN) -> list[Outage]:
        """Outages that touch a window, oldest first, dated as far beyond it as is known."""
        whole = max(self.since_ms, 0), max(self.now_ms, window[1])
        line = self.timeline(subject, (min(whole[0], window[0]), whole[1]))
        found = outages(subject.name, line, self._told(subject), every=subject.every, at_least=at_least)
        touching = (
            one for one in found if one.first_bad_ms < window[1] and (one.first_good_ms or whole[1]) > window[0]
        )
        return [self._responded(one) for one in touching]

    def _responded(self, outage: Outage) -> Outage:
        """With what people did about it: when they were told, and when somebody took it."""
        incident = self._incidents.get(outage.incident)
        if incident is None:
            return outage
        return replace(
            outage,
            notified_ms=incident.first_told_ms,
            acked_ms=incident.first_acked_ms,
            started_ms=incident.started_ms,
        )

    def reliability(self, subject: Subject, window: Span) -> Reliability:
        """Mean times of the failures that began in a window."""
        found = self.outages(subject, window)
        return reliability(found, self.timeline(subject, window), window, gap=merge_gap(subject.every))

    def reasons(self, subject: Subject, window: Span) -> list[Cause]:
        """Why failures happened; those of one night are one, as in the mean times."""
        return reasons(unique(self.outages(subject, window), merge_gap(subject.every)))

    def flow(self, subject: Subject, days: Sequence[Span]) -> list[Flow]:
        """How many failures began, ended and were open, day by day."""
        if not days:
            return []
        found = unique(self.outages(subject, (days[0][0], days[-1][1])), merge_gap(subject.every))
        return cumulative_flow(found, days)

    async def accounts(self, store: Store) -> list[Account]:
        """How every objective stands. Raises StoreError."""
        paces, found = Paces(), list(promises(self.config))
        wanted = {check: [one.objective for one in found if check in one.members] for check in self.config.checks}
        longest = max((one.objective.over.seconds for one in found), default=0.0)
        await paces.want(wanted, store, self.now_ms - round(longest * 1100))
        return [account_of(promise, self._lines, paces, self.now_ms) for promise in found]

    def _told(self, subject: Subject) -> Sequence[Edge]:
        edges = {check: self._lines.edges(check) for check in subject.members}
        return told(edges, subject.rule) if subject.is_service else edges[subject.name]


async def by_alarm(store: Incidents, since_ms: int) -> Mapping[str, Incident]:
    """The incidents that were open since an instant, by the outages of their checks. Raises StoreError."""
    filed = await store.filed(since_ms, _FOREVER, _MOST)
    return {member.alarm: one.incident for one in filed for member in one.members}


def _covered(config: Config, lasts: Mapping[str, int], check: str) -> int:
    planned, last_ms = config.checks.get(check), lasts.get(check, 0)
    return covered_until(last_ms, planned.spec.every) if planned is not None and last_ms else 0
