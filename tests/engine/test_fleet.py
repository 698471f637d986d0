"""Workers that die, hang and lie, and a fleet that goes on. Real processes."""

import asyncio
import itertools
import os
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Result
from checks.http import Http
from checks.tcp import Tcp
from probe.clock import SystemClock
from probe.engine.orders import Rules
from probe.engine.place import Ears
from probe.engine.probing import Probing
from probe.engine.schedule import grid
from probe.engine.shard import shard_of
from probe.engine.vitals import Vitals
from tests.servers import Served, answering, free_port, response, serving, silent
from thresholds.base import Level

EVERY = 0.25  # s
BY_HOST = Rules(concurrent=100)  # all checks of a host are in one worker


class Lab:
    """Probing with workers, and all that was heard of them."""

    def __init__(self, site: Served) -> None:
        self.site = site
        self.results: list[Result] = []
        self.reports: list[tuple[str, Level, str]] = []
        self.last_ms: dict[str, int] = {}
        ears = Ears(self.take, lambda *said: self.reports.append(said), lambda name: self.last_ms.get(name, 0))
        self.probing = Probing(SystemClock(), ears)

    def take(self, result: Result) -> None:
        self.results.append(result)
        self.last_ms[result.check] = result.at_ms

    def specs(self, count: int, every: float = EVERY) -> list[CheckSpec]:
        return [CheckSpec(f"c{n}", Http(url=self.site.url(f"/{n}")), every, 2.0) for n in range(count)]

    async def plan(self, specs: Iterable[CheckSpec], workers: int, rules: Rules | None = None) -> None:
        await self.probing.plan(specs, rules or Rules(), workers)

    def workers(self) -> list[Vitals]:
        return self.probing.vitals()[1:]

    def pids(self) -> list[int]:
        return [one.pid for one in self.workers() if one.pid]

    def missed(self) -> int:
        return sum(one.missed for one in self.probing.vitals())

    def pipe(self, place: int, pid: int) -> Path:
        """The end of a worker's pipe that it writes its lines into."""
        fleet = self.probing._fleet
        assert fleet is not None
        child = fleet._places[place]._child
        assert child is not None
        wanted = Path(f"/proc/self/fd/{child._stdout}").readlink()
        return next(path for path in Path(f"/proc/{pid}/fd").iterdir() if path.readlink() == wanted)

    async def until(self, condition: Callable[[], object], limit: float = 20.0) -> None:
        async with asyncio.timeout(limit):
            while not condition():
                await asyncio.sleep(0.01)

    async def everybody(self, count: int) -> None:
        """Wait until each of so many checks has run from now on."""
        self.results.clear()
        await self.until(lambda: len({result.check for result in self.results}) == count)

    def starts(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for result in self.results:
            found[result.check].append(result.at_ms)
        return found


def instant_of(name: str, at_ms: int) -> int:
    """Which instant of its grid a run was due at: a few ms are those by which clocks of processes differ."""
    return int(((at_ms + 4) / 1000 - grid(name, EVERY, 0, 0.0).next_due(0.0)) // EVERY)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with serving(answering(response())) as site:
        lab = Lab(site)
        running = asyncio.create_task(lab.probing.run())
        await asyncio.sleep(0)
        try:
            yield lab
            assert not running.done()
        finally:
            pids = lab.pids()
            async with asyncio.timeout(10):
                await lab.probing.stop()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert not [pid for pid in pids if alive(pid)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_every_check_runs_once_per_instant_in_the_worker_that_it_belongs_to(lab: Lab) -> None:
    await lab.plan(lab.specs(12), workers=3)
    await lab.everybody(12)
    await lab.until(lambda: len(lab.results) >= 100)
    gaps = [(b - a) / 1000 for starts in lab.starts().values() for a, b in itertools.pairwise(starts)]
    assert all(gap > EVERY / 2 for gap in gaps)
    checks = [0, 0, 0]
    for spec in lab.specs(12):
        checks[shard_of(spec, 3, by_host=False)] += 1
    await lab.until(lambda: [one.checks for one in lab.workers()] == checks)
    assert [one.process for one in lab.workers()] == ["worker 1", "worker 2", "worker 3"]


async def test_a_killed_worker_is_replaced_and_what_was_missed_is_counted(lab: Lab) -> None:
    await lab.plan(lab.specs(8), workers=2)
    await lab.everybody(8)
    await lab.until(lambda: lab.workers()[0].checks)
    victim = lab.workers()[0]
    began = time.monotonic()
    os.kill(victim.pid, signal.SIGKILL)
    await lab.until(lambda: lab.workers()[0].pid not in (0, victim.pid))
    await lab.everybody(8)
    took = time.monotonic() - began
    assert lab.workers()[0].restarts == 1
    assert lab.workers()[1].restarts == 0
    assert lab.workers()[0].runs >= victim.runs  # counters go on
    await lab.until(lambda: lab.workers()[0].missed)
    assert lab.workers()[0].missed <= victim.checks * (took / EVERY + 1)
    assert not lab.reports


async def test_a_worker_that_hangs_is_replaced(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    await lab.plan(lab.specs(8), workers=2)
    await lab.everybody(8)
    hung, well = lab.pids()
    os.kill(hung, signal.SIGSTOP)
    await lab.until(lambda: not alive(hung))
    await lab.everybody(8)
    assert lab.pids()[1] == well
    assert "worker 1 hung: not a word for 5 s" in caplog.text


async def test_a_worker_that_writes_nonsense_is_replaced(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    await lab.plan(lab.specs(4), workers=1)
    await lab.everybody(4)
    (liar,) = lab.pids()
    lab.pipe(0, liar).write_bytes(b"Segmentation fault\n")
    await lab.until(lambda: not alive(liar))
    await lab.everybody(4)
    assert "worker 1 wrote a line that is no result" in caplog.text


async def test_a_worker_that_keeps_dying_is_reported_and_started_more_and_more_rarely(lab: Lab) -> None:
    await lab.plan(lab.specs(4), workers=1)
    await lab.everybody(4)
    for _ in range(3):
        await lab.until(lab.pids)
        os.kill(lab.pids()[0], signal.SIGKILL)
        await lab.until(lambda: not lab.pids())
    (subject, level, reason) = lab.reports[0]
    assert (subject, level) == ("worker/1", Level.DEGRADED)
    assert reason == "worker 1 keeps ending: it was killed by SIGKILL; 4 checks run only now and then"
    await lab.everybody(4)
    assert lab.workers()[0].restarts == 3


async def test_a_change_reaches_every_worker_and_leaves_the_others_alone(lab: Lab) -> None:
    await lab.plan(lab.specs(9), workers=3)
    await lab.everybody(9)
    pids = lab.pids()
    await lab.plan(lab.specs(12)[3:], workers=3)
    await lab.until(lambda: sum(one.checks for one in lab.workers()) == 9 and lab.workers()[0].checks)
    await lab.everybody(9)
    assert {result.check for result in lab.results} == {f"c{n}" for n in range(3, 12)}
    assert lab.pids() == pids
    assert sum(one.missed for one in lab.workers()) == 0


async def test_new_rules_reach_every_worker(lab: Lab) -> None:
    await lab.plan(lab.specs(6), workers=2)
    await lab.everybody(6)
    await lab.plan(lab.specs(6), 2, Rules(deny=(ip_network("127.0.0.0/8"),)))

    def denied() -> bool:
        last = {result.check: result for result in lab.results}
        return len(last) == 6 and all(result.failure is not None for result in last.values())

    await lab.until(denied)


@pytest.mark.parametrize(
    "steps",
    [((0,), (2,), (0,)), ((1,), (3,)), ((3,), (1,)), ((2, BY_HOST), (2,))],
    ids=["0 2 0", "1 3", "3 1", "by host, by name"],
)
async def test_others_take_over_without_running_a_check_twice(lab: Lab, steps: tuple[Any, ...]) -> None:
    for count, *rules in steps:
        await lab.plan(lab.specs(6), count, *rules)
        await lab.until(lambda: len(lab.pids()) == count)  # noqa: B023
        before = len(lab.results)
        await lab.until(lambda: len(lab.results) >= before + 12)  # noqa: B023
    starts = lab.starts()
    assert len(starts) == 6
    for name, instants in starts.items():
        due = [instant_of(name, at_ms) for at_ms in instants]
        assert len(due) == len(set(due))  # however late a run began
        assert max((b - a) / 1000 for a, b in itertools.pairwise(sorted(instants))) < 2.0


@pytest.mark.parametrize(
    ("before", "after"),
    [((2,), (3,)), ((3,), (1,)), ((0,), (2,)), ((2,), (0,)), ((2,), (2, BY_HOST))],
    ids=["2 3", "3 1", "0 2", "2 0", "by name, by host"],
)
async def test_runs_that_a_change_of_workers_cuts_off_are_missed(lab: Lab, before: Any, after: Any) -> None:
    async with serving(silent) as site:
        specs = [CheckSpec(f"c{n}", Http(url=site.url(f"/{n}")), EVERY, 60.0) for n in range(6)]
        began = time.monotonic()
        await lab.plan(specs, *before)
        await lab.until(lambda: sum(one.in_flight for one in lab.probing.vitals()) == 6)
        told = time.monotonic()
        await lab.until(lambda: time.monotonic() >= told + 4 * EVERY)
        least = 6 * int((time.monotonic() - told) / EVERY)
        await lab.plan(specs, *after)
        await lab.until(lambda: lab.missed() >= least)
        await lab.until(lambda: sum(one.in_flight for one in lab.probing.vitals()) == 6)
        await lab.plan(specs, *before)  # what was counted is not counted again
        await lab.until(lambda: sum(one.in_flight for one in lab.probing.vitals()) == 6)
        assert lab.missed() <= 6 * ((time.monotonic() - began) / EVERY + 1)
        await lab.plan((), *after)


async def test_limits_that_move_no_check_leave_the_worker_alone(lab: Lab) -> None:
    await lab.plan(lab.specs(6), workers=1)
    await lab.everybody(6)
    pids = lab.pids()
    await lab.plan(lab.specs(6), 1, BY_HOST)
    await lab.everybody(6)
    assert lab.pids() == pids


async def test_with_limits_per_host_one_worker_has_all_checks_of_a_host(lab: Lab) -> None:
    await lab.plan(lab.specs(6), 2)
    await lab.everybody(6)
    runs = sum(one.runs for one in lab.workers())
    await lab.plan(lab.specs(6), 2, BY_HOST)
    await lab.until(lambda: sorted(one.checks for one in lab.workers()) == [0, 6])
    await lab.everybody(6)
    assert sum(one.runs for one in lab.workers()) >= runs + 6


async def test_counters_do_not_fall_with_the_number_of_workers(lab: Lab) -> None:
    most = 0
    for count in (3, 1, 0, 2):
        await lab.plan(lab.specs(6), count)
        assert sum(one.runs for one in lab.probing.vitals()) >= most
        await lab.everybody(6)
        most = sum(one.runs for one in lab.probing.vitals())
        names = [one.process for one in lab.probing.vitals()]
        assert names[0] == "service"
        assert len(set(names)) == len(names) == 4 or count == 3
        assert [one.ended for one in lab.workers()] == [False] * count + [True] * (3 - count)
    assert len(lab.pids()) == 2


@pytest.mark.parametrize("way", ["the end", "no workers any more"])
async def test_what_workers_have_seen_is_taken_before_they_end(lab: Lab, way: str) -> None:
    port = free_port()  # a refusal needs no server, which this test would keep from answering
    specs = [CheckSpec(f"c{n}", Tcp(host="127.0.0.1", port=port), 0.1, 1.0) for n in range(20)]
    await lab.plan(specs, workers=2)
    await lab.everybody(20)
    began_ms = time.time_ns() // 1_000_000
    time.sleep(1.5)  # our own loop is busy; the workers are not
    if way == "the end":
        await lab.probing.stop()
        assert lab.pids() == []
    else:
        await lab.plan(specs, workers=0)
    for starts in lab.starts().values():
        meanwhile = [at_ms for at_ms in starts if began_ms < at_ms < began_ms + 1500]
        assert len(meanwhile) >= 12  # of 15


async def test_a_worker_that_is_stopped_does_not_hold_up_the_end(lab: Lab) -> None:
    await lab.plan(lab.specs(4), workers=2)
    await lab.everybody(4)
    pids = lab.pids()
    os.kill(pids[0], signal.SIGSTOP)
    async with asyncio.timeout(8):
        await lab.probing.stop()
    assert not [pid for pid in pids if alive(pid)]
