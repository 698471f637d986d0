"""The five W's and How of an incident, as far as they are known without asking anybody. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from exporters.alerting.incident import Deed, Happening, Incident, Member
from probe.store.casebook import Filed
from probe.store.deliveries import Delivery, Outcome

_FEW = 5
_TOLD = (Outcome.DELIVERED, Outcome.MERGED)


class Dossier(Protocol):
    """An incident with all that happened to it."""

    @property
    def filed(self) -> Filed: ...
    @property
    def happenings(self) -> Sequence[Happening]: ...
    @property
    def deliveries(self) -> Sequence[Delivery]: ...
    @property
    def hold(self) -> str: ...
    @property
    def recurrence(self) -> str: ...


def five_w(dossier: Dossier) -> dict[str, str]:
    """What, when, where, who, why and how, each a line; "" where nothing is known."""
    one, members = dossier.filed.incident, dossier.filed.members
    return {
        "what": _what(one, members),
        "when": _joined(f"{name} {_second(at_ms)}" for name, at_ms in _times(one) if at_ms),
        "where": ", ".join(dict.fromkeys([each.target for each in members if each.target][:_FEW])),
        "who": _who(one, dossier.deliveries),
        "why": _why(dossier),
        "how": _how(one),
    }


def _what(one: Incident, members: Sequence[Member]) -> str:
    names = ", ".join(each.check for each in members[:_FEW])
    more = f" and {len(members) - _FEW} more" if len(members) > _FEW else ""
    stood = f"is {one.level.name}" if one.open else f"was {one.worst.name}"
    return f"{one.subject} {stood}: {one.reason} ({names}{more})"


def _times(one: Incident) -> Iterable[tuple[str, int]]:
    return (
        ("began", one.started_ms or one.opened_ms),
        ("detected", one.detected_ms),
        ("told", one.first_told_ms),
        ("acknowledged", one.first_acked_ms),
        ("ended", one.ended_ms),
    )


def _who(one: Incident, deliveries: Sequence[Delivery]) -> str:
    told = sorted({each.receiver for each in deliveries if each.outcome in _TOLD})
    return _joined(
        (
            one.owner and f"owner {one.owner}",
            one.acked_by and f"acknowledged by {one.acked_by}",
            f"told: {', '.join(told)}" if told else "nobody was told",
            one.impact and f"affected: {one.impact}",
        )
    )


def _why(dossier: Dossier) -> str:
    one = dossier.filed.incident
    changes = dict.fromkeys(each.text for each in dossier.happenings if each.deed is Deed.CHANGE)
    return _joined((one.category, one.cause, *changes, dossier.recurrence)) or "not known yet"


def _how(one: Incident) -> str:
    ended = f"resolved by {one.resolved_by}" if one.resolved_by else "recovered by itself"
    return _joined(
        (
            "found by Probe",
            one.fix and f"mended: {one.fix}",
            "" if one.open else ended,
            one.runbook and f"runbook {one.runbook}",
        )
    )


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def _second(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
