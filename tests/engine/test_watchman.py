"""What Probe says of itself: from which look on, in which words, and when it takes it back."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pytest

from checks.core.base import CheckSpec
from probe.config.load import load
from probe.config.model import Config, Planned, Retention
from probe.config.sources import digest_of
from probe.config.watch import Limits, Watch
from probe.engine.aside import Aside
from probe.engine.latch import Latch
from probe.engine.symptoms import Disk, Sight, Symptom, symptoms
from probe.engine.vitals import BOUNDS, Histogram, Vitals
from probe.engine.watchman import Parts, Watchman
from tests.conftest import FakeClock, settled
from thresholds.base import Level, Policy, State


@dataclass(frozen=True)
class Page:
    """A target of nothing: results come by hand."""

    target: str = "https://shop.example/"
    host: str = "shop.example"

    async def run(self, trace, net) -> None: ...


LIMITS = Limits()
GIB, MIB = 1 << 30, 1 << 20


@pytest.mark.parametrize(
    ("looks", "fires"),
    [
        ([(True, 0)], []),
        ([(True, 0), (True, 119)], []),
        ([(True, 0), (True, 120)], [120]),
        ([(True, 0), (False, 60), (True, 61), (True, 150)], []),  # it was well meanwhile
        ([(True, 0), (None, 60), (True, 120)], [120]),  # it was neither
        ([(True, 0), (None, 120)], []),  # and it is not told while it is neither
        ([(True, 0), (True, 120), (False, 130), (True, 140), (False, 150), (False, 449)], [120]),
        ([(True, 0), (True, 120), (False, 150), (False, 450)], [120, -450]),
        ([(True, 0), (True, 120), (False, 150), (None, 450), (False, 451)], [120, -451]),
    ],
)
def test_it_fires_once_it_has_lasted_and_ends_once_it_has_been_well_for_long(looks, fires):
    latch, told = Latch(), []
    for bad, at in looks:
        before, latch = latch, latch.look(bad, float(at), 120.0, 300.0)
        if latch.firing is not before.firing:
            told.append(at if latch.firing else -at)
    assert told == fires


def lagging(share: float, lag: float, process: str = "service") -> Vitals:
    """A process of whose thousand looks at its loop some were late, in the last seconds."""
    before, now = Histogram(), Histogram()
    for _ in range(5000):
        before.observe(9.0)
        now.observe(9.0)
    for number in range(1000):
        now.observe(lag if number < share * 1000 else 0.0005)
    return Vitals(process, 1, 0, loop_lag=now.counts, before=Vitals(process, 1, 0, loop_lag=before.counts))


def only(sight: Sight, subject: str, limits: Limits = LIMITS) -> Symptom:
    return next(one for one in symptoms(sight, limits) if one.subject == subject)


@pytest.mark.parametrize(
    ("subject", "sight", "bad"),
    [
        ("probing", Sight(silent=61, pace=60), True),
        ("probing", Sight(silent=60, pace=60), False),
        ("probing", Sight(silent=10**6, pace=0), False),  # nothing is to run
        ("absent", Sight(absent={"a": 60.0}), True),
        ("absent", Sight(), False),
        ("absent", Sight(absent={"a": 60.0}, silent=61, pace=60), None),  # that no run ends at all is said already
        ("rollups", Sight(behind=3601.0), True),
        ("rollups", Sight(behind=2000.0), None),
        ("rollups", Sight(behind=120.0), False),
        ("lag", Sight([lagging(0.02, 0.4)]), True),
        ("lag", Sight([lagging(0.01, 0.4)]), None),
        ("lag", Sight([lagging(0.005, 0.4)]), False),
        ("lag", Sight([lagging(0.5, 0.2)]), False),
        ("lag", Sight([lagging(0.0, 0.0), lagging(0.5, 1.0, "worker 1")]), True),
        ("lag", Sight([replace(lagging(0.5, 1.0), ended=True)]), False),
        ("lag", Sight([Vitals("worker 1", 1, 0)]), False),  # it has said nothing yet
        ("schedule", Sight(runs=100, late=6), True),
        ("schedule", Sight(runs=100, late=2, missed=4), True),
        ("schedule", Sight(runs=100, late=5), None),
        ("schedule", Sight(runs=100, late=4), False),
        ("schedule", Sight(runs=2, late=2), False),  # too few to be worth a word
        ("schedule", Sight(missed=3), True),
        ("results", Sight(lost={"the store": 0}), False),
        ("results", Sight(lost={"the store": 7}), True),
        ("workers", Sight(restarts={"worker 1": 5}), True),
        ("workers", Sight(restarts={"worker 1": 2, "worker 2": 3}), True),
        ("workers", Sight(restarts={"worker 1": 4}), None),
        ("workers", Sight(), False),
        ("clock", Sight(jumped=-3600.0), True),
        ("clock", Sight(jumped=2.0), False),
        ("files", Sight([Vitals("service", 1, 0, fds=95, fd_limit=100)]), True),
        ("files", Sight([Vitals("service", 1, 0, fds=80, fd_limit=100)]), None),
        ("files", Sight([Vitals("service", 1, 0, fds=70, fd_limit=100)]), False),
        ("disk", Sight(disk=Disk(511 * MIB)), True),
        ("disk", Sight(disk=Disk(512 * MIB)), None),
        ("disk", Sight(disk=Disk(600 * MIB)), False),
        ("disk", Sight(disk_trouble="nothing within 5 s"), True),
        ("disk", Sight(), None),
        ("history", Sight(disk=Disk(GIB, size=5 * GIB, wanted=4 * GIB)), True),
        ("history", Sight(disk=Disk(GIB, size=4 * GIB, wanted=4 * GIB)), False),
        ("config/file", Sight(stale="it differs"), True),
        ("config/file", Sight(), False),
        ("delivery/chat", Sight(waiting={"chat": 901.0}), True),
        ("delivery/chat", Sight(waiting={"chat": 600.0}), None),
        ("delivery/chat", Sight(waiting={"chat": 0.0}), False),
        ("deadman/hc.example", Sight(unheard={"hc.example": "answered 404"}), True),
        ("deadman/hc.example", Sight(unheard={"hc.example": ""}), False),
    ],
)
def test_a_look_says_how_each_part_stands(subject, sight, bad):
    assert only(sight, subject).bad is bad


LAG = "the loop of worker 2 wakes more than 250 ms late in 2% of all looks"
LATE = "of 100 runs 6 began more than 1 s late, 4 did not begin at all"
DYING = "workers ended 7 times within an hour, most often worker 1; the log says why"
FREE = "are free on the disk of the database, less than 512 MiB"


@pytest.mark.parametrize(
    ("subject", "sight", "reason", "level"),
    [
        ("probing", Sight(silent=75, pace=60), "no run has ended for 1m 15s; one should every 1m or sooner", "DOWN"),
        ("lag", Sight([lagging(0.02, 0.4, "worker 2")]), LAG, "DEGRADED"),
        ("schedule", Sight(runs=96, late=6, missed=4), LATE, "DEGRADED"),
        ("results", Sight(lost={"the store": 7}), "results were dropped: 7 of the store", "DEGRADED"),
        ("results", Sight(lost={"worker 1": 7}), "results were dropped: 7 of worker 1", "DOWN"),
        ("workers", Sight(restarts={"worker 1": 5, "worker 2": 2}), DYING, "DEGRADED"),
        ("clock", Sight(jumped=-3600.0), "the wall clock jumped back by 1h, or the machine was asleep", "DEGRADED"),
        ("clock", Sight(jumped=86400.0), "the wall clock jumped ahead by 1d, or the machine was asleep", "DEGRADED"),
        ("disk", Sight(disk=Disk(200 * MIB)), f"200 MiB {FREE}", "DEGRADED"),
        ("disk", Sight(disk=Disk(100 * MIB)), f"100 MiB {FREE}", "DOWN"),
        ("delivery/chat", Sight(waiting={"chat": 960.0}), "receiver chat has not taken a notice for 16m", "DOWN"),
    ],
)
def test_the_reason_names_what_it_is_and_how_much(subject, sight, reason, level):
    found = only(sight, subject)
    assert (found.reason, found.level.name) == (reason, level)


def test_every_limit_can_be_set():
    limits = Watch.model_validate({"self": {"lag": "1s", "runs": "20%", "disk_free": 0, "files": "50%"}}).limits
    sight = Sight([replace(lagging(0.5, 0.6), fds=60, fd_limit=100)], runs=100, late=10, disk=Disk(0))
    assert {one.subject for one in symptoms(sight, limits) if one.bad} == {"files"}
    assert {one.subject for one in symptoms(sight, LIMITS) if one.bad} == {"lag", "schedule", "disk"}
    assert BOUNDS[8] == 0.5  # 0.6 s lies in the bucket up to 1 s, whose values are over 0.5 s for certain


@dataclass
class Body:
    """What the watchman looks at; the tests make it ill."""

    vitals: list[Vitals] = field(default_factory=lambda: [Vitals("service", 1, 0)])
    runs: int = 0
    paused: frozenset[str] = frozenset()
    dropped: int = 0
    waiting: dict[str, tuple[int, int]] = field(default_factory=dict)
    unheard: dict[str, str] = field(default_factory=dict)
    own: dict[str, State] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    stuck: dict[str, int] = field(default_factory=dict)  # checks that have no further run
    behind: float = 0.0

    def seen(self, check: str) -> int:
        return self.stuck.get(check, self.runs)

    def report(self, subject: str, level: Level, reason: str) -> None:
        self.own[subject] = State(level, reason=reason)
        self.told.append((subject, level.name))

    def parts(self) -> Parts:
        return Parts(
            lambda: self.vitals, lambda: self.runs, lambda: self.paused, lambda: self.dropped, lambda: self.waiting,
            lambda: 0, lambda: self.unheard, lambda: self.own, self.report, self.seen, lambda: self.behind,
        )  # fmt: skip


def configured(folder: Path, **more) -> Config:
    plan = Planned(CheckSpec("a", Page(), 10.0, 5.0), Policy(), "http")
    store = f"sqlite:{folder / 'probe.db'}"
    watch = Watch.model_validate({"self": {"disk_free": 0, **more}})
    return Config(folder / "probe.yml", "i", "127.0.0.1", 0, store, {"a": plan}, watch=watch, retention=Retention())


class Standing:
    """A watchman at work."""

    def __init__(self, clock: FakeClock, config: Config, body: Body | None = None) -> None:
        self.clock, self.body = clock, body or Body()
        self.stirred = 0
        self.watchman = Watchman(config, clock, self.body.parts(), self._stir)
        self.watchman.adopt()
        self.task = asyncio.create_task(self.watchman.run())

    def _stir(self) -> None:
        self.stirred += 1

    async def pass_(self, seconds: int, each: Callable[[], None] = lambda: None) -> None:
        for _ in range(seconds // 5):
            each()
            await self.clock.advance(5.0)
            while self.watchman.aside:  # threads that look at disks answer in real time
                await asyncio.sleep(0.001)
            await settled()

    async def ran(self, seconds: int) -> None:
        def run() -> None:
            self.body.runs += 1

        await self.pass_(seconds, run)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_when_no_run_ends_it_is_told_once_and_taken_back(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path)) as one:
        await one.ran(30)
        assert one.watchman.trouble() == ""
        await one.pass_(55)
        assert one.body.told == []
        await one.pass_(30)
        assert one.body.told == [("probing", "DOWN")]
        assert "no run has ended for" in one.watchman.trouble()
        assert one.stirred == 1
        await one.ran(10)
        assert one.body.told == [("probing", "DOWN"), ("probing", "UP")]
        assert (one.watchman.trouble(), one.stirred) == ("", 2)


async def test_a_check_without_results_is_named_while_others_have_some(clock: FakeClock, tmp_path: Path):
    config = configured(tmp_path)
    slow = Planned(CheckSpec("slow", Page(), 60.0, 5.0), Policy(), "http")
    config = replace(config, checks={**config.checks, "slow": slow})
    async with Standing(clock, config) as one:
        await one.ran(120)
        one.body.stuck = {"slow": 7}
        await one.ran(180)
        assert (one.body.told, one.watchman.absent) == ([], {})  # three intervals are its own
        await one.ran(150)
        assert one.body.told == [("absent", "DEGRADED")]
        assert one.body.own["absent"].reason.startswith("no result of 1 check, which is to run: slow for 4m 3")
        assert one.watchman.trouble() == ""  # what the others say is as good as ever
        one.body.stuck = {}
        await one.ran(120)
        assert one.body.told[-1] == ("absent", "UP")


async def test_a_check_that_never_began_is_absent_too_and_a_paused_one_is_not(clock: FakeClock, tmp_path: Path):
    body = Body(stuck={"a": 0}, paused=frozenset({"b"}))
    config = configured(tmp_path)
    others = {name: Planned(CheckSpec(name, Page(), 10.0, 5.0), Policy(), "http") for name in ("b", "c")}
    async with Standing(clock, replace(config, checks={**config.checks, **others}), body) as one:
        await one.ran(200)
        assert set(one.watchman.absent) == {"a"}
        body.paused, body.stuck = frozenset(), {"a": 0, "b": 5}
        await one.ran(35)
        assert set(one.watchman.absent) == {"a"}  # from its pause on it has its time
        await one.ran(60)
        assert set(one.watchman.absent) == {"a", "b"}


async def test_after_a_silence_of_all_each_check_has_its_time_again(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path)) as one:
        await one.ran(60)
        await one.pass_(600)
        await one.ran(300)
        assert one.body.told == [("probing", "DOWN"), ("probing", "UP")]


def test_of_many_absent_checks_the_longest_silent_are_named():
    sight = Sight(absent={f"shop/{number}": 60.0 + number for number in range(9)})
    reason = only(sight, "absent").reason
    assert reason.startswith("no result of 9 checks, which are to run: shop/8 for 1m 8s, shop/7 for 1m 7s, ")
    assert reason.endswith("shop/4 for 1m 4s and 4 more")


async def test_history_that_is_not_rolled_up_is_told(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path), Body(behind=3500.0)) as one:
        await one.ran(10)
        assert one.body.told == []
        one.body.behind = 3700.0
        await one.ran(10)
        assert one.body.told == [("rollups", "DEGRADED")]
        assert one.body.own["rollups"].reason.startswith("history has waited for 1h 1m to be rolled up")
        one.body.behind = 60.0
        await one.ran(10)
        assert one.body.told[-1] == ("rollups", "UP")


async def test_paused_checks_are_not_waited_for(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path), Body(paused=frozenset("a"))) as one:
        await one.pass_(300)
        assert one.body.told == []


async def test_while_probe_itself_was_stopped_no_run_could_end(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path)) as one:
        await one.ran(10)
        clock._now += 600  # stopped, as by SIGSTOP: the steady clock goes on, and nothing else
        assert one.watchman.trouble() == "Probe does not look after itself any more"
        await one.pass_(5)
        assert (one.body.told, one.watchman.trouble()) == ([], "")
        await one.ran(10)
        assert (one.body.told, one.watchman.trouble()) == ([], "")


async def test_the_clock_that_jumps_is_told_and_counted(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path)) as one:
        await one.ran(10)
        clock.step_wall(1900)
        await one.ran(10)
        assert one.body.told == []
        clock.step_wall(-3_600_000)
        await one.ran(10)
        assert one.body.told == [("clock", "DEGRADED")]
        assert one.body.own["clock"].reason == "the wall clock jumped back by 1h, or the machine was asleep"
        clock.step_wall(3_600_000)  # and again, within the quarter of an hour
        await one.ran(890)
        assert len(one.body.told) == 1
        await one.ran(30)
        assert one.body.told[-1] == ("clock", "UP")
        assert one.watchman.jumps == 2


async def test_a_receiver_that_takes_nothing_is_told_and_one_that_is_gone_is_not(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path, undelivered="2m")) as one:
        one.body.waiting = {"chat": (3, clock.now_ms() - 86_400_000), "mail": (0, 0)}  # owed since before the start
        await one.ran(110)
        assert one.body.told == []
        await one.ran(30)
        assert one.body.told == [("delivery/chat", "DOWN")]
        assert "receiver chat has not taken a notice" in one.watchman.trouble()
        one.body.waiting = {"mail": (0, 0)}
        await one.ran(10)
        assert one.body.told[-1] == ("delivery/chat", "UP")


async def test_a_receiver_that_keeps_up_is_never_told(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path, undelivered="2m")) as one:

        def keep_up() -> None:
            one.body.runs += 1
            one.body.waiting = {"chat": (50, clock.now_ms() - 60_000)}

        await one.pass_(300, keep_up)
        assert one.body.told == []


async def test_results_that_are_dropped_are_told_at_once(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, configured(tmp_path), Body(dropped=40)) as one:
        await one.ran(10)
        assert one.body.told == []  # it was before we looked
        one.body.dropped = 50
        await one.ran(10)
        one.body.vitals = [Vitals("service", 1, 0), Vitals("worker 1", 2, 0, dropped={"slow_reader": 5})]
        await one.ran(10)
        assert one.body.told == [("results", "DEGRADED"), ("results", "DOWN")]
        await one.ran(800)
        assert len(one.body.told) == 2
        await one.ran(120)
        assert one.body.told[-1] == ("results", "UP")


async def test_late_and_missed_runs_are_counted_over_the_last_minute(clock: FakeClock, tmp_path: Path):
    body = Body()
    late = Histogram()
    body.vitals = [Vitals("service", 1, 0, lateness=late.counts)]
    async with Standing(clock, configured(tmp_path, lasts="30s", calm="30s"), body) as one:

        def overrun() -> None:
            body.runs += 10
            body.vitals[0].runs += 10
            late.observe(2.0)

        await one.pass_(20, overrun)
        assert body.told == []
        await one.pass_(30, overrun)
        assert body.told == [("schedule", "DEGRADED")]
        assert body.own["schedule"].reason.endswith("began more than 1 s late, 0 did not begin at all")
        await one.ran(60)
        await one.ran(60)
        assert body.told[-1] == ("schedule", "UP")


async def test_workers_that_die_again_and_again_are_told(clock: FakeClock, tmp_path: Path):
    body = Body(vitals=[Vitals("service", 1, 0), Vitals("worker 1", 2, 0)])
    async with Standing(clock, configured(tmp_path), body) as one:
        await one.ran(10)
        for _ in range(5):  # each lived for long enough to be called well
            body.vitals[1].restarts += 1
            await one.ran(100)
        assert body.told == [("workers", "DEGRADED")]
        clock._now += 3600
        await one.ran(10)
        assert body.told[-1] == ("workers", "UP")


async def test_what_was_firing_before_a_restart_ends_when_it_is_well(clock: FakeClock, tmp_path: Path):
    body = Body(own={"lag": State(Level.DEGRADED), "config": State(Level.DEGRADED), "delivery/gone": State(Level.DOWN)})
    async with Standing(clock, configured(tmp_path, calm="1m"), body) as one:
        await one.ran(50)
        assert body.told == [("delivery/gone", "UP")]
        await one.ran(30)
        assert body.told[1:] == [("lag", "UP")]  # what others say is theirs to take back


async def test_the_space_on_the_disk_is_looked_at(clock: FakeClock, tmp_path: Path):
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize
    async with Standing(clock, configured(tmp_path, disk_free=free * 2)) as one:
        await one.ran(10)
        assert one.body.told == [("disk", "DEGRADED")]


async def test_a_disk_that_is_gone_is_told(clock: FakeClock, tmp_path: Path):
    config = replace(configured(tmp_path, lasts="0s"), store=f"sqlite:{tmp_path / 'gone' / 'probe.db'}")
    async with Standing(clock, config) as one:
        await one.ran(10)
        assert one.body.told == [("disk", "DEGRADED")]
        assert "no such file" in one.body.own["disk"].reason


TEXT = """
include: [checks.d/*.yml]
checks: {a: {tcp: {host: a.example, port: 1}}}
watch: {self: {stale: 1s, disk_free: 0B}}
"""


def written(folder: Path) -> Config:
    (folder / "checks.d").mkdir()
    (folder / "checks.d/b.yml").write_text("checks: {b: {tcp: {host: b.example, port: 1}}}\n")
    (folder / "probe.yml").write_text(TEXT)
    return load(folder / "probe.yml")


@pytest.mark.parametrize(
    ("what", "differs"),
    [
        (lambda folder: (folder / "probe.yml").write_text(TEXT + "# another\n"), True),
        (lambda folder: (folder / "checks.d/b.yml").write_text("checks: {}\n"), True),
        (lambda folder: (folder / "checks.d/c.yml").write_text("checks: {}\n"), True),
        (lambda folder: (folder / "checks.d/b.yml").unlink(), True),
        (lambda folder: (folder / "probe.yml").unlink(), True),
        (lambda folder: (folder / "probe.yml").write_text(TEXT), False),  # saved anew, and the same
        (lambda folder: (folder / "checks.d/notes.txt").write_text("x"), False),
    ],
)
async def test_a_configuration_that_differs_on_disk_is_told(clock: FakeClock, tmp_path: Path, what, differs):
    async with Standing(clock, written(tmp_path)) as one:
        await one.ran(70)
        assert one.body.told == []
        what(tmp_path)
        await one.ran(70)
        assert one.body.told == ([("config/file", "DEGRADED")] if differs else [])


async def test_a_change_that_could_not_be_used_is_told_once(clock: FakeClock, tmp_path: Path):
    async with Standing(clock, written(tmp_path)) as one:
        await one.ran(10)
        (tmp_path / "probe.yml").write_text("checks: {")
        one.body.own["config"] = State(Level.DEGRADED, reason="the configuration cannot be used")
        await one.ran(130)
        assert one.body.told == []


def test_the_files_of_a_configuration_are_those_that_it_came_from(tmp_path: Path):
    config = written(tmp_path)
    assert config.sources is not None
    assert [path.name for path in config.sources.now()] == ["b.yml", "probe.yml"]
    assert config.sources.digest == digest_of(config.sources.now())


async def test_work_that_hangs_holds_up_nobody_and_is_not_begun_twice():
    gate, begun = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def hang() -> int:
        begun.append(1)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return 7

    aside = Aside("hangs", hang)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await aside.ask(0.01)
    assert len(begun) == 1
    gate.set()
    assert await aside.ask(10.0) == 7
