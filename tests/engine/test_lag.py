"""A blocked loop is seen, and which runs it touched."""

import asyncio

import pytest

from probe.engine.lag import EVERY, LagMeter
from tests.conftest import FakeClock, settled


class Stalling(FakeClock):
    """A clock on which somebody blocks the loop: time passes and no sleeper wakes."""

    def block(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
async def meter():
    clock = Stalling()
    seen: list[float] = []
    meter = LagMeter(clock, seen.append)
    task = asyncio.create_task(meter.run())
    await settled()
    yield meter, clock, seen
    task.cancel()


async def test_a_free_loop_has_no_lag(meter) -> None:
    lag, clock, seen = meter
    await clock.advance(1.0)
    assert lag.during(0.0, 1.0) == 0.0
    assert max(seen) < 0.001
    assert len(seen) == pytest.approx(1.0 / EVERY, abs=2)


async def test_a_stall_counts_for_the_runs_that_overlap_it(meter) -> None:
    lag, clock, _ = meter
    await clock.advance(1.0)
    clock.block(0.5)
    await clock.advance(1.0)
    assert 0.5 <= lag.during(0.9, 2.0) <= 0.5 + 2 * EVERY
    assert lag.during(0.0, 0.9) == 0.0
    assert lag.during(1.6, 2.4) == 0.0
    assert 0.1 <= lag.during(1.2, 1.3) <= 0.1 + 1e-9


async def test_a_run_that_ends_in_the_stall_knows_of_it_before_the_meter_wakes(meter) -> None:
    lag, clock, _ = meter
    await clock.advance(1.0)
    clock.block(0.5)
    assert lag.during(0.9, clock.monotonic()) >= 0.5 - EVERY


async def test_two_stalls_add_up(meter) -> None:
    lag, clock, _ = meter
    for _ in range(2):
        await clock.advance(0.2)
        clock.block(0.3)
    await clock.advance(0.2)
    assert 0.6 <= lag.during(0.0, clock.monotonic()) <= 0.6 + 4 * EVERY
