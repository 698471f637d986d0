"""What a transition tells people: the text-free facts of it, complete enough to be sent again after a restart. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from urllib.parse import quote

from checks.core.result import Result
from checks.core.units import format_duration
from exporters.base import Notice, NoticeKind
from probe.config.model import Config, Planned
from thresholds.base import Event, Transition

SELF = "probe/"  # checks of this name are about ourselves; no configured check may have it
_KINDS = {
    Event.OPENED: NoticeKind.OPENED,
    Event.CHANGED: NoticeKind.CHANGED,
    Event.RESOLVED: NoticeKind.RESOLVED,
}
_UNTOLD = (
    "http.excerpt",
    "tls.sans",
    "tls.serial",
    "tls.fingerprint",
    "timing",
)  # too long or too technical for a page


def routing_labels(name: str, planned: Planned | None) -> dict[str, str]:
    """What routes match: the labels of a check, and its name, service, owner and type."""
    if planned is None:
        return {"check": name, "service": SELF.rstrip("/"), "type": "self"}
    own = {"check": name, "service": planned.service, "owner": planned.owner, "type": planned.type}
    return {**planned.labels, **own}


def make_notice(
    config: Config,
    planned: Planned | None,
    transition: Transition,
    result: Result,
    redact: Callable[[str], str],
) -> Notice | None:
    """The notice of a transition, or None for one that is told to nobody."""
    kind = _KINDS.get(transition.event)
    if kind is None:
        return None
    resolved = kind is NoticeKind.RESOLVED
    known = routing_labels(transition.check, planned)
    return Notice(
        id=_identity(config.instance, transition),
        kind=kind,
        incident=transition.incident,
        instance=config.instance,
        check=transition.check,
        target=redact(planned.spec.check.target) if planned else "",
        level=transition.worst if resolved else transition.after,
        since_ms=transition.incident_since_ms,
        at_ms=transition.at_ms,
        ended_ms=transition.since_ms if resolved else 0,
        reason=redact(transition.reason),
        service=known["service"],
        owner=known.get("owner", ""),
        runbook=planned.runbook if planned else "",
        link=f"{config.url}/checks/{quote(transition.check)}" if config.url and planned else config.url,
        labels=planned.labels if planned else {},
        evidence={name: redact(text) for name, text in _evidence(result).items()},
    )


def _identity(instance: str, transition: Transition) -> str:
    text = f"{instance}\n{transition.incident}\n{transition.event}\n{transition.at_ms}"
    return "msg_" + sha256(text.encode()).hexdigest()[:24]


def _evidence(result: Result) -> Mapping[str, str]:
    phases = {f"{name} time": format_duration(seconds) for name, seconds in result.phases.items()}
    total = {"total time": format_duration(result.duration)} if result.duration else {}
    facts = {name: str(fact)[:300] for name, fact in result.facts.items() if name not in _UNTOLD}
    return {**total, **phases, **facts}
