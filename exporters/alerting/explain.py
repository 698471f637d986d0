"""Who would hear of a failure, when and why, and what could keep it from them: what playing it ahead came to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporters.alerting.case import Case
from exporters.alerting.incident import Incident, routing_labels
from exporters.alerting.rules import Inhibition, Silence
from exporters.alerting.settings import Settings
from exporters.base import NoticeKind
from exporters.route import Step
from thresholds.base import Level
from thresholds.maintenance import Window

_NAMED = 20  # of those that could speak for it


@dataclass(frozen=True, slots=True)
class Hearing:
    """Somebody is told."""

    after: float  # s since the instant that was asked about
    kind: NoticeKind
    receivers: Mapping[str, str]  # why, by name


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody is told for a while."""

    after: float  # s since the instant that was asked about
    until: float | None  # likewise; None: as long as it was played
    why: str


@dataclass(frozen=True, slots=True)
class Support:
    """Something that the check depends on: while it is DOWN, nobody is told."""

    name: str  # a check or a service
    level: Level  # that it is supposed to have
    every: float  # s between its runs: the incident waits for the next one


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """A rule by which the incident would not be told while another is open."""

    name: str  # as people say it: "inhibit 1"
    rule: Inhibition
    checks: tuple[str, ...]  # whose incidents could speak for it, the first of them
    count: int  # how many checks there are of that kind


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of an incident that nobody acknowledges."""

    at_ms: int  # the instant that was asked about
    incident: Incident
    routes: tuple[Step, ...]
    hearings: tuple[Hearing, ...]
    silence: Silence | None = None
    quiet_ms: int = 0  # Unix ms until which it waits; 0: it does not
    notes: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    cases: tuple[Case, ...] = ()  # as they began: what it is told with, and how often
    supports: tuple[Support, ...] = ()
    inhibitors: tuple[Inhibitor, ...] = ()
    maintenance: tuple[Window, ...] = ()  # in force then
    muted_ms: int = 0  # Unix ms until which maintenance lets no incident begin; 0: it does not
    settings: Settings = field(default_factory=Settings)
    supposed: Mapping[str, Level] = field(default_factory=dict)  # how else things were said to stand

    def label(self, name: str) -> str:
        """What rules match of it."""
        return routing_labels(self.incident).get(name, "")


def inhibitors(
    rules: Sequence[Inhibition], target: Incident, others: Callable[[], Iterable[Sequence[Incident]]]
) -> list[Inhibitor]:
    """The rules that an incident may fall under. `others` are those that could be: of each check, at each bad level."""
    concerned = [(number, rule) for number, rule in enumerate(rules, 1) if rule.concerns(target)]
    could = [*others()] if concerned else []
    found = []
    for number, rule in concerned:
        speaking = [
            levels[0].check for levels in could if any(rule.speaks(one) and rule.mutes(one, target) for one in levels)
        ]
        found.append(Inhibitor(f"inhibit {number}", rule, tuple(speaking[:_NAMED]), len(speaking)))
    return found
