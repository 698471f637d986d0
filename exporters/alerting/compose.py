"""A notice of a case: what its incidents come to, in the form that channels take. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from exporters.alerting.book import worst_first
from exporters.alerting.case import Case, Tell
from exporters.alerting.incident import Incident, Member, Severity
from exporters.base import Notice, NoticeKind
from thresholds.base import Level

_MOST = 12  # lines about checks, or about incidents
_MOST_NUMBERS = 5_000  # incidents that one message lets somebody take


@dataclass(frozen=True, slots=True)
class Told:
    """An incident with what a notice says of it beside."""

    incident: Incident
    members: Sequence[Member] = ()
    recurrence: str = ""
    changes: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()  # incidents that are not told because this one is


@dataclass(frozen=True, slots=True)
class Sender:
    """Who says it: this instance, and where its pages are."""

    instance: str
    url: str = ""

    def link(self, incident: Incident) -> str:
        return f"{self.url}/incidents/{incident.number}" if self.url and incident.number else ""


def compose(case: Case, tell: Tell, told: Sequence[Told], sender: Sender, now_ms: int) -> Notice:
    """The notice of what a case has to tell. `told` are its incidents, those that are open first."""
    lead = told[0]
    single = not case.key and not case.digest
    common = {
        "id": _identity(sender.instance, case, tell.kind),
        "kind": tell.kind,
        "incident": case.id,
        "instance": sender.instance,
        "at_ms": now_ms,
        "whys": {name: why for name, why in tell.receivers.items() if why},
        "was": tell.was if tell.kind is NoticeKind.CHANGED else Level.UNKNOWN,
    }
    make = _of_incident(lead, tell, sender) if single else _of_many(case, told, tell, sender)
    notice = Notice(**{**make, **common})  # type: ignore[arg-type]  # both are fields of a notice
    if tell.unreached or tell.asks:
        what = "nobody could be reached" if tell.unreached else "acknowledge it again, or it goes on"
        return replace(notice, title=f"{notice.subject}: {what}")
    return notice


def bulletin(title: str, text: str, sender: Sender, now_ms: int, *, link: str = "") -> Notice:
    """A notice about no incident. The same words at the same instant are the same notice."""
    identity = "msg_" + sha256(f"{sender.instance}\n{title}\n{text}\n{now_ms}".encode()).hexdigest()[:24]
    return Notice(
        id=identity,
        kind=NoticeKind.BULLETIN,
        incident=f"bulletin@{identity[4:]}",
        instance=sender.instance,
        check="",
        target="",
        level=Level.UNKNOWN,
        since_ms=now_ms,
        at_ms=now_ms,
        ended_ms=now_ms,
        title=title,
        text=text,
        link=link,
    )


def _identity(instance: str, case: Case, kind: NoticeKind) -> str:
    text = f"{instance}\n{case.id}\n{kind}\n{case.count}\n{case.told_ms}"
    return "msg_" + sha256(text.encode()).hexdigest()[:24]


def _level(incident: Incident, tell: Tell) -> Level:
    return incident.worst if tell.kind is NoticeKind.RESOLVED else incident.level


def _of_incident(told: Told, tell: Tell, sender: Sender) -> dict[str, object]:
    incident, members = told.incident, told.members
    bad = [member for member in members if member.bad] or list(members)
    several = len(members) > 1
    lines = [_line(member) for member in worst_first(bad)[:_MOST]] if several else []
    if len(bad) > _MOST:
        lines.append(f"and {len(bad) - _MOST} more")
    if told.silent:
        lines.append(f"not told, because they depend on it: {_few(told.silent)}")
    over = tell.kind is NoticeKind.RESOLVED
    return {
        "check": incident.check,
        "target": incident.target,
        "level": _level(incident, tell),
        "since_ms": incident.spell_ms or incident.opened_ms,
        "ended_ms": incident.ended_ms if over else 0,
        "reason": incident.reason,
        "service": incident.service or incident.subject,
        "owner": incident.owner,
        "runbook": incident.runbook,
        "link": sender.link(incident) or (f"{sender.url}{incident.page}" if sender.url else ""),
        "labels": incident.labels,
        "evidence": incident.seen,
        "number": incident.number,
        "severity": incident.severity.value,
        "title": _title(incident, len(members if over else bad)) if several else "",
        "count": len(members) if over else incident.count,
        "members": tuple(lines),
        "acked_by": incident.acked_by,
        "snoozed_ms": incident.snoozed_ms,
        "resolved_by": incident.resolved_by,
        "again": incident.reopened,
        "recurrence": told.recurrence,
        "changes": told.changes,
        "bridge": incident.bridge,
    }


def _title(incident: Incident, checks: int) -> str:
    return f"{incident.subject}: {checks} checks" if checks > 1 else incident.subject


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _line(member: Member) -> str:
    if not member.bad:
        return f"{member.check} has recovered, was {member.worst.name}"
    return f"{member.level.name} {member.check}: {member.reason}"


def _of_many(case: Case, told: Sequence[Told], tell: Tell, sender: Sender) -> dict[str, object]:
    incidents = [one.incident for one in told]
    live = [one for one in incidents if one.open] or incidents
    worst = max(live, key=lambda one: (one.level, -one.opened_ms))
    subjects = list(dict.fromkeys(one.subject for one in live))
    few = _few(subjects)
    what = "storm of " if case.digest else ""
    over = tell.kind is NoticeKind.RESOLVED
    first = min(incidents, key=lambda one: one.opened_ms)
    severity = max((one.severity for one in live), key=lambda one: one.rank, default=Severity.TICKET)
    lines = [_summary(one) for one in sorted(live, key=lambda one: (-one.level, one.opened_ms))[:_MOST]]
    if len(live) > _MOST:
        lines.append(f"and {len(live) - _MOST} more")
    if 0 < (taken := sum(one.status.held for one in live)) < len(live):
        lines.insert(0, f"{taken} of {len(live)} are taken care of")
    held = {one.acked_by for one in live}
    return {
        # Alertmanager knows an alert by these: they stay the same while it lasts.
        "check": case.check or worst.check,
        "service": case.labels.get("service", ""),
        "owner": case.labels.get("owner", ""),
        "labels": case.labels,
        "target": worst.target if len(live) == 1 else "",
        "level": max(one.worst for one in incidents) if over else worst.level,
        "since_ms": first.opened_ms,
        "ended_ms": max(one.ended_ms for one in incidents) if over else 0,
        "reason": worst.reason,
        "runbook": worst.runbook if all(one.runbook == worst.runbook for one in live) else "",
        "link": f"{sender.url}/incidents" if sender.url else "",
        "evidence": {},
        "number": worst.number if len(live) == 1 else 0,
        "numbers": _to_take(live, tell),
        "severity": severity.value,
        "title": f"{what}{len(live)} incidents: {few}" if len(live) > 1 else few,
        "count": sum(one.count for one in live),
        "members": tuple(lines),
        "acked_by": held.pop() if len(held) == 1 else "",
        "changes": tuple(dict.fromkeys(line for one in told for line in one.changes))[:5],
    }


def _to_take(live: Sequence[Incident], tell: Tell) -> tuple[int, ...]:
    """The incidents that a message lets somebody take as one: none where all are taken, and nobody is reminded."""
    if len(live) < 2 or (all(one.status.held for one in live) and tell.kind is not NoticeKind.REPEATED):
        return ()
    return tuple(one.number for one in live[:_MOST_NUMBERS])


def _summary(incident: Incident) -> str:
    checks = f", {incident.count} checks" if incident.count > 1 else ""
    taken = f", taken by {incident.acked_by}" if incident.acked_by else ""
    return f"#{incident.number} {incident.level.name} {incident.subject}{checks}: {incident.reason}{taken}"
