"""Rotations: whose turn it is at an instant. Nothing is remembered: the same rotation gives the same turns for ever.

Handoffs are times on a wall clock. One that never comes, because clocks go forward over it, is when the gap ends; one
that comes twice is the first. Turns are counted on the grid of handoffs, also where a schedule uses only some hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from exporters.oncall.shift import Shift
from thresholds.calendar import local, resolve
from thresholds.spans import Span

LAST_ANCHOR = 28  # every month has this day


class Period(StrEnum):
    """What turns are measured in, on the wall clock."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


LONGEST = {Period.HOUR: 8784, Period.DAY: 366, Period.WEEK: 53, Period.MONTH: 12}  # of one turn: a year or so
_STEPS = {Period.HOUR: timedelta(hours=1), Period.DAY: timedelta(days=1), Period.WEEK: timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants of handoffs, numbered: 0 is at `start`, and they go on without end to both sides of it."""

    start: datetime  # on the wall clock, without a zone
    zone: tzinfo
    every: int = 1
    period: Period = Period.WEEK

    def __post_init__(self) -> None:
        if not 1 <= self.every <= LONGEST[self.period]:
            raise ValueError(f"turns of {self.every} {self.period}s; wanted 1 to {LONGEST[self.period]}")
        if self.start.tzinfo is not None:
            raise ValueError("handoffs begin at a wall clock's time; leave the offset out")
        if self.period is Period.MONTH and self.start.day > LAST_ANCHOR:
            raise ValueError(f"not every month has a day {self.start.day}; begin on one up to {LAST_ANCHOR}")

    def handoff(self, number: int) -> int:
        """Unix ms of a handoff."""
        return resolve(self._shown(number), self.zone)

    def turn(self, at_ms: int) -> int:
        """The number of the turn in which an instant lies: its handoff has been, and the next one has not.

        Guessed from the wall clock, and put right where clocks change: as fast for any instant.
        """
        number = self._guess(local(at_ms, self.zone))
        while self.handoff(number) > at_ms:
            number -= 1
        while self.handoff(number + 1) <= at_ms:
            number += 1
        return number

    def turns(self, within: Span) -> Iterator[tuple[int, Span]]:
        """The turns that touch a span, whole, with their numbers. One that clocks have skipped is none."""
        if within[0] >= within[1]:
            return
        number = self.turn(within[0])
        start_ms = self.handoff(number)
        while start_ms < within[1]:
            end_ms = self.handoff(number + 1)
            if end_ms > start_ms:
                yield number, (start_ms, end_ms)
            number, start_ms = number + 1, end_ms

    def _shown(self, number: int) -> datetime:
        """What the wall clock shows, or would show, at a handoff."""
        if self.period is not Period.MONTH:
            return self.start + _STEPS[self.period] * (self.every * number)
        year, month = divmod(_months(self.start) + self.every * number, 12)
        return self.start.replace(year=year, month=month + 1)

    def _guess(self, shown: datetime) -> int:
        if self.period is not Period.MONTH:
            return (shown - self.start) // (_STEPS[self.period] * self.every)
        return (_months(shown) - _months(self.start)) // self.every


def _months(at: datetime) -> int:
    return at.year * 12 + at.month - 1


@dataclass(frozen=True, slots=True)
class LineUp:
    """Who takes turns, in order, from an instant on; the first of them takes over right then."""

    users: tuple[str, ...]
    grid: Grid
    since_ms: int | None = None  # None: it always was so, and handoff 0 is the first one's

    def turns(self, within: Span) -> Iterator[Shift]:
        """Their turns, clipped to a span."""
        first = self.grid.turn(self.since_ms) if self.since_ms is not None else 0
        for number, (start, end) in self.grid.turns(within) if self.users else ():
            who = self.users[(number - first) % len(self.users)]
            yield Shift(max(start, within[0]), min(end, within[1]), (who,))


@dataclass(frozen=True, slots=True)
class Rotation:
    """People who take turns. A change of the line-up is a new one `since` an instant: what was before stays so."""

    name: str
    line_ups: tuple[LineUp, ...]  # in the order of their `since_ms`; the first has none

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody who ever has a turn."""
        return tuple(dict.fromkeys(user for line_up in self.line_ups for user in line_up.users))

    def turns(self, within: Span) -> list[Shift]:
        """Whose turns a span is made of, in order, clipped to it."""
        found: list[Shift] = []
        ends = [*(line_up.since_ms for line_up in self.line_ups[1:]), None]
        for line_up, until in zip(self.line_ups, ends, strict=True):
            start = within[0] if line_up.since_ms is None else max(within[0], line_up.since_ms)
            end = within[1] if until is None else min(within[1], until)
            found += line_up.turns((start, end))
        return found

    def who(self, at_ms: int) -> tuple[str, ...]:
        """Whose turn it is: one, or nobody where the line-up is empty."""
        return next((turn.who for turn in self.turns((at_ms, at_ms + 1))), ())
