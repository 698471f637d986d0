"""What an incident depends on, and how that stands: while the gateway is down, its sites are one alert.

A site is often seen to fail before its gateway is. So an incident waits a moment for news of what it depends on, and a
moment more after that has recovered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from checks.core.result import Result
from exporters.alerting.incident import Incident, Member
from probe.clock import Clock
from probe.config.model import Planned, ServicePlan
from thresholds.base import Level, State, Verdict
from thresholds.composite import standing
from thresholds.timeline import Condition

_LONGEST_MS = 120_000  # that an incident waits for news of what it depends on
_SETTLE_MS = 10_000  # beside an interval of its own, after what it depends on has recovered
_LOOK_MS = 2_000
PREFIX = "depends on "


class Watched(Protocol):
    """A check as it stands."""

    @property
    def planned(self) -> Planned: ...
    @property
    def state(self) -> State: ...
    @property
    def last(self) -> Verdict | None: ...


class Dependence:
    """Asked by the dispatcher, of checks and services by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.watch: Callable[[str], Watched | None] = lambda _name: None
        self.services: Mapping[str, ServicePlan] = {}
        self._held: set[str] = set()  # incidents that are not told because of something that is down
        self._recovered: dict[str, int] = {}  # Unix ms until which what depended on something gets time, by incident

    def hold(self, incident: Incident, members: Sequence[Member], now_ms: int) -> tuple[str, int]:
        """Why an incident is not told now, and when to look again; "" where nothing keeps it back.

        Only where every check of it that is bad depends on something else that is: one that fails by itself is told.
        """
        bad = [member for member in members if member.bad]
        if not bad or any(not member.depends_on for member in bad):
            return "", 0
        ours = {member.check for member in bad}
        wanted = [self._others(member.depends_on, incident, ours) for member in bad]
        down = [next((name for name in names if self._down(name)), "") for names in wanted]
        if all(down):
            self._held.add(incident.id)
            return f"{PREFIX}{down[0]}, which is DOWN", 0
        if incident.id in self._held:
            self._held.discard(incident.id)
            self._recovered[incident.id] = now_ms + self._time_for(incident)
        until_ms = self._recovered.get(incident.id, 0)
        if now_ms < until_ms:
            return f"{PREFIX}what has just recovered", until_ms
        self._recovered.pop(incident.id, None)
        unsure = [
            one or next((name for name in names if self._unsure(name, incident, now_ms)), "")
            for one, names in zip(down, wanted, strict=True)
        ]
        if all(unsure):
            return f"{PREFIX}{unsure[0]}, of which there is no news yet", now_ms + _LOOK_MS
        return "", 0

    def _others(self, names: Sequence[str], incident: Incident, ours: set[str]) -> list[str]:
        """What a check depends on, without the checks of its own incident, and without its own service."""
        return [name for name in names if name not in ours and name != incident.service]

    def is_on(self, dependent: Incident, source: Incident) -> bool:
        """Whether one incident is not told because of another."""
        return any(name in (source.check, source.service) for name in dependent.depends_on)

    def _checks(self, name: str) -> Sequence[Watched]:
        names = self.services[name].members if name in self.services else (name,)
        return [watched for one in names if (watched := self.watch(one)) is not None]

    def _down(self, name: str) -> bool:
        watched = self._checks(name)
        if not watched:
            return False
        levels = [Condition(one.state.level) for one in watched]
        if name in self.services and len(levels) == len(self.services[name].members):
            return standing(self.services[name].rule, levels) is Condition.DOWN
        return max(levels) is Condition.DOWN

    def _unsure(self, name: str, incident: Incident, now_ms: int) -> bool:
        """Whether what it depends on may have failed, too, and is not known to yet."""
        if now_ms - incident.detected_ms >= _LONGEST_MS:
            return False
        return any(self._failing(one) or self._older(one, incident) for one in self._checks(name))

    def _failing(self, watched: Watched) -> bool:
        """A run of it has failed, and is being confirmed."""
        state = watched.state
        last = watched.last.level if watched.last is not None else Level.UP
        return state.level is not Level.DOWN and (state.failing_since_ms > 0 or last is Level.DOWN)

    def _older(self, watched: Watched, incident: Incident) -> bool:
        """It has not run since the incident began."""
        last: Result | None = watched.last.result if watched.last is not None else None
        return last is not None and last.at_ms < incident.opened_ms

    def _time_for(self, incident: Incident) -> int:
        watched = self.watch(incident.check)
        every = watched.planned.spec.every if watched is not None else 60.0
        return min(_LONGEST_MS, _SETTLE_MS + round(every * 1000))
