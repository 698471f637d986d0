"""What is decided in one go, before it is written down."""

from __future__ import annotations

from exporters.alerting.book import Change
from exporters.alerting.case import Case
from exporters.alerting.incident import Happening, Incident, Member
from exporters.base import Notice
from probe.store.base import Act


class Draft:
    """What is decided in one go, with the last word of each incident, check and case."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.members: dict[tuple[str, str], Member] = {}
        self.happenings: list[Happening] = []
        self.cases: dict[str, Case] = {}
        self.notices: list[tuple[Notice, tuple[str, ...]]] = []

    def change(self, change: Change) -> None:
        self.incidents[change.incident.id] = change.incident
        self.members |= {(change.incident.id, member.check): member for member in change.members}
        self.happenings += change.happenings

    def act(self) -> Act | None:
        """All of it, to be written down in one transaction; None where nothing was decided."""
        if not (self.incidents or self.happenings or self.cases or self.notices):
            return None
        members = tuple((identity, member) for (identity, _), member in self.members.items())
        return Act(
            tuple(self.incidents.values()),
            members,
            tuple(self.happenings),
            tuple(self.cases.values()),
            tuple(self.notices),
        )
