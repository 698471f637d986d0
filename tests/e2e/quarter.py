"""A quarter of a service of forty checks that is lived, and what happened in it, minute by minute.

The outages are known, the clock is ours, hub, judgement and store are real. The process may be killed, at any instant
and around changes, with what it had not stored yet. What is confirmed by the runs that are left is worked out here from
the letters of their outcomes, run by run, not by what judges them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from checks.core.result import Failure, FailureKind, Result
from probe.config.model import Config, ServicePlan
from probe.engine.hub import Hub
from probe.engine.judgement import Judgement
from probe.store.base import Entry, Store
from tests.conftest import FakeClock
from tests.engine.test_hub import planned
from thresholds.base import Policy
from thresholds.calendar import Unit
from thresholds.hours import parse_hours
from thresholds.maintenance import Window
from thresholds.slo import Objective, Period

ZONE = ZoneInfo("Australia/Sydney")  # whose clocks change in the middle of it, on 4 October
EVERY = 40  # minutes between two runs
COVERS = EVERY * 3 // 2  # that one speaks for
MEMORY = 8 * 60  # minutes: runs further apart do not count together
UNKNOWN, UP, DOWN, EXCUSED = b"\0\1\3\7"
_RANK = {UP: 0, UNKNOWN: 1, DOWN: 2}
FIRST = datetime(2026, 9, 1, tzinfo=ZONE).astimezone(UTC)
LAST = datetime(2026, 12, 1, tzinfo=ZONE).astimezone(UTC)
MINUTES = int((LAST - FIRST).total_seconds()) // 60
RUNS = MINUTES // EVERY
START_MS = int(FIRST.timestamp()) * 1000
CHECKS = [f"shop/{number:02}" for number in range(40)]
WORKED_ON = frozenset(CHECKS[:5])  # by a maintenance every Wednesday morning
SLOW = CHECKS[7]  # at times, for eight hours
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
GOALS = (
    Objective("quarterly", 0.99, Period(unit=Unit.QUARTER, zone="Australia/Sydney")),
    Objective("rolling", 0.995, Period(30 * 86_400.0)),
)
OUTAGE = re.compile("b(?:g?b)+")  # two bad of three, and on while there are no two good ones in a row

Spell = tuple[int, int]  # runs, from the first to the one after the last


def config() -> Config:
    policy = Policy(down_after=(2, 3), up_after=2, memory=MEMORY * 60.0)
    bases = [planned(name, policy=policy, zone="Australia/Sydney") for name in CHECKS]
    checks = {one.name: replace(one, spec=replace(one.spec, every=EVERY * 60.0)) for one in bases}
    hours = parse_hours("Mon-Fri 08:00-20:00 Australia/Sydney")
    service = ServicePlan(
        "shop", members=tuple(CHECKS), hours=hours, zone="Australia/Sydney", objectives=GOALS, every=EVERY * 60.0
    )
    work = Window("patches", parse_hours("Wed 10:00-12:00 Australia/Sydney"), checks=tuple(WORKED_ON))
    return Config(Path("x"), "t", "127.0.0.1", 0, "", checks, services={"shop": service}, maintenance=(work,))


def outages(random_: random.Random) -> list[Spell]:
    """Runs that fail: outages of an hour to a day, and single lost runs, which are none."""
    spells, at = [], random_.randrange(50, 1500)
    while at < RUNS - 100:
        lasts = random_.choice([1, 3, 4, 6, 12, 36])
        spells.append((at, at + lasts))
        at += lasts + random_.randrange(20, 3000)
    return spells


def confirmed(runs: Sequence[tuple[int, bool]]) -> list[int]:
    """How a check is known to be at each of its runs, (minute, bad), in order."""
    states: list[int] = []
    down = False
    for text in _stretches(runs):
        part, at = [UP] * len(text), 0
        while True:
            if not down:
                if (found := OUTAGE.search(text, at)) is None:
                    break
                at, down = found.start(), True
                ends = text.find("gg", found.end())
            else:
                ends = text.find("gg")
            down = ends < 0
            part[at : len(text) if down else ends] = [DOWN] * ((len(text) if down else ends) - at)
            if down:
                break
            at = ends
        states += part
    return states


def _stretches(runs: Sequence[tuple[int, bool]]) -> Iterator[str]:
    """Runs as letters, those together that count together."""
    text, before = "", 0
    for minute, bad in runs:
        if text and minute - before > MEMORY:
            yield text
            text = ""
        text, before = text + ("b" if bad else "g"), minute
    if text:
        yield text


@dataclass
class Truth:
    """What was stored of every check's runs, and what that comes to in minutes."""

    runs: dict[str, list[tuple[int, bool]]] = field(default_factory=lambda: {name: [] for name in CHECKS})

    def text(self, name: str) -> str:
        """The runs of a check as letters."""
        return "".join("b" if bad else "g" for _, bad in self.runs[name])

    def line(self, name: str, first: int = 0, last: int = MINUTES) -> bytearray:
        """How a check stood in each minute: a run speaks until the next one, or for as long as it covers."""
        line = bytearray(last - first)
        runs = self.runs[name]
        for (minute, _), state in zip(runs, confirmed(runs), strict=True):
            if minute + COVERS > first:
                begin, end = max(minute - first, 0), max(0, min(minute + COVERS, last) - first)
                line[begin:end] = bytes([state]) * (end - begin)
        return line

    def together(self, first: int = 0, last: int = MINUTES) -> bytearray:
        """The service: down where any check is, else unknown where any is; EXCUSED where maintenance explains it."""
        lines = {name: self.line(name, first, last) for name in CHECKS}
        worked, others = (
            [
                _worst(states)
                for states in zip(*(lines[name] for name in CHECKS if (name in WORKED_ON) is at), strict=True)
            ]
            for at in (True, False)
        )
        return bytearray(
            EXCUSED if planned and _RANK[mine] > _RANK[other] else max((mine, other), key=_RANK.__getitem__)
            for mine, other, planned in zip(worked, others, at_work()[first:last], strict=True)
        )


def _worst(states: tuple[int, ...]) -> int:
    return DOWN if DOWN in states else UNKNOWN if UNKNOWN in states else UP


@cache
def at_work() -> bytearray:
    """The minutes of the maintenance."""
    return _minutes(lambda local: local.weekday() == 2 and 10 <= local.hour < 12)


@cache
def open_hours() -> bytearray:
    """The minutes of the service hours."""
    return _minutes(lambda local: local.weekday() < 5 and 8 <= local.hour < 20)


def _minutes(holds: Callable[[datetime], bool]) -> bytearray:
    """The minutes of the quarter for which something holds on the wall clock."""
    stamps = (START_MS // 1000 + minute * 60 for minute in range(MINUTES))
    return bytearray(holds(datetime.fromtimestamp(stamp, ZONE)) for stamp in stamps)


class Life:
    """Three months of it. `looked` is called now and then, when all that was seen is stored."""

    def __init__(self, store: Store, clock: FakeClock, seed: int, kills: int) -> None:
        self.store, self.clock, self.conf = store, clock, config()
        self.truth = Truth()
        self.entries: list[Entry] = []
        self.looked: Callable[[Judgement, Truth, int], None] = lambda _judgement, _truth, _minute: None
        self._random = random.Random(seed)
        self.plan = {name: outages(self._random) for name in CHECKS}
        self.slow = [(at, at + 12) for at in range(150, RUNS - 100, 300)]  # runs of SLOW
        self._failing = {name: {run for spell in spells for run in range(*spell)} for name, spells in self.plan.items()}
        self._sluggish = {run for spell in self.slow for run in range(*spell)}
        self.deaths = self._drawn(kills)

    def _drawn(self, kills: int) -> dict[int, int]:
        """The runs before which the process is killed, and how many it is gone for: half of them around changes."""
        edges = [edge for spells in self.plan.values() for spell in spells for edge in spell if 200 < edge < RUNS - 200]
        near = [edge + self._random.randint(-3, 3) for edge in self._random.sample(edges, kills // 2)]
        anywhere = self._random.sample(range(200, RUNS - 200), kills - kills // 2)
        return {at: self._random.choice([1, 2, 3, 5, self._random.randrange(1, 40)]) for at in (*near, *anywhere)}

    def near_changes(self) -> int:
        """How many deaths, or the starts after them, lie within three runs of a change of some check."""
        edges = {edge for spells in self.plan.values() for spell in spells for edge in spell}
        ends = [(at, at + lasts) for at, lasts in self.deaths.items()]
        return sum(any(edge + off in span for edge in edges for off in range(-3, 4)) for span in ends)

    async def live(self) -> Truth:
        dead_until = 0
        hub, judgement = await self._born()
        for number in range(RUNS):
            if number in self.deaths:
                self.entries.clear()  # killed: what was not stored is gone
                dead_until = max(dead_until, number + self.deaths[number])
            if number == dead_until and number:
                hub, judgement = await self._born()
            if number >= dead_until:
                for name in CHECKS:
                    hub.emit(self._run(name, number))
            await self.clock.advance(EVERY * 60)
            if number >= dead_until:
                await judgement.note()
                if number + 1 not in self.deaths or self._random.random() < 0.5:
                    await self._stored()
                    self._look(judgement, number)
        return self.truth

    def _run(self, name: str, number: int) -> Result:
        took = round(
            0.1 * self._random.lognormvariate(0, 0.1) * (6 if name == SLOW and number in self._sluggish else 1), 6
        )
        failure = REFUSED if number in self._failing[name] else None
        return Result(name, self.clock.now_ms(), took, {"connect": took}, failure=failure)

    async def _stored(self) -> None:
        for entry in self.entries:
            result = entry.verdict.result
            self.truth.runs[result.check].append(((result.at_ms - START_MS) // 60_000, result.failure is not None))
        await self.store.append(self.entries)
        self.entries.clear()

    def _look(self, judgement: Judgement, number: int) -> None:
        """More often while something fails, or has just failed."""
        minute = (number + 1) * EVERY
        failing = any(number - back in self._failing[name] for name in CHECKS for back in (0, 2, 5))
        if number > 200 and self._random.random() < (0.06 if failing else 0.01):
            self.looked(judgement, self.truth, minute)

    async def _born(self) -> tuple[Hub, Judgement]:
        judgement = Judgement(self.store, self.clock, lambda: None)
        await judgement.configure(self.conf)
        pasts = await judgement.recall(self.conf, {})
        states, seen_ms = await self.store.states(), await self.store.last_runs()
        hub = Hub(self.conf, self.clock, self.entries.append, lambda _: None, states, seen_ms=seen_ms, pasts=pasts)
        judgement.attach(hub)
        return hub, judgement
