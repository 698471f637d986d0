"""Maintenance at work: whom it mutes, whom it pauses, what does not count; planned, or announced meanwhile.

What lies ahead is as the configuration says. What is past is as it was written down then: editing a file does
not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from probe.clock import Clock
from probe.config.model import Planned
from probe.engine.logbook import Logbook, Times
from probe.store.announced import window_of
from probe.store.base import Announcement, Kind
from thresholds.maintenance import Mode, Subject, Window
from thresholds.maintenance import planned as planned_for
from thresholds.spans import Span, Spans, inside, union

_AHEAD = 2 * 86_400_000  # ms for which the times of maintenance are worked out at once
_SOON = 3_600_000  # ms before the end of what is worked out
_BACK = 86_400_000  # ms: results of an hour ago may still come in
_LOOK = 5.0  # s between two looks for what began, at most
_FARTHEST = 31 * 86_400_000  # ms: what began earlier and was not written down is not looked for
_NOTHING: Spans = ()


class Upkeep:
    """The maintenance of a configuration, and what people have announced; asked by check and instant.

    `changed` is called when what is paused changes.
    """

    def __init__(self, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._changed = changed
        self._windows: Sequence[Window] = ()
        self._announced: dict[str, Announcement] = {}
        self._checks: Mapping[str, Planned] = {}
        self._muted: dict[str, Spans] = {}  # only checks that are muted within the horizon
        self._paused: dict[str, Spans] = {}
        self._said: dict[Kind, list[Window]] = {}
        self._logbook = Logbook()
        self._noted_ms: int | None = None  # None: others do the writing
        self._times: Times = ()  # the configuration's, within the horizon
        self._from_ms = self._until_ms = 0
        self._resting: frozenset[str] = frozenset()

    def configure(self, windows: Sequence[Window], checks: Mapping[str, Planned]) -> None:
        """Take another configuration. What the one before planned is noted up to now."""
        self.note()
        self._windows, self._checks = windows, checks
        self._work_out()
        self._look()
        self.note()

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """Take what people announced, and what was noted; one of the same id takes the place of the one before."""
        for announcement in announcements:
            if announcement.kind is Kind.PLANNED:
                self._logbook.take(announcement)
            else:
                self._announced[announcement.id] = announcement
        self._said = {
            kind: [window_of(one) for one in self._announced.values() if one.kind is kind]
            for kind in (Kind.MAINTENANCE, Kind.EXCLUSION)
        }
        self._work_out()
        self._look()

    def announced(self) -> Sequence[Announcement]:
        """What people announced, oldest first."""
        return sorted(self._announced.values(), key=lambda one: (one.began_ms, one.id))

    def windows(self) -> list[Window]:
        """All maintenance that is in force, the file's first."""
        return [*self._windows, *self._said.get(Kind.MAINTENANCE, ())]

    @property
    def noting(self) -> bool:
        return self._noted_ms is not None

    def note_from(self, since_ms: int) -> None:
        """Begin to write down what the configuration planned; of what is under way, and was over meanwhile, what lies
        after an instant: up to then somebody else wrote.
        """
        self._noted_ms = max(since_ms, self._clock.now_ms() - _FARTHEST)
        self.note()

    def note(self) -> None:
        """Write down what began since the last time, and the end of what the configuration has no more."""
        if self._noted_ms is None:
            return
        now_ms = self._clock.now_ms()
        since_ms = min(self._noted_ms, now_ms)
        if now_ms + _SOON >= self._until_ms or now_ms < self._from_ms:
            self._work_out()
        times = self._times
        if since_ms < self._from_ms:  # the service was not running, or the machine was asleep
            times = [(window, window.spans((since_ms, self._until_ms))) for window in self._windows]
        self._logbook.note(times, since_ms, now_ms)
        self._noted_ms = now_ms

    def unkept(self) -> list[Announcement]:
        """What was noted, and is not in the store yet."""
        return self._logbook.unkept()

    def kept(self, record: Announcement) -> None:
        self._logbook.kept(record)

    def forget(self, before_ms: int) -> None:
        """Drop what was noted and was over before an instant."""
        self._logbook.forget(before_ms)

    def until_next(self) -> float:
        """Seconds until maintenance of the configuration begins, a few at most."""
        now_ms = self._clock.now_ms()
        begins = [span[0] for _, spans in self._times for span in spans if span[0] > now_ms]
        return min([_LOOK, *((begin - now_ms) / 1000 for begin in begins)])

    def muted(self, check: str, at_ms: int) -> bool:
        """Whether nobody is told of a check at an instant."""
        if at_ms >= self._until_ms:
            self._work_out()
        spans = self._muted.get(check)
        return spans is not None and inside(spans, at_ms)

    def paused(self) -> frozenset[str]:
        """The checks that do not run now."""
        now_ms = self._clock.now_ms()
        return frozenset(check for check, spans in self._paused.items() if inside(spans, now_ms))

    def of(self, check: str, within: Span) -> tuple[Spans, Spans, Spans]:
        """The time of a check within a span that is planned, paused and excluded."""
        planned, recorded = self._checks.get(check), self._logbook.windows()
        if planned is None or not (self._windows or self._announced or recorded):
            return _NOTHING, _NOTHING, _NOTHING
        subject = Subject(check, planned.service, planned.labels)
        now_ms = self._clock.now_ms()
        parts = (
            (self._said.get(Kind.MAINTENANCE, ()), within),
            (recorded, (within[0], min(within[1], now_ms))),
            (self._windows, (max(within[0], now_ms), within[1])),
        )
        found = [planned_for(windows, subject, part) for windows, part in parts if part[0] < part[1]]
        corrected = planned_for(self._said.get(Kind.EXCLUSION, ()), subject, within)
        excluded = union(span for one in found for span in one.excluded)
        return excluded, union(span for one in found for span in one.paused), corrected.muted

    async def run(self) -> None:
        """Say when what is paused changes."""
        while True:
            await self._clock.sleep(self._pause())
            self._look()

    def _pause(self) -> float:
        """Seconds until the next maintenance that pauses begins or ends, a minute at most."""
        now_ms = self._clock.now_ms()
        edges = [edge for spans in self._paused.values() for span in spans for edge in span if edge > now_ms]
        return min([60.0, *((edge - now_ms) / 1000 for edge in edges)])

    def _look(self) -> None:
        """Notice what began or ended; work out the next days in good time."""
        if self._clock.now_ms() + _SOON >= self._until_ms:
            self._work_out()
        resting = self.paused()
        if resting != self._resting:
            self._resting = resting
            self._changed()

    def _work_out(self) -> None:
        now_ms = self._clock.now_ms()
        horizon = now_ms - _BACK, now_ms + _AHEAD
        self._from_ms, self._until_ms = horizon
        self._muted, self._paused = {}, {}
        times = [(window, window.spans(horizon)) for window in self.windows()]
        self._times = times[: len(self._windows)]
        soon = [(window, spans) for window, spans in times if spans]
        for check, planned in self._checks.items() if soon else ():
            subject = Subject(check, planned.service, planned.labels)
            covering = [(window, spans) for window, spans in soon if window.covers(subject)]
            if covering:
                self._muted[check] = union(span for _, spans in covering for span in spans)
            if paused := union(span for window, spans in covering if window.mode is Mode.PAUSE for span in spans):
                self._paused[check] = paused
