"""The rows that decisions about incidents become. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporters.alerting.case import Case
from exporters.alerting.incident import Happening, Incident, Member
from probe.store.base import Act, Spent
from probe.store.rows import Row
from probe.store.texts import to_json, to_text


class ActRows:
    """The rows that decisions become. Of each incident, check and case the last word counts."""

    def __init__(self) -> None:
        self._incidents: dict[str, Incident] = {}
        self._members: dict[tuple[str, str], Member] = {}
        self._happenings: list[Row] = []
        self._cases: dict[str, Case] = {}
        self._spent: list[Spent] = []

    def add(self, act: Act) -> None:
        for incident in act.incidents:
            self._incidents[incident.id] = incident
        for identity, member in act.members:
            self._members[identity, member.check] = member
        self._happenings += [_happening_row(one) for one in act.happenings]
        for case in act.cases:
            self._cases[case.id] = case
        self._spent += act.spent

    def changes(self) -> Iterable[tuple[str, Sequence[Row]]]:
        """Statements by name, and the values of each time that it is run."""
        yield "set_incident", [_incident_row(one) for one in self._incidents.values()]
        yield "set_member", [_member_row(identity, one) for (identity, _), one in self._members.items()]
        yield "add_happening", self._happenings
        yield (
            "set_case",
            [(to_text(one.id), one.opened_ms, to_json(one)) for one in self._cases.values() if not one.ended],
        )
        yield "end_case", [(to_text(one.id),) for one in self._cases.values() if one.ended]
        yield "forget_links", [(one.at_ms,) for one in self._spent[-1:]]
        yield "use_link", [(one.digest, one.expires_ms) for one in self._spent]


def _incident_row(incident: Incident) -> Row:
    return (
        to_text(incident.id),
        incident.number,
        to_text(incident.subject),
        incident.opened_ms,
        incident.ended_ms,
        to_json(incident),
    )


def _member_row(identity: str, member: Member) -> Row:
    return to_text(identity), to_text(member.check), member.ended_ms, to_json(member)


def _happening_row(one: Happening) -> Row:
    return to_text(one.incident), one.at_ms, one.deed.value, to_text(one.who), to_text(one.text), to_text(one.notice)
