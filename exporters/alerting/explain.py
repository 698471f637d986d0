"""Who would hear of a failure, when and why: the decisions made at work, played ahead with nobody acting. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from checks.core.units import format_duration
from exporters.alerting.absence import last_resort
from exporters.alerting.advance import LASTS, advance
from exporters.alerting.case import Case, Line, People, Seen
from exporters.alerting.incident import Incident, routing_labels
from exporters.alerting.rules import Silence, quiet_until, silenced
from exporters.alerting.settings import Settings
from exporters.base import NoticeKind
from exporters.route import Route, Step, chosen, explain

_MOST = 1_000  # looks
_AHEAD_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Hearing:
    """Somebody is told."""

    after: float  # s since the incident was detected
    kind: NoticeKind
    receivers: Mapping[str, str]  # why, by name


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of an incident that nobody acknowledges."""

    incident: Incident
    routes: tuple[Step, ...]
    hearings: tuple[Hearing, ...]
    silence: Silence | None = None
    quiet_ms: int = 0  # Unix ms until which it waits; 0: it does not
    notes: tuple[str, ...] = ()


def foretell(
    incident: Incident,
    routes: Sequence[Route],
    settings: Settings,
    people: People,
    *,
    silences: Sequence[Silence] = (),
    resort: Sequence[str] = (),
    lasts: float = 4 * 3600.0,
) -> Explanation:
    """Play an incident for `lasts` seconds. `resort` are the targets that are told where nobody can be reached."""
    at_ms = incident.detected_ms
    labels = routing_labels(incident)
    steps = explain(routes, labels, incident.worst, at_ms)
    silence = silenced(silences, incident, (), at_ms)
    quiet_ms = quiet_until(settings.quiet, incident, at_ms)
    taken = chosen(routes, labels, incident.worst, at_ms)
    lines = tuple(
        Line(target, route.name, route.wait, route.interval, route.repeat) for route in taken for target in route.to
    )
    known = {line.target for line in lines}
    last = last_resort([one for one in resort if one not in known], "nobody could be reached")
    played = _played(incident, lines, last, people, quiet_ms, round(lasts * 1000)) if silence is None else ([], [])
    hearings, notes = played
    return Explanation(incident, tuple(steps), tuple(hearings), silence, quiet_ms, tuple(notes))


def _played(
    incident: Incident, lines: tuple[Line, ...], last: Sequence[Line], people: People, quiet_ms: int, lasts_ms: int
) -> tuple[list[Hearing], list[str]]:
    began_ms = incident.detected_ms
    now_ms, end_ms = max(began_ms, quiet_ms), max(began_ms, quiet_ms) + min(lasts_ms, _AHEAD_MS)
    case = Case(incident.id, began_ms, (incident.id,), lines)
    hearings: list[Hearing] = []
    notes: dict[str, None] = {}
    repeated: dict[str, float] = {}  # when each receiver is told for the first time that it lasts
    for _ in range(_MOST):
        outcome = advance(case, [Seen(incident)], people, now_ms)
        for tell in outcome.tells:
            if tell.kind is NoticeKind.REPEATED and set(tell.receivers.values()) == {LASTS}:
                repeated |= {name: (now_ms - began_ms) / 1000 for name in tell.receivers if name not in repeated}
            else:
                hearings.append(Hearing((now_ms - began_ms) / 1000, tell.kind, tell.receivers))
        notes |= dict.fromkeys(outcome.notes)
        case = outcome.case
        if outcome.unreached:
            instead = ", ".join(line.target for line in last) or "nobody, unless alerts.self names somebody"
            notes |= {f"nobody is reached by {', '.join(outcome.unreached)}: told in their place is {instead}": None}
            case = replace(case, unreached=True, lines=(*case.lines, *last))
            continue
        if not outcome.wake_ms or outcome.wake_ms > end_ms:
            break
        now_ms = outcome.wake_ms
    again = [
        f"{name} is told again from {format_duration(after)} on, while it lasts" for name, after in repeated.items()
    ]
    return hearings, [*notes, *again]
