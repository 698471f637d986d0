"""How long other programs kept the kernel waiting, and what follows for the runs that were under way."""

import asyncio
import os
from pathlib import Path

import pytest

from checks.core.base import CheckSpec
from checks.core.net import Net
from probe.engine.contention import Contention, machine_wait
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from tests.conftest import FakeClock


async def test_what_was_waited_between_two_instants_is_known(clock: FakeClock) -> None:
    waited = [0.0]
    contention = Contention(clock, lambda: waited[0])
    for seconds in (0.0, 0.004, 0.004, 0.010):
        waited[0] = seconds
        contention.look()
        await clock.advance(0.1)
    assert contention.during(0.31, 0.4) == 0.0
    assert contention.during(0.25, 0.35) == pytest.approx(0.006)
    assert contention.during(0.11, 0.19) == 0.0
    assert contention.during(0.0, 0.4) == pytest.approx(0.010)
    await clock.advance(0.1)
    waited[0] = 0.013
    assert contention.during(0.45, clock.monotonic()) == pytest.approx(0.003)


async def test_a_look_right_before_the_end_of_a_wait_is_none_at_its_end(clock: FakeClock) -> None:
    """What waited for its turn is counted once it has had it."""
    waited = [0.0]
    contention = Contention(clock, lambda: waited[0])
    await clock.advance(0.1)
    contention.look()
    await clock.advance(0.002)
    waited[0] = 0.009
    assert contention.during(0.09, 0.102) == pytest.approx(0.009)


async def test_a_little_waiting_is_none(clock: FakeClock) -> None:
    waited = [0.0]
    contention = Contention(clock, lambda: waited[0])
    await clock.advance(1.0)
    waited[0] = 0.0009
    assert contention.during(0.0, 1.0) == 0.0


async def test_looks_of_long_ago_are_forgotten(clock: FakeClock) -> None:
    contention = Contention(clock, clock.monotonic)
    for _ in range(10_000):
        clock._now += 0.01
        contention.look()
    assert len(contention._at) <= 8192
    assert contention.during(clock.monotonic() - 1.0, clock.monotonic()) >= 1.0


async def test_a_slow_target_is_not_excused_by_what_the_machine_did_meanwhile(clock: FakeClock) -> None:
    """A third of a second on a crowded machine: only what happened right before the answer can have held it up."""
    waited = [0.0]

    class Slow:
        target = host = "test"

        async def run(self, trace, net) -> None:
            with trace.timed("ttfb") as first:
                trace.facts["timing"] = "kernel"
                for _ in range(15):
                    await clock.advance(0.02)
                    waited[0] += 0.005
                first.arrived(clock.monotonic())

    net = Net()
    meter = LagMeter(clock, waited=lambda: waited[0])
    looking = asyncio.create_task(meter.run())
    result = await Runner(net, clock, meter, str).run_once(CheckSpec("a", Slow(), 10.0, 5.0))
    looking.cancel()
    await net.close()
    assert result.duration == pytest.approx(0.3)
    lag = result.facts["loop.lag"]
    assert isinstance(lag, float)
    assert 0.005 <= lag <= 0.015


async def test_a_run_on_a_crowded_machine_says_so_whoever_timed_it(clock: FakeClock) -> None:
    waited = [0.0]

    class Late:
        target = host = "test"

        async def run(self, trace, net) -> None:
            with trace.timed("ttfb") as first:
                trace.facts["timing"] = "kernel"
                await clock.advance(0.03)
                waited[0] += 0.009
                first.arrived(clock.monotonic())

    net = Net()
    meter = LagMeter(clock, waited=lambda: waited[0])
    result = await Runner(net, clock, meter, str).run_once(CheckSpec("a", Late(), 10.0, 5.0))
    await net.close()
    assert result.facts["loop.lag"] == 0.009


async def test_a_request_that_went_out_late_is_marked(clock: FakeClock) -> None:
    class Stopped:
        target = host = "test"

        async def run(self, trace, net) -> None:
            with trace.timed("ttfb") as first:
                trace.facts["timing"] = "kernel"
                clock._now += 0.008  # between the look at the clock and the request
                first.asked()
                await clock.advance(0.02)
                first.arrived(clock.monotonic())

    net = Net()
    result = await Runner(net, clock, LagMeter(clock), str).run_once(CheckSpec("a", Stopped(), 10.0, 5.0))
    await net.close()
    assert result.facts["loop.lag"] == pytest.approx(0.008)


def test_the_waits_of_the_kernels_network_threads_and_of_the_machine_are_added_up(tmp_path: Path) -> None:
    for pid, name, figures in (
        ("14", "ksoftirqd/0", "7 2000000 3"),
        ("22", "ksoftirqd/1", "7 500000 3"),
        ("23", "kworker/1", "7 9000000 3"),
        ("self", "ksoftirqd/2", "7 9000000 3"),
        ("31", "ksoftirqd/3", ""),
    ):
        folder = tmp_path / pid
        folder.mkdir()
        (folder / "comm").write_text(name + "\n")
        (folder / "schedstat").write_text(figures)
    (tmp_path / "40").mkdir()  # ended meanwhile
    waited = machine_wait(tmp_path)
    assert waited() == pytest.approx(0.0025)
    (tmp_path / "14" / "schedstat").write_text("8 4000000 4")
    assert waited() == pytest.approx(0.0045)
    # proc(5): user nice system idle iowait irq softirq steal guest guest_nice, in ticks
    (tmp_path / "stat").write_text("cpu  10132153 290696 3084719 46828483 16683 0 25195 3 175628 0\ncpu0 1 2\n")
    waited = machine_wait(tmp_path)
    assert waited() == pytest.approx(0.0045 + 3 / os.sysconf("SC_CLK_TCK"))


def test_where_nobody_counts_nothing_was_waited(tmp_path: Path) -> None:
    assert machine_wait(tmp_path)() == 0.0


def test_this_machine_can_be_asked() -> None:
    waited = machine_wait()
    assert 0.0 <= waited() <= waited()
