"""Why an incident is not told now: silenced, inhibited by another, or in quiet hours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from exporters.alerting.incident import Incident, Member, Severity, routing_labels
from exporters.route import mismatch
from thresholds.hours import Hours

_DAY_MS = 86_400_000
Match = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of what it covers until it ends: who wanted that, and why."""

    id: str
    began_ms: int
    ended_ms: int  # 0: until somebody ends it
    checks: tuple[str, ...] = ()  # patterns as of a shell
    services: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None  # patterns, too
    reason: str = ""
    author: str = ""

    def covers(self, incident: Incident, members: Iterable[Member]) -> bool:
        """Whether it covers the incident: all of its checks, where it names checks."""
        if self.services and not _any(self.services, incident.service):
            return False
        bad = [member for member in members if member.bad]
        if not bad:
            return self._fits(routing_labels(incident)) and (not self.checks or _any(self.checks, incident.check))
        known = routing_labels(incident)
        return all(
            self._fits({**known, **member.labels}) and (not self.checks or _any(self.checks, member.check))
            for member in bad
        )

    def _fits(self, labels: Mapping[str, str]) -> bool:
        return all(fnmatchcase(labels.get(name, ""), wanted) for name, wanted in (self.labels or {}).items())

    def holds(self, now_ms: int) -> bool:
        return self.began_ms <= now_ms and (not self.ended_ms or now_ms < self.ended_ms)


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an incident like the source is open, those like the target are not told, where these labels are equal."""

    source: Match
    target: Match
    equal: tuple[str, ...] = ()

    def speaks(self, source: Incident) -> bool:
        """Whether an incident may mute others."""
        return _fits(self.source, _labels(source))

    def concerns(self, target: Incident) -> bool:
        """Whether an incident is like those that it mutes."""
        return _fits(self.target, _labels(target))

    def mutes(self, source: Incident, target: Incident) -> bool:
        if source.id == target.id:
            return False
        ours, theirs = _labels(source), _labels(target)
        # Where all equal labels are missing on both sides nothing connects them.
        if self.equal and not any(ours.get(name) for name in self.equal):
            return False
        if _fits(self.target, ours) and _fits(self.source, theirs) and _fits(self.target, theirs):
            return False  # each would mute the other
        return (
            _fits(self.source, ours)
            and _fits(self.target, theirs)
            and all(ours.get(name, "") == theirs.get(name, "") for name in self.equal)
        )


def _labels(incident: Incident) -> dict[str, str]:
    return {**routing_labels(incident), "level": incident.level.name.lower()}


def _fits(match: Match, labels: Mapping[str, str]) -> bool:
    return not mismatch(match, labels)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which incidents of a severity wait for the morning."""

    severities: tuple[Severity, ...]
    hours: Hours
    match: Match

    def until(self, incident: Incident, now_ms: int) -> int:
        """When an incident may be told, in Unix ms; 0: now."""
        if incident.severity not in self.severities or not _fits(self.match, _labels(incident)):
            return 0
        span = next(iter(self.hours.spans((now_ms, now_ms + 8 * _DAY_MS))), None)
        return span[1] if span is not None and span[0] <= now_ms else 0


def silenced(silences: Sequence[Silence], incident: Incident, members: Sequence[Member], now_ms: int) -> Silence | None:
    """The silence that covers an incident, the one that lasts longest."""
    found = [one for one in silences if one.holds(now_ms) and one.covers(incident, members)]
    return max(found, key=lambda one: one.ended_ms or 1 << 60, default=None)


def inhibited(rules: Sequence[Inhibition], incident: Incident, others: Iterable[Incident]) -> Incident | None:
    """The open incident that speaks for this one, too."""
    if not rules:
        return None
    return next((other for other in others if any(rule.mutes(other, incident) for rule in rules)), None)


def quiet_until(quiet: Sequence[Quiet], incident: Incident, now_ms: int) -> int:
    """When an incident may be told, in Unix ms; 0: now."""
    return max((one.until(incident, now_ms) for one in quiet), default=0)
