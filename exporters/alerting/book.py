"""All incidents that are open, and what each transition of a check does to them. Pure: time comes as an argument.

Checks of one service that fail for the same cause are one incident. What comes back within a grace period opens the
incident again that it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checks.core.units import format_duration
from exporters.alerting.incident import USUAL, Action, Deed, Happening, Incident, Member, Severity, Status
from thresholds.base import Event, Level, Transition


@dataclass(frozen=True, slots=True)
class Failing:
    """What is known of a check that fails, beside its transition."""

    subject: str = ""  # its service; "" where it is an incident by itself
    service: str = ""
    owner: str = ""
    runbook: str = ""
    bridge: str = ""
    target: str = ""
    type: str = ""
    page: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[str, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)  # what the run saw, for people
    severities: Mapping[Level, Severity] = field(default_factory=lambda: USUAL)
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an incident, to be written down together."""

    incident: Incident
    happenings: tuple[Happening, ...] = ()
    members: tuple[Member, ...] = ()


class DeedError(Exception):
    """What somebody asked for cannot be done with an incident as it stands. One line."""


class Book:
    """The open incidents, and those that have just ended."""

    def __init__(self, grace: float = 600.0, first: int = 1) -> None:
        """`grace` s: what comes back within it is the same incident. `first` is the number of the next new one."""
        self.grace = grace
        self._next = first
        self._incidents: dict[str, Incident] = {}
        self._members: dict[str, dict[str, Member]] = {}  # by incident and check
        self._of_check: dict[str, str] = {}  # the open incident of each check that is bad
        self._of_cause: dict[tuple[str, str], str] = {}  # by subject and cause
        self.version = 0  # changes whenever an incident does

    # What is there.

    def open(self) -> list[Incident]:
        return [incident for incident in self._incidents.values() if incident.open]

    def get(self, identity: str) -> Incident | None:
        return self._incidents.get(identity)

    def ended(self) -> list[Incident]:
        """Those that were over lately."""
        return [incident for incident in self._incidents.values() if not incident.open]

    def ended_by_people(self) -> list[Incident]:
        """Those that somebody said are over, although checks of them are bad."""
        ended = (one for one in self._incidents.values() if one.resolved_by and not one.open)
        return [one for one in ended if any(self._of_check.get(check) == one.id for check in self._members[one.id])]

    def members(self, identity: str) -> Mapping[str, Member]:
        return self._members.get(identity, {})

    def of_check(self, check: str) -> Incident | None:
        """The open incident that a check is part of, and bad in."""
        return self._incidents.get(self._of_check.get(check, ""))

    def load(self, incident: Incident, members: Iterable[Member]) -> None:
        """Take over what was stored."""
        self._next = max(self._next, incident.number + 1)
        self._members[incident.id] = {member.check: member for member in members}
        self._put(incident)
        for member in self._members[incident.id].values():
            known = self.of_check(member.check)
            if member.bad and (incident.open or (incident.resolved_by and known is None)):
                self._of_check[member.check] = incident.id

    def forget(self, before_ms: int) -> list[str]:
        """Drop what ended before an instant: it is in the store. Their ids."""
        kept = {one.id for one in self.ended_by_people()}
        ended = (one for one in self._incidents.values() if not one.open and one.ended_ms < before_ms)
        gone = [one.id for one in ended if one.id not in kept]
        for identity in gone:
            del self._incidents[identity]
            del self._members[identity]
        self._of_cause = {key: identity for key, identity in self._of_cause.items() if identity in self._incidents}
        return gone

    # What checks do.

    def hear(self, transition: Transition, failing: Failing) -> Change | None:
        """What a transition does; None where it is told to nobody."""
        match transition.event:
            case Event.OPENED | Event.CHANGED:
                return self._bad(transition, failing)
            case Event.RESOLVED:
                return self._good(transition)
            case Event.QUIET:
                return None

    def _bad(self, transition: Transition, failing: Failing) -> Change:
        known = self.of_check(transition.check)
        if known is not None:
            return self._changed(known, transition, failing)
        found = self._same_cause(transition, failing)
        if found is None:
            return self._opened(transition, failing)
        return self._joined(found, transition, failing) if found.open else self._reopened(found, transition, failing)

    def _same_cause(self, transition: Transition, failing: Failing) -> Incident | None:
        subject = failing.subject or transition.check
        for cause in (*failing.causes, f"check:{transition.check}"):
            incident = self._incidents.get(self._of_cause.get((subject, cause), ""))
            if incident is None:
                continue
            if incident.open or transition.at_ms - incident.ended_ms < self.grace * 1000:
                return incident
        return None

    def _opened(self, transition: Transition, failing: Failing) -> Change:
        level = transition.after
        incident = Incident(
            id=self._free(transition),
            number=self._next,
            subject=failing.subject or transition.check,
            opened_ms=transition.incident_since_ms,
            detected_ms=transition.at_ms,
            level=level,
            worst=max(level, transition.worst),
            severity=failing.severities.get(max(level, transition.worst), Severity.TICKET),
            check=transition.check,
            reason=transition.reason,
            causes=failing.causes,
            service=failing.service,
            owner=failing.owner,
            runbook=failing.runbook,
            bridge=failing.bridge,
            type=failing.type,
            target=failing.target,
            page=failing.page,
            labels=failing.labels,
            seen=failing.seen,
            depends_on=failing.depends_on,
        )
        self._next += 1
        return self._entered(incident, transition, failing, Deed.OPENED)

    def _free(self, transition: Transition) -> str:
        """An identity that no incident has: of an outage that goes on after its incident was forgotten, a new one."""
        if transition.event is Event.OPENED and transition.incident not in self._incidents:
            return transition.incident
        return f"{transition.incident}+{transition.at_ms}"

    def _joined(self, incident: Incident, transition: Transition, failing: Failing) -> Change:
        return self._entered(self._with(incident, transition, failing), transition, failing, Deed.JOINED)

    def _reopened(self, incident: Incident, transition: Transition, failing: Failing) -> Change:
        again = replace(
            incident,
            status=Status.TRIGGERED,
            ended_ms=0,
            reopened=incident.reopened + 1,
            spell_ms=transition.incident_since_ms,
            acked_by="",
            acked_ms=0,
            snoozed_ms=0,
            resolved_by="",
            level=Level.UNKNOWN,
            reason=transition.reason,
            check=transition.check,
            target=failing.target,
            seen=failing.seen,
        )
        return self._entered(self._with(again, transition, failing), transition, failing, Deed.REOPENED)

    def _with(self, incident: Incident, transition: Transition, failing: Failing) -> Incident:
        """With one more check. Its labels stay those that it was opened with: Alertmanager knows it by them."""
        severity = failing.severities.get(transition.after, Severity.TICKET)
        worse = transition.after > incident.level
        return replace(
            incident,
            causes=tuple(dict.fromkeys((*incident.causes, *failing.causes)))[:16],
            opened_ms=min(incident.opened_ms, transition.incident_since_ms or incident.opened_ms),
            reason=transition.reason if worse else incident.reason,
            severity=max(incident.severity, severity, key=lambda one: one.rank),
            runbook=incident.runbook or failing.runbook,
            depends_on=tuple(dict.fromkeys((*incident.depends_on, *failing.depends_on))),
        )

    def _entered(self, incident: Incident, transition: Transition, failing: Failing, deed: Deed) -> Change:
        level = transition.after
        member = Member(
            transition.check,
            level,
            transition.incident_since_ms,
            transition.incident,
            transition.reason,
            failing.target,
            max(level, transition.worst),
            causes=failing.causes,
            depends_on=failing.depends_on,
            labels=failing.labels,
        )
        self._members.setdefault(incident.id, {})[member.check] = member
        self._of_check[member.check] = incident.id
        before = self._incidents.get(incident.id)
        said = Happening(incident.id, transition.at_ms, deed, text=f"{member.check} is {level.name}: {member.reason}")
        incident, worse = _woken(before, self._summed(incident), transition.at_ms)
        return Change(self._put(incident), (said, *worse), (member,))

    def _changed(self, incident: Incident, transition: Transition, failing: Failing) -> Change:
        before = self._members[incident.id][transition.check]
        level = transition.after if transition.after.bad else before.level
        member = replace(
            before,
            level=level,
            alarm=transition.incident,
            reason=transition.reason or before.reason,
            worst=max(before.worst, level, transition.worst),
        )
        self._members[incident.id][member.check] = member
        severity = max(incident.severity, failing.severities.get(level, Severity.TICKET), key=lambda one: one.rank)
        reason = member.reason if level >= incident.level or incident.count == 1 else incident.reason
        incident, worse = _woken(
            incident, self._summed(replace(incident, severity=severity, reason=reason)), transition.at_ms
        )
        self._put(incident)
        said = f"{member.check} is {level.name}, was {before.level.name}: {member.reason}"
        if level is before.level:
            said = f"{member.check} is {level.name}: {member.reason}"
        happened = Happening(incident.id, transition.at_ms, Deed.CHANGED, text=said)
        return Change(incident, (happened, *worse), (member,))

    def _good(self, transition: Transition) -> Change | None:
        incident = self.of_check(transition.check)
        if incident is None:
            return None  # somebody has said that it is over, or it was never told
        member = replace(
            self._members[incident.id][transition.check], level=Level.UP, ended_ms=max(transition.since_ms, 1)
        )
        self._members[incident.id][member.check] = member
        del self._of_check[member.check]
        if any(one.bad for one in self._members[incident.id].values()):
            incident = self._put(self._summed(incident))
            left = Happening(incident.id, transition.at_ms, Deed.LEFT, text=f"{member.check} has recovered")
            return Change(incident, (left,), (member,))
        if not incident.open:
            return Change(incident, (), (member,))
        ended = max(one.ended_ms for one in self._members[incident.id].values())
        incident = self._put(replace(incident, status=Status.RESOLVED, ended_ms=ended, snoozed_ms=0))
        seconds = max(0, ended - (incident.spell_ms or incident.opened_ms)) / 1000
        text = f"recovered after {format_duration(float(round(seconds)))}"
        return Change(incident, (Happening(incident.id, transition.at_ms, Deed.RESOLVED, text=text),), (member,))

    def _summed(self, incident: Incident) -> Incident:
        """With what its checks come to."""
        bad = [member for member in self._members[incident.id].values() if member.bad]
        level = max((member.level for member in bad), default=incident.level)
        worst = max([incident.worst, *(member.worst for member in bad)])
        return replace(incident, level=level, worst=worst, count=max(1, len(bad)))

    def _put(self, incident: Incident) -> Incident:
        self._incidents[incident.id] = incident
        self.version += 1
        for cause in (*incident.causes, f"check:{incident.check}"):
            key = incident.subject, cause
            other = self._incidents.get(self._of_cause.get(key, ""))
            if incident.open or other is None or not other.open:  # what is open is not lost for what was
                self._of_cause[key] = incident.id
        return incident

    def shift(self, by_ms: int) -> list[Incident]:
        """The clock was set: what is a length of time from now stays one. Those that it changes."""
        moved = []
        for one in list(self._incidents.values()):
            new = replace(
                one,
                acked_ms=one.acked_ms + by_ms if one.acked_ms else 0,
                snoozed_ms=one.snoozed_ms + by_ms if one.snoozed_ms else 0,
                ended_ms=one.ended_ms + by_ms if one.resolved_by and one.ended_ms else one.ended_ms,
            )
            if new != one:
                moved.append(self._put(new))
        return moved

    # What people do.

    def acknowledge(self, identity: str, who: str, now_ms: int, via: str = "") -> Change:
        """Somebody takes care of it, by a link of the channel `via` perhaps. Raises DeedError where it is over."""
        incident = self._to_do(identity)
        if incident.status is Status.ACKNOWLEDGED and incident.acked_by == who:
            return Change(self._put(replace(incident, acked_ms=now_ms, acked_via=via)))
        incident = replace(
            incident,
            status=Status.ACKNOWLEDGED,
            acked_by=who,
            acked_ms=now_ms,
            acked_via=via,
            first_acked_ms=incident.first_acked_ms or now_ms,
            snoozed_ms=0,
        )
        return self._done(incident, Deed.ACKNOWLEDGED, who, now_ms)

    def unacknowledge(self, identity: str, who: str, now_ms: int, why: str = "") -> Change:
        """Nobody takes care of it any more."""
        incident = self._to_do(identity)
        if not incident.status.held:
            raise DeedError(f"#{incident.number} is not acknowledged")
        incident = replace(incident, status=Status.TRIGGERED, acked_by="", acked_ms=0, snoozed_ms=0)
        return self._done(incident, Deed.UNACKNOWLEDGED, who, now_ms, why)

    def snooze(self, identity: str, who: str, until_ms: int, now_ms: int) -> Change:
        """Put it off until an instant."""
        incident = self._to_do(identity)
        incident = replace(
            incident,
            status=Status.SNOOZED,
            acked_by=who,
            acked_ms=now_ms,
            first_acked_ms=incident.first_acked_ms or now_ms,
            snoozed_ms=until_ms,
        )
        text = f"for {format_duration(max(0.0, float(round((until_ms - now_ms) / 1000))))}"
        return self._done(incident, Deed.SNOOZED, who, now_ms, text)

    def resolve(self, identity: str, who: str, now_ms: int) -> Change:
        """Somebody says that it is over. Checks that are still bad after the grace period open it again."""
        incident = self._to_do(identity)
        incident = replace(incident, status=Status.RESOLVED, ended_ms=now_ms, resolved_by=who, snoozed_ms=0)
        return self._done(incident, Deed.RESOLVED, who, now_ms)

    def again(self, identity: str, now_ms: int) -> Change | None:
        """After the grace period: an incident that somebody ended while checks of it are bad all the same."""
        incident = self._incidents[identity]
        bad = [member for member in self._members[identity].values() if member.bad]
        if incident.open or not incident.resolved_by or not bad:
            return None
        incident = replace(
            incident,
            status=Status.TRIGGERED,
            ended_ms=0,
            reopened=incident.reopened + 1,
            acked_by="",
            acked_ms=0,
        )
        text = f"{incident.resolved_by} resolved it, and {bad[0].check} is still {bad[0].level.name}"
        incident = self._put(self._summed(replace(incident, resolved_by="")))
        return Change(incident, (Happening(identity, now_ms, Deed.REOPENED, text=text),))

    def describe(self, identity: str, who: str, now_ms: int, texts: Mapping[str, str]) -> Change:
        """Say more of it: cause, category, fix, impact. Of one that is over, too."""
        incident = self._any(identity)
        incident = self._kept(replace(incident, **texts))  # type: ignore[arg-type]  # names of text fields, all of them
        text = "; ".join(f"{name}: {value}" for name, value in texts.items())
        return Change(incident, (Happening(identity, now_ms, Deed.CAUSE, who, text),))

    def note(self, identity: str, who: str, now_ms: int, text: str, deed: Deed = Deed.NOTE) -> Change:
        incident = self._any(identity)
        return Change(incident, (Happening(identity, now_ms, deed, who, text),))

    def act(self, identity: str, who: str, now_ms: int, action: Action) -> Change:
        """Add something to be done, or change it by its id."""
        incident = self._any(identity)
        others = [one for one in incident.actions if one.id != action.id]
        incident = self._kept(replace(incident, actions=tuple(sorted([*others, action], key=lambda one: one.id))))
        text = f"{'done' if action.done_ms else 'to do'}: {action.text}"
        return Change(incident, (Happening(identity, now_ms, Deed.ACTION, who, text),))

    def told(self, identity: str, now_ms: int) -> Incident:
        """Somebody was told of it for the first time."""
        incident = self._incidents[identity]
        return self._put(incident if incident.first_told_ms else replace(incident, first_told_ms=now_ms))

    def untold(self, identity: str, why: str) -> Incident:
        """Nobody is told of it from now on, and why; or with "" they are again."""
        return self._put(replace(self._incidents[identity], untold=why))

    def _kept(self, incident: Incident) -> Incident:
        return self._put(incident)

    def _any(self, identity: str) -> Incident:
        incident = self._incidents.get(identity)
        if incident is None:
            raise DeedError(f"there is no incident {identity}")
        return incident

    def check_open(self, identity: str) -> None:
        """Raises DeedError where it is over."""
        self._to_do(identity)

    def _to_do(self, identity: str) -> Incident:
        incident = self._any(identity)
        if not incident.open:
            raise DeedError(f"#{incident.number} is over")
        return incident

    def _done(self, incident: Incident, deed: Deed, who: str, now_ms: int, text: str = "") -> Change:
        return Change(self._put(incident), (Happening(incident.id, now_ms, deed, who, text),))


def _woken(before: Incident | None, after: Incident, at_ms: int) -> tuple[Incident, tuple[Happening, ...]]:
    """An incident that got severer than whoever took it knew is nobody's again."""
    if before is None or not after.status.held or after.severity.rank <= before.severity.rank:
        return after, ()
    woken = replace(after, status=Status.TRIGGERED, acked_by="", acked_ms=0, snoozed_ms=0)
    text = f"it is a {after.severity.value} now"
    return woken, (Happening(after.id, at_ms, Deed.UNACKNOWLEDGED, text=text),)


def worst_first(members: Iterable[Member]) -> Sequence[Member]:
    """Bad ones first, the worst of them first, then by how long they have been."""
    return sorted(members, key=lambda one: (not one.bad, -one.level, one.since_ms, one.check))
