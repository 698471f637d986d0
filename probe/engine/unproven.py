"""What was bad before the service was started: whether it still is nobody knows until it has run again."""

from __future__ import annotations

from collections.abc import Collection

from exporters.alerting.incident import Incident, Member
from probe.engine.dependence import Dependence, Watched

_LONGEST_MS = 300_000  # that a notice waits for a run
_LOOK_MS = 1_000


class Unproven:
    """Incidents of before the start. What is due of them waits for a run: nobody is woken by what is over already.

    One that had just been detected is taken for proven: whoever is told of it first is not kept waiting.
    """

    def __init__(self, dependence: Dependence) -> None:
        self._dependence = dependence
        self._since: dict[str, int] = {}  # when we began, Unix ms, by incident

    def load(self, incident: str, now_ms: int) -> None:
        self._since[incident] = now_ms

    def until(self, incident: Incident, members: Collection[Member], now_ms: int) -> int:
        """When to look again whether it lasts, Unix ms; 0: that is known, or will not be for long."""
        began_ms = self._since.get(incident.id)
        if began_ms is None:
            return 0
        watched = [one for member in members if member.bad and (one := self._watched(member.check)) is not None]
        spans = [one.planned.spec.every * 1000 for one in watched]
        waits = [span + one.planned.spec.timeout * 1000 for span, one in zip(spans, watched, strict=True)]
        fresh = incident.detected_ms > began_ms - 2 * min(spans, default=0)
        over = now_ms >= began_ms + min(_LONGEST_MS, max(waits, default=0))
        if fresh or over or any(_seen_bad(one, began_ms) for one in watched):
            del self._since[incident.id]
            return 0
        return now_ms + _LOOK_MS

    def shift(self, difference_ms: int) -> None:
        """The wall clock was set: it moves along."""
        self._since = {identity: at_ms + difference_ms for identity, at_ms in self._since.items()}

    def _watched(self, name: str) -> Watched | None:
        """A check that runs by itself: a job that does not ping cannot be asked."""
        watched = self._dependence.watch(name)
        return watched if watched is not None and not watched.planned.passive else None


def _seen_bad(watched: Watched, since_ms: int) -> bool:
    last = watched.last
    return last is not None and last.result.at_ms >= since_ms and last.level.bad
