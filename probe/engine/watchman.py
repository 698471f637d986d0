"""Watches Probe itself: looks at every part, again and again, and says which is not well as a check `probe/...`.

Waits for nobody, least of all for a disk. Whoever must know whether Probe is well asks `trouble`.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from probe.clock import Clock
from probe.config.model import Config
from probe.config.passive import TYPE as PASSIVE
from probe.config.sources import Signs, Sources, digest_of, signs_of
from probe.engine.absent import Roll
from probe.engine.aside import Aside
from probe.engine.latch import Latch
from probe.engine.symptoms import DEADMAN, DELIVERY, Disk, Sight, Symptom, over, symptoms
from probe.engine.vitals import Vitals
from thresholds.base import Level, State

log = logging.getLogger(__name__)

_EVERY = 5.0  # s between two looks
_TICK = 1.0  # s between two looks at the clock
_MINUTE = 60.0  # s in which runs are counted
_HOUR = 3600.0
_ROLL_CALL = 30.0  # s between two looks at every check: with 20,000 of them one takes 10 ms
_SELDOM = 60.0  # s between two looks at the disk and at the configuration's files
_PATIENCE = 5.0  # s that a disk may take
_BLIND = 60.0  # s without a look after which nothing is known to be well
_PACES = 3  # intervals of the check that runs most often
_OURS = (
    "probing",
    "lag",
    "schedule",
    "results",
    "workers",
    "clock",
    "files",
    "disk",
    "history",
    "config/file",
    "absent",
    "rollups",
)
_VITAL = ("store", "probing", "lag", "unjudged", DELIVERY)  # without these Probe is not well


@dataclass(frozen=True, slots=True)
class Parts:
    """What the watchman looks at, each asked at every look."""

    vitals: Callable[[], Sequence[Vitals]]
    runs: Callable[[], int]  # attempts that ended, since the start
    paused: Callable[[], frozenset[str]]  # checks that do not run
    dropped: Callable[[], int]  # results that the store never got
    waiting: Callable[[], Mapping[str, tuple[int, int]]]  # by receiver: how many notices, Unix ms of the oldest
    size: Callable[[], int]  # bytes of the database
    unheard: Callable[[], Mapping[str, str]]  # pings that fail, and why; "" for those that do not
    own: Callable[[], Mapping[str, State]]  # what has been said of ourselves
    report: Callable[[str, Level, str], None]
    seen: Callable[[str], int]  # Unix ms of the last run of a check; 0: there was none
    behind: Callable[[], float]  # s that history has waited to be rolled up


@dataclass(frozen=True, slots=True)
class _Count:
    """Sums over all processes at an instant of the monotonic clock."""

    at: float
    runs: int
    late: int
    missed: int
    restarts: Mapping[str, int]


class Watchman:
    """One look after the other. `stir` is called whenever Probe ceases to be well, or is well again."""

    def __init__(self, config: Config, clock: Clock, parts: Parts, stir: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self._clock = clock
        self._parts = parts
        self._stir = stir
        self._latches: dict[str, Latch] = {}
        self._told: dict[str, Level] = {}  # what is firing, as it was told at worst
        self._began = self._looked = clock.monotonic()
        self._silent = 0.0  # s of our own looking since a run has ended: while we were stopped ourselves none could
        self._runs = 0
        self._roll = Roll()
        self._called = 0.0  # s of our own looking since the checks were called
        self._absent: Mapping[str, float] = {}
        self._counts: deque[_Count] = deque()
        self._dropped: dict[str, int] | None = None
        self._offset = self._wall_offset()
        self._jumped = 0.0
        self._seldom = 0.0
        self._disk: Disk | None = None
        self._disk_trouble = self._stale = ""
        self._files = _Files()
        self._disks = Aside("disk", self._look_at_disk)
        self._drifts = Aside("sources", lambda: self._files.drift(self._config.sources))
        self.jumps = 0  # of the wall clock, since the start
        self.aside = False  # whether a disk is being waited for

    def configure(self, config: Config) -> None:
        if config.watch.limits != self._config.watch.limits:
            self._counts.clear()  # they are of other limits
        self._config = config
        self._seldom = 0.0

    def adopt(self) -> None:
        """Go on with what was firing before a restart: it ends when it is well."""
        for subject, state in self._parts.own().items():
            if state.level.bad and subject.startswith((*_OURS, DELIVERY, DEADMAN)):
                self._latches[subject] = Latch(firing=True)
                self._told[subject] = state.level

    async def run(self) -> None:
        self._began = self._looked = self._clock.monotonic()
        self._offset, self._runs = self._wall_offset(), self._parts.runs()
        due = self._began
        while True:
            await self._clock.sleep(_TICK)
            self._look_at_clock()
            now = self._clock.monotonic()
            if now >= due:
                due = now + _EVERY
                await self._look_aside(now)
                self.look()

    @property
    def absent(self) -> Mapping[str, float]:
        """The checks that are to run and have no results, and for how many seconds; at most half a minute old."""
        return self._absent

    def trouble(self) -> str:
        """Why Probe is not well, in a line; "" when it is. What cannot be known is not well."""
        if self._clock.monotonic() - self._looked > _BLIND:
            return "Probe does not look after itself any more"
        states = self._parts.own().items()
        wrong = [(name, state) for name, state in states if state.level.bad and name.startswith(_VITAL)]
        return "; ".join(state.reason or name for name, state in wrong[:3])

    def look(self) -> None:
        """Look at everything once, and say what has changed."""
        before = self.trouble()
        now = self._clock.monotonic()
        self._listen(min(now - self._looked, 2 * _EVERY))
        self._looked = now
        sight, limits = self._sight(now), self._config.watch.limits
        for symptom in symptoms(sight, limits):
            self._judge(symptom, now)
        self._drop_gone(
            {f"{DELIVERY}{name}" for name in sight.waiting} | {f"{DEADMAN}{name}" for name in sight.unheard}
        )
        if bool(before) is not bool(self.trouble()):
            self._stir()

    def _judge(self, symptom: Symptom, now: float) -> None:
        subject = symptom.subject
        before = self._latches.get(subject, Latch())
        latch = self._latches[subject] = before.look(symptom.bad, now, symptom.after, symptom.calm)
        if latch.firing:
            level = max(symptom.level if symptom.bad else Level.UNKNOWN, self._told.get(subject, Level.UNKNOWN))
            if level is not self._told.get(subject):
                log.warning("%s", symptom.reason)
                self._parts.report(subject, level, symptom.reason)
            self._told[subject] = level
        elif self._told.pop(subject, None) is not None:
            self._parts.report(subject, Level.UP, "")

    def _drop_gone(self, there: set[str]) -> None:
        """Receivers and pings that are no longer configured."""
        for subject in [name for name in self._latches if name.startswith((DELIVERY, DEADMAN)) and name not in there]:
            del self._latches[subject]
            if self._told.pop(subject, None) is not None:
                self._parts.report(subject, Level.UP, "")

    def _listen(self, passed: float) -> None:
        """Whether a run has ended since the last look."""
        ran = self._parts.runs()
        self._silent = self._silent + passed if ran == self._runs else 0.0
        self._runs = ran
        self._called += passed
        if 0 < self._pace() < self._silent:
            self._roll, self._absent = Roll(), {}  # none could have a result: each gets its time anew
        elif self._called >= _ROLL_CALL:
            config, parts = self._config, self._parts
            self._absent = self._roll.call(config.checks, parts.paused(), parts.seen, self._called)
            self._called = 0.0

    def _sight(self, now: float) -> Sight:
        vitals = self._parts.vitals()
        count = self._count(vitals, now)
        first = next(one for one in self._counts if one.at >= now - _MINUTE)
        hour = self._counts[0]
        jumped, self._jumped = self._jumped, 0.0
        return Sight(
            vitals=vitals,
            silent=self._silent,
            pace=self._pace(),
            runs=count.runs - first.runs,
            late=count.late - first.late,
            missed=count.missed - first.missed,
            lost=self._lost(vitals),
            restarts=_since(hour.restarts, count.restarts),
            waiting=self._waits(now),
            disk=self._disk,
            disk_trouble=self._disk_trouble,
            jumped=jumped,
            stale=self._differs(),
            unheard=self._parts.unheard(),
            absent=self._absent,
            behind=self._parts.behind(),
        )

    def _count(self, vitals: Sequence[Vitals], now: float) -> _Count:
        limit = self._config.watch.limits.late
        count = _Count(
            now,
            sum(one.runs for one in vitals),
            sum(over(one.lateness, limit) for one in vitals),
            sum(one.missed for one in vitals),
            {one.process: one.restarts for one in vitals if one.restarts},
        )
        self._counts.append(count)
        while self._counts[0].at < now - _HOUR:
            self._counts.popleft()
        return count

    def _pace(self) -> float:
        """Within how many seconds a run ends, where all is well; 0 when none is to run."""
        paused, checks = self._parts.paused(), self._config.checks
        probed = (one.spec for name, one in checks.items() if name not in paused and one.type != PASSIVE)
        pace = min((_PACES * spec.every + spec.timeout for spec in probed), default=0.0)
        return max(self._config.watch.limits.silent, pace) if pace else 0.0

    def _lost(self, vitals: Sequence[Vitals]) -> Mapping[str, int]:
        """What was dropped since the last look."""
        sums = {one.process: sum(one.dropped.values()) for one in vitals} | {"the store": self._parts.dropped()}
        before, self._dropped = self._dropped, sums
        return _since(before if before is not None else sums, sums)

    def _waits(self, now: float) -> Mapping[str, float]:
        """How long the oldest notice of every receiver has waited; what was owed before the start, since then."""
        now_ms, here = self._clock.now_ms(), now - self._began
        return {
            name: min(max(0.0, (now_ms - oldest_ms) / 1000), here) if count else 0.0
            for name, (count, oldest_ms) in self._parts.waiting().items()
        }

    def _differs(self) -> str:
        """How the configuration on disk differs; "" while that was said already, as one that cannot be used."""
        said = self._parts.own().get("config")
        return "" if said is not None and said.level.bad else self._stale

    def _look_at_clock(self) -> None:
        offset = self._wall_offset()
        jump = (offset - self._offset) / 1000
        self._offset = offset
        if abs(jump) > self._config.watch.limits.clock:
            self._jumped += jump
            self.jumps += 1
            log.warning("the wall clock jumped by %+.1f s", jump)

    def _wall_offset(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic() * 1000)

    async def _look_aside(self, now: float) -> None:
        """Look at what lies on disks, now and then, as far as it answers."""
        if now < self._seldom:
            return
        self._seldom = now + _SELDOM
        self.aside = True
        try:
            self._disk, self._disk_trouble = await self._disks.ask(_PATIENCE), ""
        except (OSError, TimeoutError) as error:
            self._disk, self._disk_trouble = None, _why(error)
        try:
            self._stale = await self._drifts.ask(_PATIENCE)
        except TimeoutError:
            self._stale = f"the configuration's files cannot be read: nothing within {_PATIENCE:g} s"
        self.aside = False

    def _look_at_disk(self) -> Disk:
        """In a thread of its own."""
        found = os.statvfs(Path(self._config.store.removeprefix("sqlite:")).parent)
        return Disk(found.f_bavail * found.f_frsize, self._parts.size(), self._config.retention.size)


class _Files:
    """Compares what a configuration was read from with what is there. Reads files again only where they changed."""

    def __init__(self) -> None:
        self._signs: Signs = ()
        self._digest = ""

    def drift(self, sources: Sources | None) -> str:
        """What differs, in a line; "" when nothing does. In a thread of its own."""
        if sources is None:
            return ""
        try:
            files = sources.now()
            signs = signs_of(files)
            if signs != self._signs:
                self._signs, self._digest = signs, digest_of(files)
        except OSError as error:
            return f"the configuration's files cannot be read: {_why(error)}"
        if self._digest == sources.digest:
            return ""
        return "the configuration on disk is not the one at work; reload it, or take the change back"


def _why(error: OSError | TimeoutError) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return f"nothing within {_PATIENCE:g} s"


def _since(before: Mapping[str, int], now: Mapping[str, int]) -> Mapping[str, int]:
    return {name: max(0, count - before.get(name, 0)) for name, count in now.items() if count > before.get(name, 0)}
