"""Incidents as plain values that become JSON. docs/api.md documents them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporters.alerting.case import Case
from exporters.alerting.explain import Explanation
from exporters.alerting.incident import Action, Happening, Member
from exporters.alerting.several import Outcome
from probe.store.casebook import Filed
from probe.store.deliveries import Delivery
from probe.web.incident_story import Dossier, five_w
from probe.web.shape import Json, instant, word


def numbers(opened: Iterable[Filed]) -> dict[str, int]:
    """The number of the incident that each failing check is part of, by name."""
    return {member.check: filed.incident.number for filed in opened for member in filed.members if member.bad}


def incident(filed: Filed) -> Json:
    """An incident as a list shows it."""
    one = filed.incident
    return {
        "number": one.number,
        "id": one.id,
        "status": one.status.value,
        "subject": one.subject,
        "service": one.service,
        "owner": one.owner,
        "level": word(one.level),
        "worst": word(one.worst),
        "severity": one.severity.value,
        "opened": instant(one.opened_ms),
        "detected": instant(one.detected_ms),
        "ended": instant(one.ended_ms),
        "reason": one.reason,
        "checks": [member.check for member in filed.members if member.bad or not one.open],
        "acked_by": one.acked_by,
        "acked": instant(one.acked_ms),
        "snoozed_until": instant(one.snoozed_ms),
        "resolved_by": one.resolved_by,
        "reopened": one.reopened,
        "runbook": one.runbook,
        "bridge": one.bridge,
        "labels": dict(one.labels),
    }


def detail(dossier: Dossier) -> Json:
    """All of an incident: its checks, its timeline, what became of its notices, and its five W's."""
    one = dossier.filed.incident
    return {
        **incident(dossier.filed),
        "held": dossier.hold,
        "recurrence": dossier.recurrence,
        "members": [member(each) for each in dossier.filed.members],
        "timeline": [happening(each) for each in dossier.happenings],
        "notices": [delivery(each) for each in dossier.deliveries],
        "category": one.category,
        "cause": one.cause,
        "fix": one.fix,
        "impact": one.impact,
        "actions": [action(each) for each in one.actions],
        "seen": dict(one.seen),
        "five_w": five_w(dossier),
    }


def outcome(one: Outcome) -> Json:
    """What became of one of several incidents that somebody asked for by their numbers."""
    found = one.incident
    return {
        "number": one.number,
        "outcome": one.fate.value,
        "subject": found.subject if found is not None else "",
        "status": found.status.value if found is not None else "",
        "acked_by": found.acked_by if found is not None else "",
        "resolved_by": found.resolved_by if found is not None else "",
    }


def member(one: Member) -> Json:
    return {
        "check": one.check,
        "level": word(one.level),
        "worst": word(one.worst),
        "since": instant(one.since_ms),
        "ended": instant(one.ended_ms),
        "reason": one.reason,
        "target": one.target,
    }


def happening(one: Happening) -> Json:
    return {"at": instant(one.at_ms), "deed": one.deed.value, "who": one.who, "text": one.text, "notice": one.notice}


def delivery(one: Delivery) -> Json:
    return {
        "notice": one.notice.id,
        "kind": one.notice.kind.value,
        "receiver": one.receiver,
        "outcome": one.outcome.value,
        "attempts": one.attempts,
        "at": instant(one.at_ms),
        "error": one.error,
    }


def action(one: Action) -> Json:
    return {
        "id": one.id,
        "text": one.text,
        "owner": one.owner,
        "due": one.due,
        "since": instant(one.since_ms),
        "done": instant(one.done_ms),
        "link": one.link,
    }


def explanation(one: Explanation) -> Json:
    """Who would hear of it, and what would keep it from them."""
    return {
        "at": instant(one.at_ms),
        "check": one.incident.check,
        "level": word(one.incident.level),
        "severity": one.incident.severity.value,
        "with": {name: word(level) for name, level in one.supposed.items()},
        "maintenance": [
            {"name": window.name, "mode": window.mode.value, "by": window.by, "reason": window.reason}
            for window in one.maintenance
        ],
        "maintenance_until": instant(one.muted_ms),
        "silenced": None
        if one.silence is None
        else {"id": one.silence.id, "author": one.silence.author, "reason": one.silence.reason},
        "quiet_until": instant(one.quiet_ms),
        "routes": [
            {"route": step.route.name, "to": list(step.route.to), "taken": step.taken, "why": step.why}
            for step in one.routes
        ],
        "gathered": [row for case in one.cases for row in _gathered(case)],
        "held": [{"after": hold.after, "until": hold.until, "why": hold.why} for hold in one.holds],
        "hears": [
            {"after": hearing.after, "kind": hearing.kind.value, "receiver": name, "why": why}
            for hearing in one.hearings
            for name, why in hearing.receivers.items()
        ],
        "depends_on": [{"name": each.name, "level": word(each.level), "every": each.every} for each in one.supports],
        "inhibited_by": [
            {
                "rule": each.name,
                "source": {
                    label: wanted if isinstance(wanted, str) else list(wanted)
                    for label, wanted in each.rule.source.items()
                },
                "equal": {label: one.label(label) for label in each.rule.equal},
                "checks": list(each.checks),
                "count": each.count,
            }
            for each in one.inhibitors
        ],
        "storm": {"over": one.settings.storm_over, "every": one.settings.storm_every}
        if one.settings.storm_over
        else None,
        "notes": list(one.notes),
    }


def _gathered(case: Case) -> Iterator[Json]:
    """What an incident is told with by each route, and how often; alone where `by` is null and it is no digest."""
    for route, wait, interval, repeat in dict.fromkeys(
        (line.route, line.wait, line.interval, line.repeat) for line in case.lines
    ):
        yield {
            "route": route,
            "by": dict(case.labels) if case.key and not case.digest else None,
            "digest": case.digest,
            "wait": wait,
            "interval": interval,
            "repeat": repeat,
        }
