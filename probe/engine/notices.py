"""What a transition tells people: the text-free facts of it, complete enough to be sent again after a restart. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

from checks.core.result import Result
from checks.core.units import format_duration
from exporters.base import Notice, NoticeKind
from probe.config.model import Config, Planned
from thresholds.base import Event, Level, Transition

SELF = "probe/"  # checks of this name are about ourselves; no configured check may have it
_KINDS = {
    Event.OPENED: NoticeKind.OPENED,
    Event.CHANGED: NoticeKind.CHANGED,
    Event.RESOLVED: NoticeKind.RESOLVED,
}
_NONE = Level.UNKNOWN
_UNTOLD = (
    "http.excerpt",
    "tls.sans",
    "tls.serial",
    "tls.fingerprint",
    "timing",
)  # too long or too technical for a page


@dataclass(frozen=True, slots=True)
class About:
    """What people want to know of the subject of a notice, whatever it is."""

    type: str = "self"
    service: str = SELF.rstrip("/")
    owner: str = ""
    runbook: str = ""
    target: str = ""
    page: str = ""  # its path below the address of the pages
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def check(cls, planned: Planned) -> About:
        return cls(
            planned.type,
            planned.service,
            planned.owner,
            planned.runbook,
            planned.spec.check.target,
            f"/checks/{quote(planned.name)}",
            planned.labels,
        )


OURSELVES = About()


def routing_labels(name: str, about: About) -> dict[str, str]:
    """What routes match: the labels of a subject, and its name, service, owner and type."""
    return {**about.labels, "check": name, "service": about.service, "owner": about.owner, "type": about.type}


def make_notice(
    config: Config,
    about: About,
    transition: Transition,
    result: Result,
    redact: Callable[[str], str],
) -> Notice | None:
    """The notice of a transition, or None for one that is told to nobody."""
    kind = _KINDS.get(transition.event)
    if kind is None:
        return None
    resolved = kind is NoticeKind.RESOLVED
    return Notice(
        id=_identity(config.instance, transition),
        kind=kind,
        incident=transition.incident,
        instance=config.instance,
        check=transition.check,
        target=redact(about.target),
        level=transition.after if transition.after.bad and not resolved else transition.worst,
        since_ms=transition.incident_since_ms,
        at_ms=transition.at_ms,
        ended_ms=transition.since_ms if resolved else 0,
        reason=redact(transition.reason),
        service=about.service,
        owner=about.owner,
        runbook=about.runbook,
        link=f"{config.url}{about.page}" if config.url else "",
        labels=about.labels,
        evidence={name: redact(text) for name, text in _evidence(result).items()},
        was=transition.before if kind is NoticeKind.CHANGED and transition.before is not transition.after else _NONE,
    )


def _identity(instance: str, transition: Transition) -> str:
    text = f"{instance}\n{transition.incident}\n{transition.event}\n{transition.at_ms}"
    return "msg_" + sha256(text.encode()).hexdigest()[:24]


def _evidence(result: Result) -> Mapping[str, str]:
    phases = {f"{name} time": format_duration(seconds) for name, seconds in result.phases.items()}
    total = {"total time": format_duration(result.duration)} if result.duration else {}
    facts = {name: str(fact)[:300] for name, fact in result.facts.items() if name not in _UNTOLD}
    return {**total, **phases, **facts}
