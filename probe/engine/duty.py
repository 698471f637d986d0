"""Who is on call now: the roster of the configuration, with what people and calendars have said meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from exporters.alerting.incident import Severity
from exporters.oncall.escalation import EscalationPolicy
from exporters.oncall.override import Override
from exporters.oncall.roster import Roster


class Duty:
    """Answers for escalations. `overrides` and `feeds` are asked each time."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.overrides: Callable[[], Sequence[Override]] = tuple
        self.receivers: Callable[[], Collection[str]] = tuple  # the names of those who can be told
        self.feeds: Mapping[str, str] = {}  # the last good text of each calendar, by its key

    def people(self, target: str, at_ms: int) -> Sequence[str]:
        """The users whom a target means at an instant."""
        return [user.name for user in self.roster.people(target, at_ms, self.overrides(), self.feeds)]

    def contacts(self, user: str, severity: Severity) -> Sequence[tuple[str, float]]:
        """The receivers that reach a user, each after so many seconds."""
        known = self.roster.users.get(user)
        return [(way.receiver, way.after) for way in known.ways(severity.value)] if known is not None else []

    def policy(self, name: str) -> EscalationPolicy | None:
        return self.roster.escalations.get(name)
