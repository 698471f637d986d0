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
        self._asked_ms = -1
        self._asked: tuple[object, object, object] = (None, None, None)  # what the answers go by
        self._answers: dict[str, Sequence[str]] = {}  # to what was asked last, by target

    def people(self, target: str, at_ms: int) -> Sequence[str]:
        """The users whom a target means at an instant."""
        # Thousands of incidents ask the same at once. Shifts begin on full seconds.
        at_ms -= at_ms % 1000
        overrides, feeds = self.overrides(), self.feeds
        by = self.roster, overrides, feeds
        if at_ms != self._asked_ms or any(one is not two for one, two in zip(by, self._asked, strict=True)):
            self._asked_ms, self._asked, self._answers = at_ms, by, {}
        if target not in self._answers:
            found = self.roster.people(target, at_ms, overrides, feeds)
            self._answers[target] = [user.name for user in found]
        return self._answers[target]

    def contacts(self, user: str, severity: Severity) -> Sequence[tuple[str, float]]:
        """The receivers that reach a user, each after so many seconds."""
        known = self.roster.users.get(user)
        return [(way.receiver, way.after) for way in known.ways(severity.value)] if known is not None else []

    def policy(self, name: str) -> EscalationPolicy | None:
        return self.roster.escalations.get(name)
