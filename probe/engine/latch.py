"""When something that comes and goes is told: once it has lasted, and again once it has been well for as long. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latch:
    """How one thing stands, and since when it has looked the other way."""

    firing: bool = False
    since: float | None = None  # on the monotonic clock

    def look(self, bad: bool | None, now: float, after: float, calm: float) -> Latch:
        """As it stands after one more look: bad for `after` seconds it fires, well for `calm` it does not any more.

        `bad` None is neither: between two limits nothing changes.
        """
        if bad is None:
            return self
        if bad is self.firing:
            return Latch(self.firing)
        since = now if self.since is None else self.since
        if now - since >= (after if bad else calm):
            return Latch(bad)
        return Latch(self.firing, since)
