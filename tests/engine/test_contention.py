"""How long other programs had our processor, and what follows for the runs that were under way."""

import os
import subprocess
import sys
import time

import pytest

from checks.core.base import CheckSpec
from checks.core.net import Net
from probe.engine.contention import Contention, thread_wait
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from tests.conftest import FakeClock

_SPIN = "import os, time; os.sched_setaffinity(0, {int(os.environ['CORE'])}); print(flush=True)\nwhile True: pass"


async def test_what_was_waited_for_since_an_instant_is_known(clock: FakeClock) -> None:
    waited = [0.0]
    contention = Contention(clock, lambda: waited[0])
    for seconds in (0.0, 0.004, 0.004, 0.010):
        waited[0] = seconds
        contention.look()
        await clock.advance(0.1)
    assert contention.during(0.35) == 0.0
    assert contention.during(0.25) == 0.006
    assert contention.during(0.0) == 0.010
    await clock.advance(0.1)
    waited[0] = 0.013
    assert contention.during(0.45) == pytest.approx(0.003)


async def test_a_little_waiting_is_none(clock: FakeClock) -> None:
    waited = [0.0]
    contention = Contention(clock, lambda: waited[0])
    await clock.advance(1.0)
    waited[0] = 0.0019
    assert contention.during(0.0) == 0.0


async def test_looks_of_long_ago_are_forgotten(clock: FakeClock) -> None:
    contention = Contention(clock, clock.monotonic)
    for _ in range(10_000):
        clock._now += 0.01
        contention.look()
    assert len(contention._at) <= 8192
    assert contention.during(clock.monotonic() - 1.0) >= 1.0


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


def test_the_kernel_counts_our_waits() -> None:
    """Beside a program that never sleeps, on the same core, we wait about half of the time."""
    before, core = os.sched_getaffinity(0), min(os.sched_getaffinity(0))
    waited = thread_wait()
    spin = subprocess.Popen(
        [sys.executable, "-c", _SPIN], env={**os.environ, "CORE": str(core)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert spin.stdout is not None
        spin.stdout.readline()
        os.sched_setaffinity(0, {core})
        began, until = waited(), time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        assert waited() - began > 0.05
    finally:
        os.sched_setaffinity(0, before)
        spin.kill()
        spin.wait()
        if spin.stdout is not None:
            spin.stdout.close()
