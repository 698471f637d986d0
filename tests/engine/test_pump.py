"""A queue that never makes its producer wait and never loses what must be kept."""

import asyncio
from collections.abc import Sequence

import pytest

from probe.engine.pump import Pump
from tests.conftest import FakeClock, settled


class Disk:
    """A writer that fails while it is `full`."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[int] = []

    async def write(self, batch: Sequence[int]) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.written += batch


@pytest.fixture
def disk() -> Disk:
    return Disk()


def pump_to(disk: Disk, clock: FakeClock, **options) -> Pump[int]:
    return Pump(disk.write, clock, errors=(OSError,), **options)


async def running(pump: Pump[int]) -> asyncio.Task[None]:
    task = asyncio.create_task(pump.run())
    await settled()
    return task


async def test_items_are_written_in_order_and_in_batches(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock, batch=10)
    sizes: list[int] = []
    pump.on_success = lambda batch: sizes.append(len(batch))
    task = await running(pump)
    for item in range(25):
        pump.offer(item)
    await clock.advance(1)
    task.cancel()
    assert disk.written == list(range(25))
    assert sizes == [10, 10, 5]


async def test_a_failed_batch_is_written_again_before_newer_items(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock)
    task = await running(pump)
    disk.full = True
    pump.offer(1)
    await clock.advance(1)
    pump.offer(2)
    disk.full = False
    await clock.advance(30)
    task.cancel()
    assert disk.written == [1, 2]
    assert pump.failures == 0


async def test_at_the_bound_the_oldest_go_and_are_counted(disk: Disk, clock: FakeClock) -> None:
    disk.full = True
    pump = pump_to(disk, clock, size=10)
    task = await running(pump)
    for item in range(25):
        pump.offer(item)
        await clock.advance(1)
    disk.full = False
    await clock.advance(30)
    task.cancel()
    assert disk.written == list(range(15, 25))
    assert pump.dropped == 15


async def test_what_must_be_kept_is_kept_at_the_bound(disk: Disk, clock: FakeClock) -> None:
    disk.full = True
    pump = pump_to(disk, clock, size=5, keep=lambda item: item % 7 == 0)
    task = await running(pump)
    for item in range(40):
        pump.offer(item)
        await clock.advance(1)
    disk.full = False
    await clock.advance(60)
    task.cancel()
    assert set(range(0, 40, 7)) <= set(disk.written)
    assert disk.written == sorted(disk.written)
    assert pump.dropped == 40 - len(disk.written)


async def test_draining_writes_all_without_lingering(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock, linger=3600.0, batch=10)
    task = await running(pump)
    await pump.drain()
    for item in range(25):
        pump.offer(item)
    await pump.drain()
    task.cancel()
    assert disk.written == list(range(25))


async def test_a_bug_in_the_writer_is_not_retried(clock: FakeClock) -> None:
    async def write(_batch: Sequence[int]) -> None:
        raise KeyError("bug")

    pump: Pump[int] = Pump(write, clock, errors=(OSError,))
    task = await running(pump)
    pump.offer(1)
    await clock.advance(1)
    with pytest.raises(KeyError):
        await task


async def test_the_order_survives_an_overflow_during_a_write_that_fails(clock: FakeClock) -> None:
    written: list[int] = []
    under_way, fail = asyncio.Event(), asyncio.Event()

    async def write(batch: Sequence[int]) -> None:
        if not fail.is_set():
            under_way.set()
            await fail.wait()
            raise OSError("no space left on device")
        written.extend(batch)

    pump: Pump[int] = Pump(write, clock, errors=(OSError,), size=4, keep=lambda _item: True)
    task = await running(pump)
    for item in range(4):
        pump.offer(item)
    await clock.advance(1)
    assert under_way.is_set()
    for item in range(4, 10):
        pump.offer(item)
    fail.set()
    await clock.advance(60)
    task.cancel()
    assert written == list(range(10))


async def test_a_hurry_cuts_the_pause_after_a_failure_short(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock)
    task = await running(pump)
    disk.full = True
    pump.offer(1)
    await clock.advance(40)  # the pauses are long by now
    disk.full = False
    draining = asyncio.create_task(pump.drain())
    await settled()
    await clock.advance(0)
    await draining
    task.cancel()
    assert disk.written == [1]


async def test_results_linger_for_company_and_news_hurry_them(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock, linger=1.0, urgent=lambda item: item > 100)
    task = await running(pump)
    pump.offer(1)
    await clock.advance(0.9)
    assert disk.written == []
    pump.offer(101)
    await clock.advance(0.06)
    assert disk.written == [1, 101]
    pump.offer(2)
    await clock.advance(0.9)
    assert disk.written == [1, 101]  # the hurry is over
    await clock.advance(0.2)
    task.cancel()
    assert disk.written == [1, 101, 2]


async def test_an_outage_of_many_is_one_batch(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock, urgent=lambda _item: True)
    sizes: list[int] = []
    pump.on_success = lambda batch: sizes.append(len(batch))
    task = await running(pump)
    for item in range(100):
        pump.offer(item)
        await clock.advance(0.0004)
    await clock.advance(1)
    task.cancel()
    assert sizes == [100]


async def test_a_full_batch_does_not_linger(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock, linger=3600.0, batch=10)
    task = await running(pump)
    pump.offer(0)
    await clock.advance(0.1)
    assert disk.written == []
    for item in range(1, 10):
        pump.offer(item)
    await clock.advance(0.1)
    task.cancel()
    assert disk.written == list(range(10))


async def test_what_has_lingered_behind_a_batch_is_written_at_once(disk: Disk, clock: FakeClock) -> None:
    """Whoever waits for the last of many must not wait for another second with each batch."""
    pump = pump_to(disk, clock, linger=3600.0, batch=10)
    task = await running(pump)
    pump.offer(0)
    await clock.advance(0.1)
    for item in range(1, 25):
        pump.offer(item)
    await clock.advance(0.1)
    task.cancel()
    assert disk.written == list(range(25))


async def test_news_do_not_cut_the_pause_after_a_failure_short(disk: Disk, clock: FakeClock) -> None:
    pump = pump_to(disk, clock, urgent=lambda _item: True)
    task = await running(pump)
    disk.full = True
    for item in range(100):
        pump.offer(item)
        await clock.advance(0.5)
    task.cancel()
    assert pump.failures <= 14  # in 50 s: 0.5, 1, 2, 5, then every 10 s
