"""Maintenance at its times: what is on now, what comes, and what a check is under."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from probe.clock import Clock
from probe.config.model import Planned
from probe.store.announced import window_of
from probe.store.base import Announcement, Kind
from probe.web.base import Control
from thresholds.maintenance import Mode, OneOff, Subject, Window
from thresholds.spans import Span

DAY_MS = 86_400_000
FOREVER = 1 << 53  # Unix ms: the end of what nobody has ended
_FARTHEST = 512 * DAY_MS  # on both sides, in search of where a maintenance begins and ends


@dataclass(frozen=True, slots=True)
class Occasion:
    """A maintenance at one of its times, or time that does not count."""

    window: Window
    began_ms: int
    until_ms: int  # 0: no end is in sight
    announced: bool = False  # by people, while the service runs; the configuration's otherwise
    closed_ms: int = 0  # Unix ms when somebody ended it; 0: nobody did
    closed_by: str = ""


@dataclass(frozen=True, slots=True)
class _Worked:
    """What the configuration's maintenance comes to within a span of time."""

    windows: Sequence[Window]
    within: Span
    occasions: Sequence[Occasion]


class Agenda:
    """The maintenance of a service, the configuration's and what people announced."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._worked = _Worked((), (0, 0), ())

    async def now(self) -> list[Occasion]:
        """What is on, by its beginning."""
        now_ms = self._clock.now_ms()
        known = await self._around(now_ms)
        return _sorted(
            one for one in (*known, *self._announced()) if one.began_ms <= now_ms < (one.until_ms or FOREVER)
        )

    async def coming(self, days: int) -> list[Occasion]:
        """What begins within some days, by its beginning."""
        now_ms = self._clock.now_ms()
        windows, end_ms = self._control.maintenance(), now_ms + days * DAY_MS
        found = await asyncio.to_thread(occasions, windows, (now_ms, end_ms)) if windows else []
        return _sorted(one for one in (*found, *self._announced()) if now_ms < one.began_ms < end_ms)

    def past(self) -> list[Occasion]:
        """What people announced that ended, or was ended, within a day; by when it did."""
        now_ms = self._clock.now_ms()
        said = [one for one in self._control.announced() if one.kind is Kind.MAINTENANCE and one.ended_ms]
        over = [(one.closed_ms or one.ended_ms, one) for one in said if one.ended_ms <= now_ms or not lasting(one)]
        return [
            occasion_of(one)
            for at_ms, one in sorted(over, key=lambda pair: (pair[0], pair[1].id))
            if now_ms - DAY_MS < at_ms <= now_ms
        ]

    async def marks(self) -> Marks:
        """What marks the checks that are under maintenance now."""
        return Marks(await self.now())

    async def _around(self, now_ms: int) -> Sequence[Occasion]:
        """The configuration's maintenance of these days. Worked out once a day and for each configuration: a calendar
        of thousands of events takes longer than a page may.
        """
        windows, worked = self._control.maintenance(), self._worked
        if not windows:
            return ()
        if windows is not worked.windows or not worked.within[0] <= now_ms < worked.within[1] - DAY_MS:
            within = now_ms - DAY_MS, now_ms + 2 * DAY_MS
            worked = _Worked(windows, within, await asyncio.to_thread(occasions, windows, within))
            self._worked = worked
        return worked.occasions

    def _announced(self) -> list[Occasion]:
        said = self._control.announced()
        return [occasion_of(one) for one in said if one.kind is Kind.MAINTENANCE and lasting(one)]


class Marks:
    """What marks the checks that are under maintenance: of several the one that pauses, then the one that lasts."""

    def __init__(self, occasions: Iterable[Occasion]) -> None:
        self._occasions = sorted(occasions, key=_weight)

    def of(self, planned: Planned) -> Occasion | None:
        if not self._occasions:
            return None
        subject = Subject(planned.name, planned.service, planned.labels)
        return next((one for one in self._occasions if one.window.covers(subject)), None)


def _weight(occasion: Occasion) -> tuple[bool, int, str]:
    return occasion.window.mode is not Mode.PAUSE, -(occasion.until_ms or FOREVER), occasion.window.name


def _sorted(occasions: Iterable[Occasion]) -> list[Occasion]:
    return sorted(occasions, key=lambda one: (one.began_ms, one.window.name))


def occasions(windows: Iterable[Window], within: Span) -> list[Occasion]:
    """Each maintenance at each of its times that touches a span, whole: from where it begins to where it ends."""
    found = []
    for window in windows:
        spans = window.spans(within)
        for span, reason in zip(spans, window.reasons(spans), strict=True):
            began_ms, until_ms = _whole(window, span, within)
            found.append(Occasion(replace(window, reason=reason), began_ms, until_ms))
    return found


def first_of_each(occasions: Sequence[Occasion], most: int) -> list[tuple[Occasion, int]]:
    """Of each maintenance its first occasions, so many at most, each with how often it is among all of them.

    What a calendar calls by another name is another one.
    """
    often = Counter(map(_alike, occasions))
    seen: Counter[tuple[bool, str, str]] = Counter()
    found = []
    for one in occasions:
        key = _alike(one)
        seen[key] += 1
        if seen[key] <= most:
            found.append((one, often[key]))
    return found


def _alike(occasion: Occasion) -> tuple[bool, str, str]:
    return occasion.announced, occasion.window.name, occasion.window.reason


def _whole(window: Window, span: Span, within: Span) -> Span:
    """A span that may have been cut off, as it is; its end is 0 where none is in sight."""
    if isinstance(window.times, OneOff) and not window.ended:
        began_ms, until_ms = window.times.span
        return began_ms, until_ms if until_ms < FOREVER else 0
    reach, at_ms = DAY_MS, span[0]
    while (span[0] <= within[0] or span[1] >= within[1]) and reach <= _FARTHEST:
        within = within[0] - reach, within[1] + reach
        try:
            span = next(one for one in window.spans(within) if one[0] <= at_ms < one[1])
        except ValueError:  # it comes so often that nobody can follow it so far
            return span[0], 0
        reach *= 8
    return span if span[1] < within[1] else (span[0], 0)


def lasting(announcement: Announcement) -> bool:
    """Whether it takes any time: what is withdrawn, or ended before it began, takes none."""
    return not announcement.ended_ms or announcement.ended_ms > announcement.began_ms


def occasion_of(announcement: Announcement) -> Occasion:
    said = announcement
    return Occasion(
        window_of(said),
        said.began_ms,
        said.ended_ms,
        announced=True,
        closed_ms=said.closed_ms,
        closed_by=said.closed_by,
    )
