"""At most so many at once, and politeness towards one host."""

import asyncio
import itertools

import pytest

from probe.engine.seats import Seats
from tests.conftest import settled


async def crowd(seats: Seats, hosts: list[str], leave: asyncio.Event) -> tuple[list[str], list[asyncio.Task[None]]]:
    seated: list[str] = []

    async def sit(host: str) -> None:
        async with seats.take(host):
            seated.append(host)
            await leave.wait()

    tasks = [asyncio.create_task(sit(host)) for host in hosts]
    await settled()
    return seated, tasks


async def test_no_more_than_all_seats_are_taken() -> None:
    seats, leave = Seats(3), asyncio.Event()
    seated, tasks = await crowd(seats, ["a"] * 5, leave)
    assert (len(seated), seats.taken) == (3, 3)
    leave.set()
    await asyncio.gather(*tasks)
    assert (len(seated), seats.taken) == (5, 0)


async def test_one_host_does_not_take_the_seats_of_others() -> None:
    seats, leave = Seats(3, concurrent=2), asyncio.Event()
    seated, tasks = await crowd(seats, ["a"] * 9 + ["b"], leave)
    assert seated == ["a", "a", "b"]
    leave.set()
    await asyncio.gather(*tasks)


async def test_a_host_is_asked_at_its_rate() -> None:
    seats = Seats(100, rate=200.0)
    loop = asyncio.get_running_loop()
    starts: list[float] = []

    async def visit() -> None:
        async with seats.take("a"):
            starts.append(loop.time())

    await asyncio.gather(*(visit() for _ in range(6)))
    assert min(b - a for a, b in itertools.pairwise(starts)) >= 0.004  # 5 ms, less the clock's grain


async def test_a_cancelled_wait_gives_its_place_up() -> None:
    seats, leave = Seats(1), asyncio.Event()
    _, (holder, waiting) = await crowd(seats, ["a", "a"], leave)
    waiting.cancel()
    leave.set()
    await holder
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(1), seats.take("a"):
        assert seats.taken == 1


async def test_a_cancelled_wait_behind_a_polite_host_gives_everything_back() -> None:
    seats, leave = Seats(1, concurrent=1), asyncio.Event()
    _, (holder, waiting) = await crowd(seats, ["a", "b"], leave)
    waiting.cancel()  # it has its host's turn and waits for a seat
    await settled()
    leave.set()
    await holder
    async with asyncio.timeout(1), seats.take("b"):
        assert seats.taken == 1
