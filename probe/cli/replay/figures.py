"""What replayed checks come to, in numbers; and all of it as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from probe.cli.replay.history import Found, Question, Story, Told
from thresholds.alerts import Alert, Noise

STAYS, VANISHES, NEW = "stays", "vanishes", "new"


@dataclass(slots=True)
class Side:
    """Alerts of one configuration: how many, how many of them noise, and how soon real outages were known."""

    alerts: int = 0
    noisy: int = 0  # of any kind
    noise: Counter[Noise] = field(default_factory=Counter)
    missed: int = 0  # real outages
    detected: list[float] = field(default_factory=list)  # s, of the others

    @property
    def to_detect(self) -> float | None:
        """Seconds to detect a real outage, in the middle of those that were detected."""
        return median(self.detected) if self.detected else None

    def count(self, told: Iterable[Told]) -> None:
        for one in told:
            self.alerts += 1
            self.noisy += bool(one.noise)
            self.noise.update(one.noise)

    def find(self, seconds: float | None) -> None:
        if seconds is None:
            self.missed += 1
        else:
            self.detected.append(seconds)


@dataclass(slots=True)
class Figures:
    """Checks together, or one."""

    today: Side = field(default_factory=Side)
    would_be: Side = field(default_factory=Side)
    stays: int = 0  # of today's: the rest vanishes
    vanishes: int = 0
    new: int = 0  # of those that would be: the rest is kept
    outages: int = 0
    runs: int = 0

    @property
    def kept(self) -> int:
        """Alerts that would be, of those that are told today: several of today's may be one, and one several."""
        return self.would_be.alerts - self.new


def figures(stories: Iterable[Story]) -> Figures:
    """The numbers of some checks."""
    sums = Figures()
    for story in stories:
        sums.runs += story.runs
        sums.today.count(story.today)
        sums.would_be.count(story.would_be)
        sums.stays += len(story.same.stays)
        sums.vanishes += len(story.same.vanishes)
        sums.new += len(story.same.new)
        for found in story.outages:
            sums.outages += 1
            sums.today.find(found.today)
            sums.would_be.find(found.would_be)
    return sums


@dataclass(frozen=True, slots=True)
class Line:
    """One alert of a list that shows both sides, once each."""

    story: Story
    what: str  # STAYS, VANISHES, NEW
    told: Told
    other: Alert | None = None  # what it would be, of one that stays


def lines(story: Story) -> list[Line]:
    """Today's alerts of a check, and those that would be new, by time."""
    matches = dict(story.same.stays)
    new = set(story.same.new)
    found = [
        Line(story, STAYS if one.alert in matches else VANISHES, one, matches.get(one.alert)) for one in story.today
    ]
    found += [Line(story, NEW, one) for one in story.would_be if one.alert in new]
    return sorted(found, key=lambda line: line.told.alert.opened_ms)


def busiest(stories: Sequence[Story]) -> list[Story]:
    """What changes most first; what says nothing last."""

    def weight(story: Story) -> tuple[int, int, int, str]:
        same = story.same
        return -len(same.vanishes) - len(same.new), -len(story.outages), -len(story.today), story.name

    return sorted(stories, key=weight)


def to_json(stories: Sequence[Story], absent: Sequence[str], question: Question) -> Mapping[str, Any]:
    """Everything, for programs. Lengths in seconds, instants in ISO 8601."""
    since_ms, until_ms = question.period
    return {
        "since": instant(since_ms),
        "until": instant(until_ms),
        "totals": _sums(figures(stories)),
        "checks": [_check(story) for story in sorted(stories, key=lambda story: story.name)],
        "without_runs": list(absent),
    }


def _sums(sums: Figures) -> Mapping[str, Any]:
    return {
        "runs": sums.runs,
        "stays": sums.stays,
        "vanishes": sums.vanishes,
        "kept": sums.kept,
        "new": sums.new,
        "outages": sums.outages,
        "today": _side(sums.today),
        "would_be": _side(sums.would_be),
    }


def _side(side: Side) -> Mapping[str, Any]:
    return {
        "alerts": side.alerts,
        "noise": side.noisy,
        "noise_by_kind": {kind.value: side.noise[kind] for kind in Noise},
        "outages_missed": side.missed,
        "median_seconds_to_detect": side.to_detect,
    }


def _check(story: Story) -> Mapping[str, Any]:
    matches = dict(story.same.stays)
    new = set(story.same.new)
    until_ms = story.period[1]
    return {
        "check": story.name,
        "since": instant(story.period[0]),
        **_sums(figures([story])),
        "alerts_today": [
            {"what": STAYS if one.alert in matches else VANISHES, **_alert(one, until_ms)} for one in story.today
        ],
        "alerts_would_be": [
            {"what": NEW if one.alert in new else STAYS, **_alert(one, until_ms)} for one in story.would_be
        ],
        "real_outages": [_outage(found) for found in story.outages],
    }


def _alert(told: Told, until_ms: int) -> Mapping[str, Any]:
    alert = told.alert
    return {
        "opened": instant(alert.opened_ms),
        "bad_since": instant(alert.since_ms),
        "resolved": None if alert.open else instant(alert.resolved_ms),
        "seconds": alert.lasted(until_ms),
        "worst": alert.worst.name,
        "changes": alert.changes,
        "noise": [kind.value for kind in told.noise],
        "reason": alert.reason,
    }


def _outage(found: Found) -> Mapping[str, Any]:
    outage = found.outage
    return {
        "began": instant(outage.first_bad_ms),
        "ended": None if outage.open else instant(outage.first_good_ms),
        "reason": outage.reason,
        "seconds_to_detect_today": found.today,
        "seconds_to_detect_would_be": found.would_be,
    }


def instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
