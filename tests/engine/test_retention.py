"""The history stays within its age and its size, and a wrong clock deletes nothing. On a real database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.config.model import Retention
from probe.engine.retention import Janitor
from probe.engine.roll import Roller
from probe.store.base import Bucket, Store
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.store.samples import AT_MS, runs
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, STEPS, begin

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


async def rolled(store: Store) -> None:
    """Everything so far was rolled up."""
    for step in STEPS:
        await store.roll_until(step, begin(FOREVER, step))


async def begun(store: Store, step: int) -> list[int]:
    return [bucket.at_ms for bucket in await store.buckets("shop/home", step, 0, FOREVER)]


async def left(store: Store) -> int:
    return len(await store.results("shop/home", 0, FOREVER, 100_000))


async def test_what_is_too_old_goes_and_the_rest_stays(store: Store) -> None:
    await store.append(runs(count=5_000))  # one every 10 s
    await rolled(store)
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
    await rolled(store)
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
    await rolled(store)
    clock = Restless(AT_MS + 20 * DAY_MS)
    janitor = Janitor(store, clock, Retention(), lambda _size: None)
    clock.step_wall(-10 * DAY_MS)
    await janitor.clean()
    assert await left(store) == 100
    clock.step_wall(10 * DAY_MS)
    await janitor.clean()
    assert await left(store) == 0


async def test_what_is_not_rolled_up_yet_is_never_too_old(store: Store) -> None:
    await store.append(runs(count=100))  # one every 10 s
    janitor = Janitor(store, Restless(AT_MS + 30 * DAY_MS), Retention(), lambda _size: None)
    await janitor.clean()
    assert await left(store) == 100
    edge_ms = begin(AT_MS + 600_000, FIVE_MINUTES)
    await store.roll_until(FIVE_MINUTES, edge_ms)
    await janitor.clean()
    kept = await store.results("shop/home", 0, FOREVER, 1000)
    assert edge_ms <= kept[0].result.at_ms < edge_ms + 10_000
    await rolled(store)
    await janitor.clean()
    assert await left(store) == 0


async def test_what_is_to_be_rolled_up_again_stays_until_it_is(store: Store) -> None:
    clock = Restless(AT_MS + 30 * DAY_MS)
    janitor = Janitor(store, clock, Retention(), lambda _size: None)
    await store.append(runs(count=100))
    await Roller(store, clock).roll()
    await store.append(runs("shop/cart", count=100))  # the store was away for a month
    await janitor.clean()
    assert len(await store.results("shop/cart", 0, FOREVER, 1000)) == 100
    await Roller(store, clock).roll()
    await janitor.clean()
    assert await store.results("shop/cart", 0, FOREVER, 1000) == []
    assert sum(bucket.up for bucket in await store.buckets("shop/cart", DAY, 0, FOREVER)) == 100


async def test_buckets_go_when_their_time_is_over_and_days_stay(store: Store) -> None:
    now_ms = begin(AT_MS, DAY)
    for step in STEPS:
        await store.roll("shop/home", [Bucket(now_ms - days * DAY_MS, step, up=1) for days in (800, 731, 400, 91, 89)])
    await rolled(store)
    await Janitor(store, Restless(now_ms), Retention(), lambda _size: None).clean()
    ages = {step: [(now_ms - at_ms) // DAY_MS for at_ms in await begun(store, step)] for step in STEPS}
    assert ages == {FIVE_MINUTES: [89], HOUR: [400, 91, 89], DAY: [800, 731, 400, 91, 89]}
    await Janitor(store, Restless(now_ms), Retention(five_minutes=DAY, hours=90 * DAY), lambda _size: None).clean()
    assert await begun(store, FIVE_MINUTES) == []
    assert len(await begun(store, HOUR)) == 1


async def test_a_bucket_stays_until_its_hour_is_made(store: Store) -> None:
    now_ms = begin(AT_MS, DAY)
    await store.roll("shop/home", [Bucket(now_ms - 100 * DAY_MS, step, up=1) for step in (FIVE_MINUTES, HOUR)])
    await store.roll_until(FIVE_MINUTES, now_ms)
    janitor = Janitor(store, Restless(now_ms), Retention(hours=2 * DAY), lambda _size: None)
    await janitor.clean()
    assert [len(await begun(store, step)) for step in (FIVE_MINUTES, HOUR)] == [1, 1]
    await store.roll_until(HOUR, now_ms)
    await janitor.clean()
    assert [len(await begun(store, step)) for step in (FIVE_MINUTES, HOUR)] == [0, 1]


async def test_over_the_size_everything_is_shortened_alike(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old buckets do not stay at the cost of all raw results, nor the other way round."""
    monkeypatch.setattr("probe.engine.retention._SLICE", 200)
    now_ms = AT_MS + 40 * DAY_MS
    await store.append(runs(count=10 * 288, every_ms=300_000, since_ms=now_ms - 10 * DAY_MS))
    fine = range(begin(AT_MS, HOUR), now_ms, 300_000)
    await store.roll("shop/home", [Bucket(at_ms, FIVE_MINUTES, sketches={"total": bytes(300)}) for at_ms in fine])
    await rolled(store)
    wanted = Retention(age=10 * DAY, five_minutes=40 * DAY, size=await store.size() // 2)
    await Janitor(store, Restless(now_ms), wanted, lambda _size: None).clean()
    assert await store.size() <= wanted.size
    days = {step: (now_ms - at_ms) / DAY_MS for step, at_ms in (await store.oldest()).items()}
    assert 12 < days[FIVE_MINUTES] < 25
    assert days[0] == pytest.approx(days[FIVE_MINUTES] / 4, abs=1)
