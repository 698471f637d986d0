"""The history stays within its age and its size, and a wrong clock deletes nothing. On a real database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.config.model import Retention
from probe.engine.retention import Janitor
from probe.store.base import Store
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.store.samples import AT_MS, runs

FOREVER = 2**53
DAY_MS = 86_400_000


class Restless(FakeClock):
    """Nobody else sleeps on this clock: time passes by itself."""

    async def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield store
    await store.close()


async def left(store: Store) -> int:
    return len(await store.results("shop/home", 0, FOREVER, 100_000))


async def test_what_is_too_old_goes_and_the_rest_stays(store: Store) -> None:
    await store.append(runs(count=5_000))  # one every 10 s
    janitor = Janitor(store, Restless(AT_MS + 5_000 * 10_000), Retention(age=10_000.0), lambda _size: None)
    await janitor.clean()
    assert await left(store) == pytest.approx(1_000, abs=2)


async def test_over_the_size_the_oldest_go(store: Store) -> None:
    await store.append(runs(count=20_000))
    sizes: list[int] = []
    limit = await store.size() // 2
    await Janitor(store, Restless(AT_MS), Retention(size=limit), sizes.append).clean()
    assert sizes[-1] <= limit
    kept = await store.results("shop/home", 0, FOREVER, 100_000)
    assert 2_000 < len(kept) < 20_000
    assert kept[-1].result.at_ms == AT_MS + 19_999 * 10_000


async def test_a_clock_that_jumps_a_year_deletes_nothing_for_a_day(store: Store) -> None:
    await store.append(runs(count=100))
    clock = Restless(AT_MS + 1_000_000)
    janitor = Janitor(store, clock, Retention(), lambda _size: None)
    clock.step_wall(365 * DAY_MS)
    for _ in range(3):
        await janitor.clean()
        clock._now += 60
    assert await left(store) == 100
    clock._now += 86_400
    await janitor.clean()  # it has kept that time for a day: it is the time
    assert await left(store) == 0


async def test_a_clock_that_comes_back_is_believed_again(store: Store) -> None:
    await store.append(runs(count=100))
    clock = Restless(AT_MS + 20 * DAY_MS)
    janitor = Janitor(store, clock, Retention(), lambda _size: None)
    clock.step_wall(-10 * DAY_MS)
    await janitor.clean()
    assert await left(store) == 100
    clock.step_wall(10 * DAY_MS)
    await janitor.clean()
    assert await left(store) == 0
