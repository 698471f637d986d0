"""What has failed before for the same cause, and what was to be done about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from exporters.alerting.incident import Action, Incident

_DAYS = 30
_DAY_MS = 86_400_000
_MOST = 1000  # incidents of one cause that are remembered
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}


class History:
    """Incidents of the last 30 days by subject and cause."""

    def __init__(self) -> None:
        self._by_cause: dict[tuple[str, str], dict[str, Incident]] = {}

    def take(self, incidents: Iterable[Incident]) -> None:
        """Remember incidents as they are now."""
        for incident in incidents:
            for cause in _causes(incident):
                known = self._by_cause.setdefault((incident.subject, cause), {})
                known[incident.id] = incident
                if len(known) > _MOST:
                    del known[next(iter(known))]

    def forget(self, now_ms: int) -> None:
        """Drop what was over 30 days ago and left nothing to do."""
        before_ms = now_ms - _DAYS * _DAY_MS
        for key, known in list(self._by_cause.items()):
            kept = {one.id: one for one in known.values() if one.opened_ms >= before_ms or _to_do(one)}
            if kept:
                self._by_cause[key] = kept
            else:
                del self._by_cause[key]

    def earlier(self, incident: Incident) -> list[Incident]:
        """Incidents of the same subject and cause that began before this one, oldest first."""
        found = {
            other.id: other
            for cause in _causes(incident)
            for other in self._by_cause.get((incident.subject, cause), {}).values()
            if other.id != incident.id and other.opened_ms < incident.opened_ms
        }
        return sorted(found.values(), key=lambda one: one.opened_ms)

    def recurrence(self, incident: Incident) -> str:
        """`5th time in 30 days, last fix open since 2026-11-03 (#12)`; "" for the first time."""
        since_ms = incident.opened_ms - _DAYS * _DAY_MS
        earlier = self.earlier(incident)
        lately = [one for one in earlier if one.opened_ms >= since_ms]
        times = f"{_ordinal(len(lately) + 1)} time in {_DAYS} days" if lately else ""
        undone = next((one for one in reversed(earlier) if _to_do(one)), None)
        if undone is None:
            return times
        action = _to_do(undone)[0]
        day = datetime.fromtimestamp(action.since_ms / 1000, UTC).date()
        return ", ".join(
            part for part in (times, f"last fix open since {day} (#{undone.number}: {action.text})") if part
        )


def _to_do(incident: Incident) -> list[Action]:
    return [action for action in incident.actions if not action.done_ms]


def _causes(incident: Incident) -> tuple[str, ...]:
    """What makes two failures the same on different days: the reason, not the address."""
    return tuple(cause for cause in incident.causes if cause.startswith(("reason:", "depends:", "self:"))) or (
        f"check:{incident.check}",
    )


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else _SUFFIXES.get(number % 10, "th")
    return f"{number}{suffix}"
