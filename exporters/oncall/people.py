"""People who can be told: by which ways, and after how long. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from thresholds.base import Level

SEVERITIES = ("log", "ticket", "page")  # the least first


def urgency(severity: str) -> int:
    """How urgent, counted from 0. Where nothing is said it is a page: better told once too often than not at all."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES) - 1


def personal(user: str, receiver: str) -> str:
    """What the receiver is called that reaches one person: `ana/mail`."""
    return f"{user}/{receiver}"


@dataclass(frozen=True, slots=True)
class ContactRule:
    """One way to a person, taken so long after they are first told, from a severity and a level on."""

    by: str  # the receiver that it goes by
    after: float = 0.0  # s
    severity: str = SEVERITIES[0]
    level: Level = Level.DEGRADED

    def applies(self, severity: str, level: Level) -> bool:
        return urgency(severity) >= urgency(self.severity) and level >= self.level


@dataclass(frozen=True, slots=True)
class Way:
    """A receiver of one person, and the seconds after which it is told."""

    receiver: str  # "ana/mail"
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class User:
    """One person, or one desk."""

    name: str
    full_name: str = ""
    zone: str = "UTC"
    contacts: Mapping[str, str] = field(default_factory=dict, repr=False)  # addresses by receiver; some are secrets
    rules: tuple[ContactRule, ...] = ()

    @property
    def shown(self) -> str:
        """What people call them."""
        return self.full_name or self.name

    def ways(self, severity: str, level: Level = Level.DOWN) -> tuple[Way, ...]:
        """How they are told of something, the soonest first. Without rules of their own: by every contact, at once."""
        rules = self.rules or tuple(ContactRule(by) for by in self.contacts)
        taken = [rule for rule in rules if rule.by in self.contacts and rule.applies(severity, level)]
        ways = [Way(personal(self.name, rule.by), rule.after) for rule in taken]
        return tuple(sorted(ways, key=lambda way: way.after))
