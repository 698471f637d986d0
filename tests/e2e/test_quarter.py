"""A quarter of a service of forty checks: what is reported of it, against the same worked out minute by minute.

The outages are known, the clock is ours, hub, judgement and store are real. Then again with the process killed at
instants that nobody chose, and what it had not stored yet lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from zoneinfo import ZoneInfo

import pytest

from checks.core.result import Failure, FailureKind, Result
from probe.config.model import Config, ServicePlan
from probe.engine.hub import Hub
from probe.engine.judgement import Judgement
from probe.engine.records import Records
from probe.store.base import Entry, Store
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.test_hub import planned
from thresholds.base import Policy
from thresholds.calendar import Unit
from thresholds.hours import parse_hours
from thresholds.maintenance import Window
from thresholds.slo import Objective, Period

pytestmark = pytest.mark.e2e

ZONE = ZoneInfo("Australia/Sydney")  # whose clocks change in the middle of it, on 4 October
EVERY = 40  # minutes between two runs
COVERS = EVERY * 3 // 2  # that one speaks for
UNKNOWN, UP, DOWN, EXCUSED = b"\0\1\3\7"
_RANK = {UP: 0, UNKNOWN: 1, DOWN: 2}
FIRST = datetime(2026, 9, 1, tzinfo=ZONE).astimezone(UTC)
LAST = datetime(2026, 12, 1, tzinfo=ZONE).astimezone(UTC)
MINUTES = int((LAST - FIRST).total_seconds()) // 60
START_MS = int(FIRST.timestamp()) * 1000
CHECKS = [f"shop/{number:02}" for number in range(40)]
WORKED_ON = frozenset(CHECKS[:5])  # by a maintenance every Wednesday morning
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
GOALS = (
    Objective("quarterly", 0.99, Period(unit=Unit.QUARTER, zone="Australia/Sydney")),
    Objective("rolling", 0.995, Period(30 * 86_400.0)),
)


def config() -> Config:
    policy = Policy(down_after=(2, 3), up_after=2, memory=8 * 3600.0)
    bases = [planned(name, policy=policy, zone="Australia/Sydney") for name in CHECKS]
    checks = {one.name: replace(one, spec=replace(one.spec, every=EVERY * 60.0)) for one in bases}
    hours = parse_hours("Mon-Fri 08:00-20:00 Australia/Sydney")
    service = ServicePlan(
        "shop", members=tuple(CHECKS), hours=hours, zone="Australia/Sydney", objectives=GOALS, every=EVERY * 60.0
    )
    work = Window("patches", parse_hours("Wed 10:00-12:00 Australia/Sydney"), checks=tuple(WORKED_ON))
    return Config(Path("x"), "t", "127.0.0.1", 0, "", checks, services={"shop": service}, maintenance=(work,))


def outages(random_: random.Random) -> list[tuple[int, int]]:
    """Runs that fail: outages of an hour to a day, and single lost runs, which are none."""
    spells, at = [], random_.randrange(50, 1500)
    while at < MINUTES // EVERY - 100:
        lasts = random_.choice([1, 3, 4, 6, 12, 36])
        spells.append((at, at + lasts))
        at += lasts + random_.randrange(20, 3000)
    return spells


@dataclass
class Truth:
    """What happened, minute by minute, of every check."""

    minutes: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray(MINUTES) for name in CHECKS})

    def run(self, name: str, minute: int, state: int) -> None:
        """A run that was stored: it speaks until the next one, or for as long as it covers."""
        line = self.minutes[name]
        for at in range(minute, min(minute + COVERS, MINUTES)):
            line[at] = state

    def planned(self) -> bytearray:
        """The minutes of the maintenance."""
        return _minutes(lambda local: local.weekday() == 2 and 10 <= local.hour < 12)

    def scope(self) -> bytearray:
        """The minutes of the service hours."""
        return _minutes(lambda local: local.weekday() < 5 and 8 <= local.hour < 20)


def _minutes(holds: Callable[[datetime], bool]) -> bytearray:
    """The minutes of the quarter for which something holds on the wall clock."""
    stamps = (START_MS // 1000 + minute * 60 for minute in range(MINUTES))
    return bytearray(holds(datetime.fromtimestamp(stamp, ZONE)) for stamp in stamps)


async def lived(store: Store, clock: FakeClock, seed: int, kills: int) -> Truth:
    """Three months; the truth of it, and when the runs of each check failed."""
    random_ = random.Random(seed)
    plan = {name: outages(random_) for name in CHECKS}
    failing = {name: {run for first, end in spells for run in range(first, end)} for name, spells in plan.items()}
    short = {name: {first for first, end in spells if end - first == 1} for name, spells in plan.items()}
    deaths = {at: random_.randrange(1, 40) for at in random_.sample(range(200, MINUTES // EVERY - 200), kills)}
    deaths = {at: lasts for at, lasts in deaths.items() if not _near_a_change(plan, at, at + lasts)}
    assert len(deaths) >= kills / 4
    truth, conf = Truth(), config()
    entries: list[Entry] = []
    hub, judgement = await _born(store, clock, conf, entries)
    dead_until = 0
    for number in range(MINUTES // EVERY):
        if number in deaths:
            entries.clear()  # killed: what was not stored is gone
            dead_until = number + deaths[number]
        if number == dead_until and number:
            hub, judgement = await _born(store, clock, conf, entries)
        if number >= dead_until:
            for name in CHECKS:
                bad = number in failing[name]
                hub.emit(Result(name, clock.now_ms(), 0.1, {"connect": 0.1}, failure=REFUSED if bad else None))
        await clock.advance(EVERY * 60)
        if number >= dead_until:
            await judgement.note()
        if number >= dead_until and (number + 1 not in deaths or random_.random() < 0.5):
            for entry in entries:
                name = entry.verdict.result.check
                minute = (entry.verdict.result.at_ms - START_MS) // 60_000
                run = minute // EVERY
                truth.run(name, minute, DOWN if run in failing[name] and run not in short[name] else UP)
            await store.append(entries)
            entries.clear()
    return truth


def _near_a_change(plan: dict[str, list[tuple[int, int]]], first: int, last: int) -> bool:
    """Whether a check goes down or comes back so shortly before a death that nobody could have confirmed it."""
    return any(
        edge - 3 <= at <= edge + 3
        for spells in plan.values()
        for spell in spells
        for edge in spell
        for at in (first, last)
    )


async def _born(store: Store, clock: FakeClock, conf: Config, entries: list[Entry]) -> tuple[Hub, Judgement]:
    judgement = Judgement(store, clock, lambda: None)
    await judgement.configure(conf)
    pasts = await judgement.recall(conf, {})
    states, seen_ms = await store.states(), await store.last_runs()
    hub = Hub(conf, clock, entries.append, lambda _: None, states, {}, seen_ms=seen_ms, pasts=pasts)
    judgement.attach(hub)
    return hub, judgement


def _spells(line: bytearray) -> Iterator[tuple[int, int]]:
    """The outages of a line of minutes: nothing but UP ends one."""
    began = None
    for minute, state in enumerate(line):
        if state == DOWN and began is None:
            began = minute
        elif state == UP and began is not None:
            yield began, minute
            began = None


@pytest.mark.parametrize(("seed", "kills"), [(1, 0), (2, 60)])
async def test_what_is_reported_of_a_quarter_is_what_happened(tmp_path: Path, seed: int, kills: int) -> None:
    clock = FakeClock(START_MS)
    store = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    try:
        truth = await lived(store, clock, seed, kills)
        records = await Records.read(config(), store, clock, START_MS - 86_400_000)
        _checks_are_told_right(records, truth)
        _the_service_is_told_right(records, truth)
        await _budgets_are_told_right(records, store, truth)
    finally:
        await store.close()


def _checks_are_told_right(records: Records, truth: Truth) -> None:
    window = START_MS, START_MS + MINUTES * 60_000
    for name in CHECKS:
        subject, line = records.subject(name), truth.minutes[name]
        assert subject is not None
        found = records.availability(subject, window)
        if name in WORKED_ON:  # only what lies outside of its maintenance counts
            line = bytearray(state for state, at_work in zip(line, truth.planned(), strict=True) if not at_work)
            assert found.planned == 60.0 * (MINUTES - len(line))
        seen = {state: line.count(state) * 60.0 for state in (UNKNOWN, UP, DOWN)}
        assert (found.unknown, found.up, found.down) == (seen[UNKNOWN], seen[UP], seen[DOWN]), name
        if name in WORKED_ON:
            continue
        spells = list(_spells(line))
        merged: list[tuple[int, int]] = []
        for first, end in spells:  # unique failures: less than five intervals apart is one
            if merged and first - merged[-1][1] < 5 * EVERY:
                merged[-1] = merged[-1][0], end
            else:
                merged.append((first, end))
        reliability = records.reliability(subject, window)
        lengths = [(end - first) * 60.0 for first, end in merged]
        assert reliability.mttr.n == len(lengths), name
        assert reliability.mttr.mean == pytest.approx(mean(lengths)), name
        assert reliability.mttr.median == pytest.approx(median(lengths)), name
        assert reliability.mttf.mean == pytest.approx(seen[UP] / len(lengths)), name


def _together(truth: Truth) -> bytearray:
    """The service: down where any check is, else unknown where any check is; EXCUSED where maintenance explains it."""
    at_work = truth.planned()
    lines = [[truth.minutes[name] for name in CHECKS if (name in WORKED_ON) is worked] for worked in (True, False)]
    worked, others = ([_worst(states) for states in zip(*some, strict=True)] for some in lines)
    return bytearray(
        EXCUSED if planned and _RANK[mine] > _RANK[other] else max((mine, other), key=_RANK.__getitem__)
        for mine, other, planned in zip(worked, others, at_work, strict=True)
    )


def _worst(states: tuple[int, ...]) -> int:
    return DOWN if DOWN in states else UNKNOWN if UNKNOWN in states else UP


def _the_service_is_told_right(records: Records, truth: Truth) -> None:
    subject = records.subject("shop")
    assert subject is not None
    found = records.availability(subject, (START_MS, START_MS + MINUTES * 60_000))
    scope, line = truth.scope(), _together(truth)
    seen = {
        state: 60.0 * sum(s == state for s, open_ in zip(line, scope, strict=True) if open_)
        for state in (UNKNOWN, UP, DOWN)
    }
    assert (found.unknown, found.up, found.down) == (seen[UNKNOWN], seen[UP], seen[DOWN])
    assert found.outside == 60.0 * scope.count(0)
    assert found.ratio == pytest.approx(seen[UP] / (seen[UP] + seen[DOWN]))


async def _budgets_are_told_right(records: Records, store: Store, truth: Truth) -> None:
    scope, line = truth.scope(), _together(truth)
    counted = [open_ and state != EXCUSED for state, open_ in zip(line, scope, strict=True)]
    accounts = {one.promise.objective.name: one.standing for one in await records.accounts(store)}
    thirty = range(MINUTES - 30 * 1440, MINUTES)
    october = round((datetime(2026, 10, 1, tzinfo=ZONE).astimezone(UTC) - FIRST).total_seconds()) // 60
    for name, minutes, share in (("rolling", thirty, 0.005), ("quarterly", range(october, MINUTES), 0.01)):
        standing = accounts[name]
        bad = 60.0 * sum(line[minute] == DOWN and counted[minute] for minute in minutes)
        assert standing.bad * standing.slice == pytest.approx(bad), name
        if name == "rolling":  # of a quarter that goes on, what is to come is part of the budget
            allowed = share * 60.0 * sum(counted[minute] for minute in minutes)
            assert standing.allowed * standing.slice == pytest.approx(allowed)
            assert standing.left_ratio == pytest.approx(1 - bad / allowed)
