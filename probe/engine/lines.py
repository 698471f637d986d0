"""How checks stood together over a time: their own record, maintenance and service hours laid over each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probe.engine.chronicle import Chronicle
from probe.engine.upkeep import Upkeep
from thresholds.composite import Rule, compose
from thresholds.hours import Hours
from thresholds.spans import Span
from thresholds.timeline import Edge, Interval


@dataclass(frozen=True, slots=True)
class Lines:
    """Timelines of checks, and of those that make a service."""

    chronicle: Chronicle
    upkeep: Upkeep
    covered: Callable[[str], int]  # until when, in Unix ms, the last run of a check speaks for it; 0: never

    def timeline(self, members: Sequence[str], rule: Rule, hours: Hours | None, window: Span) -> list[Interval]:
        """How they stood at every instant of a window; empty where nobody is asked of."""
        served = hours.spans(window) if hours is not None else None
        lines = []
        for check in members:
            planned, paused, excluded = self.upkeep.of(check, window)
            line = self.chronicle.timeline(
                check,
                window,
                seen_until_ms=self.covered(check),
                hours=served,
                planned=planned,
                paused=paused,
                excluded=excluded,
            )
            lines.append(line)
        return lines[0] if len(lines) == 1 else compose(lines, rule) if lines else []

    def muted(self, members: Sequence[str], at_ms: int) -> bool:
        """Whether all of them that are bad are in maintenance; False where none is."""
        bad = [check for check in members if (edges := self.edges(check)) and edges[-1].level.bad]
        return bool(bad) and all(self.upkeep.muted(check, at_ms) for check in bad)

    def edges(self, check: str) -> Sequence[Edge]:
        """What was decided of a check, in that order."""
        return self.chronicle.edges(check)
