"""A loop that is behind: nobody is cut off who has been answered, and what is under way goes before what is due."""

import asyncio

import pytest

from checks.core.base import CheckSpec
from checks.core.net import Net
from checks.core.result import Result, Trace
from probe.engine.deadline import Deadlines
from probe.engine.engine import Engine
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from probe.engine.seats import Seats
from tests.conftest import FakeClock, settled


@pytest.mark.parametrize("spent", [0.0, 1.0], ids=["at once", "when its time is spent"])
async def test_nobody_is_cut_off_before_all_that_has_come_is_passed_on(clock: FakeClock, spent: float) -> None:
    left, seen = [0], []

    def look() -> bool:
        left[0] = max(0, left[0] - 1)
        return left[0] > 0

    deadlines = Deadlines(clock, look)

    async def run() -> None:
        trace = Trace(clock.monotonic)
        seen.append(deadlines.begin(trace, 5.0))
        await clock.sleep(spent)  # our own doing: it is given to the run on top
        with trace.timed("ttfb"):
            await asyncio.sleep(3600)

    task = asyncio.create_task(run())
    await clock.advance(5.0 + spent - 0.01)
    left[0] = 1000
    until = asyncio.create_task(clock.advance(0.02))
    while left[0] > 1:
        assert not seen[0].expired
        await asyncio.sleep(0)
    await until
    assert seen[0].expired
    with pytest.raises(asyncio.CancelledError):
        await task


class Waiting:
    target = host = "somewhere"

    def __init__(self) -> None:
        self.begun = 0

    async def run(self, trace: Trace, net: Net) -> None:
        self.begun += 1
        await asyncio.sleep(3600)


class Busy(Net):
    behind = False


class Unheard:
    def late(self, seconds: float) -> None: ...
    def skipped(self, runs: int) -> None: ...


async def test_few_runs_begin_while_others_wait_to_go_on(clock: FakeClock) -> None:
    net, results, check = Busy(), list[Result](), Waiting()
    engine = Engine(Runner(net, clock, LagMeter(clock), str), Seats(1000), clock, results.append, Unheard())
    working = asyncio.create_task(engine.run())
    engine.plan([CheckSpec(f"a/{number}", check, 1.0, 1000.0) for number in range(200)])
    net.behind = True
    clock._now += 1.0  # all are due
    engine._turn()
    await settled()
    few = check.begun
    net.behind = False
    engine._turn()
    await settled()
    assert 0 < few < check.begun - few < 32  # each of them takes a task of its own to begin with
    await clock.advance(0.01)
    assert check.begun == 200  # the rest in further turns
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await net.close()
