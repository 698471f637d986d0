"""Overrides: for some time somebody is on call in place of, beside, or no more than the schedule says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporters.oncall.shift import Shift, Who, each, merged
from thresholds.spans import Span


@dataclass(frozen=True, slots=True)
class Override:
    """A change of who is on call, for some time. First people are replaced, then removed, then added."""

    start_ms: int
    end_ms: int
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    replace: Mapping[str, str] = field(default_factory=dict)  # who takes over from whom, wherever that one appears
    schedule: str = ""  # whose; "": of every schedule, as for somebody's holidays
    reason: str = ""
    by: str = ""  # who said so

    def __post_init__(self) -> None:
        if self.start_ms >= self.end_ms:
            raise ValueError("an override ends before it begins; write the later instant as its end")

    def concerns(self, schedule: str, within: Span) -> bool:
        return self.schedule in ("", schedule) and self.start_ms < within[1] and self.end_ms > within[0]

    def applied(self, who: Who) -> Who:
        """Who is on call by it, of whom the schedule says."""
        kept = [self.replace.get(name, name) for name in who]
        return tuple(dict.fromkeys([*(name for name in kept if name not in self.remove), *self.add]))


def overridden(shifts: Sequence[Shift], overrides: Sequence[Override], within: Span) -> list[Shift]:
    """Shifts by overrides, one after the other: a later one sees what the earlier ones have made."""
    if not overrides:
        return list(shifts)

    def pick(there: Sequence[Who]) -> Who:
        who = there[0]
        for override, on in zip(overrides, there[1:], strict=True):
            who = override.applied(who) if on else who
        return who

    times = [each([(override.start_ms, override.end_ms)], ("on",)) for override in overrides]
    return merged([shifts, *times], within, pick)
