"""Why nobody is told of an incident now: silences, other incidents that speak for it, dependencies, quiet hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporters.alerting.book import Book
from exporters.alerting.incident import Incident
from exporters.alerting.rules import Silence, inhibited, quiet_until, silenced
from exporters.alerting.settings import Settings
from probe.clock import Clock
from probe.engine.dependence import PREFIX, Dependence

_INHIBITED = "inhibited by "


class Holds:
    """What is held back, and why. `silences` says which there are."""

    def __init__(self, clock: Clock) -> None:
        self.dependence = Dependence(clock)
        self.silences: Callable[[], Sequence[Silence]] = tuple
        self._whys: dict[str, str] = {}  # by incident
        self._sources: tuple[int, list[Incident]] = (-1, [])  # who may speak for others, as of a version of the book

    def __bool__(self) -> bool:
        return bool(self._whys)

    def why(self, identity: str) -> str:
        """As it was decided last; "" for what is told."""
        return self._whys.get(identity, "")

    def held(self) -> list[str]:
        return list(self._whys)

    def keep(self, identity: str, why: str) -> None:
        if why:
            self._whys[identity] = why
        else:
            self._whys.pop(identity, None)

    def renew(self) -> None:
        """Other rules are in force."""
        self._sources = (-1, [])

    def decide(self, incident: Incident, book: Book, settings: Settings, now_ms: int) -> tuple[str, int]:
        """Why nobody is to be told of an incident now, "" where they are; and when to look again, 0: when told to."""
        members = list(book.members(incident.id).values())
        silence = silenced(self.silences(), incident, members, now_ms)
        if silence is not None:
            by = f" by {silence.author}" if silence.author else ""
            return f"silenced{by}: {silence.reason}", silence.ended_ms
        # One that is not told itself speaks for nobody: two that inhibit each other would both be lost.
        speakers = (one for one in self._speakers(book, settings) if not self.why(one.id).startswith(_INHIBITED))
        other = inhibited(settings.inhibitions, incident, speakers)
        if other is not None:
            return f"{_INHIBITED}#{other.number} {other.subject}", 0
        why, until_ms = self.dependence.hold(incident, members, now_ms)
        if why:
            return why, until_ms
        until_ms = quiet_until(settings.quiet, incident, now_ms)
        return ("quiet hours", until_ms) if until_ms else ("", 0)

    def behind(self, incident: Incident, book: Book) -> list[str]:
        """The subjects of what is held back because it depends on an incident."""
        if not self._whys:
            return []
        waiting = (one for one in book.open() if self.why(one.id).startswith(PREFIX))
        return [one.subject for one in waiting if self.dependence.is_on(one, incident)]

    def _speakers(self, book: Book, settings: Settings) -> list[Incident]:
        """Open incidents that a rule lets speak for others."""
        rules = settings.inhibitions
        if rules and self._sources[0] != book.version:
            found = [one for one in book.open() if any(rule.speaks(one) for rule in rules)]
            self._sources = book.version, found
        return self._sources[1] if rules else []
