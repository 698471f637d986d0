"""Buckets are what the stored runs say, by a shorter way; and whatever comes late leaves a mark."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.result import Failure, FailureKind, Result
from probe.store.base import Bucket, Entry, Store, StoreError
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver
from probe.store.tallies import stored, tally_of
from tests.store.samples import AT_MS, runs
from thresholds.base import Level, Verdict
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, Tally, begin

FOREVER = 2**53
START_MS = begin(AT_MS, DAY)


@pytest.fixture
async def driver(path: Path) -> AsyncIterator[SqliteDriver]:
    opened = SqliteDriver(path)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def entry(run: Result, level: Level = Level.UP) -> Entry:
    return Entry(Verdict(run, level, ""))


def at(offset: float, check: str = "a", seconds: float = 0.1, **facts: float) -> Entry:
    return entry(Result(check, START_MS + round(offset * 1000), seconds, {"ttfb": seconds / 2}, facts))


async def made(store: Store, step: int, at_ms: int = START_MS) -> dict[int, Bucket]:
    found: dict[int, Bucket] = {}
    async for some in store.sums(step, at_ms, await store.numbers()):
        found.update(some)
    return found


def chance_run(dice: random.Random, check: str) -> Entry:
    """Any run: good, slow, failed, provisional, lagged, with phases and facts that differ."""
    kind = dice.choice([None, None, None, *FailureKind])
    seconds = round(dice.lognormvariate(-3, 1), 6) if dice.random() < 0.9 else 0.0
    names = dice.choice([(), ("dns", "ttfb"), ("connect", "tls", "ttfb")])
    facts: dict[str, float | str | bool] = dice.choice([{}, {"http.status": 200, "x": "y"}, {"tls.resumed": True}])
    if dice.random() < 0.3:
        facts = {**facts, "loop.lag": dice.choice([0.0, round(seconds * 0.1, 6), seconds, float("nan"), 1e9])}
    run = Result(
        check,
        START_MS + dice.randrange(300_000),
        seconds,
        {name: round(seconds * dice.random(), 6) for name in names},
        facts,
        None if kind is None else Failure(kind, "", "no"),
        attempt=dice.randint(1, 9),
        provisional=kind is not None and dice.random() < 0.5,
    )
    return entry(run, dice.choice(list(Level)))


@pytest.mark.parametrize("seed", range(3))
async def test_rows_come_to_what_their_results_come_to(store: Store, seed: int) -> None:
    dice = random.Random(seed)
    names = [f"c/{number}" for number in range(20)]  # more than are read at a time
    await store.append([chance_run(dice, dice.choice(names)) for _ in range(600)])
    found = await made(store, FIVE_MINUTES)
    expected: dict[int, Bucket] = {}
    for number, name in zip(await store.numbers(), await _by_number(store), strict=True):
        tally = Tally()
        async for page in store.runs(name, START_MS, START_MS + 300_000):
            for kept in page:
                tally.take(kept.result, kept.level)
        if tally.runs:
            expected[number] = stored(START_MS, FIVE_MINUTES, tally)
    assert found == expected
    assert sum(tally_of(bucket).runs for bucket in found.values()) > 300
    assert {"total", "dns", "tls"} <= {metric for bucket in found.values() for metric in bucket.sketches}


async def _by_number(store: Store) -> list[str]:
    assert isinstance(store, SqlStore)
    return [name for (name,) in await store._driver.read("SELECT name FROM checks ORDER BY id")]


async def test_a_bucket_holds_what_began_in_it_and_nothing_else(store: Store) -> None:
    await store.append([at(-0.001), at(0), at(299.999), at(300), at(10, check="b")])
    found = await made(store, FIVE_MINUTES)
    assert [bucket.up for bucket in found.values()] == [2, 1]
    assert {(bucket.at_ms, bucket.step) for bucket in found.values()} == {(START_MS, FIVE_MINUTES)}
    assert await made(store, FIVE_MINUTES, START_MS + 600_000) == {}


@pytest.mark.parametrize(("step", "finer", "count"), [(HOUR, FIVE_MINUTES, 12), (DAY, HOUR, 24)])
async def test_coarse_buckets_are_their_finer_ones(store: Store, step: int, finer: int, count: int) -> None:
    whole = Tally()
    for number in range(-1, count + 1):
        part = Tally()
        for seconds in (0.1, 0.2 + number):
            part.count(Level.UP, None)
            part.measure("total", [abs(seconds)])
        part.count(Level.DOWN, "tls")
        if 0 <= number < count:
            whole.merge(part)
        await store.roll("a", [stored(START_MS + number * finer * 1000, finer, part)])
    assert list((await made(store, step)).values()) == [stored(START_MS, step, whole)]


async def test_a_bucket_never_shrinks(store: Store) -> None:
    """Runs are deleted for their age: what is left of them says less than was counted."""
    many, few = Bucket(START_MS, 300, up=5, down=5), Bucket(START_MS, 300, up=9)
    await store.roll("a", [many])
    await store.roll("a", [few])
    assert await store.buckets("a", 300, 0, FOREVER) == [many]
    as_many = replace(few, unknown=1)
    await store.roll("a", [as_many])
    assert await store.buckets("a", 300, 0, FOREVER) == [as_many]


async def test_what_comes_to_a_bucket_that_was_made_marks_it(store: Store) -> None:
    await store.append([at(0), at(301)])
    assert await store.late() == []
    await store.seal(START_MS + 300_000)
    await store.append([at(1), at(2), at(302), at(3, check="b")])
    assert await store.late() == [(FIVE_MINUTES, START_MS)]
    assert await store.late_checks(FIVE_MINUTES, START_MS) == {1: 1, 2: 1}
    assert await store.late_buckets("b") == [(FIVE_MINUTES, START_MS)]
    await store.append([at(4)])
    assert await store.late_checks(FIVE_MINUTES, START_MS) == {1: 2, 2: 1}


async def test_an_attempt_that_does_not_count_is_never_late(store: Store) -> None:
    await store.seal(START_MS + 300_000)
    refused = Failure(FailureKind.CONNECT, "connect", "refused")
    await store.append([entry(Result("a", START_MS, 0.1, failure=refused, provisional=True), Level.DOWN)])
    assert await store.late() == []


async def test_what_was_rolled_is_sealed_after_a_restart(driver: SqliteDriver) -> None:
    await SqlStore(driver).roll_until(FIVE_MINUTES, START_MS + 300_000)
    again = SqlStore(driver)
    await again.append([at(1), at(301)])
    assert await again.late() == [(FIVE_MINUTES, START_MS)]


async def test_a_seal_outlasts_a_store_that_fails(driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append([at(0)])
    await store.seal(START_MS + 300_000)
    await driver.write([("CREATE TRIGGER no BEFORE INSERT ON results BEGIN SELECT RAISE(ABORT, 'no'); END", [()])])
    with pytest.raises(StoreError):
        await store.append([at(1)])
    await driver.write([("DROP TRIGGER no", [()])])
    assert await store.late() == []  # nothing of the batch is there, its mark neither
    await store.append([at(1)])
    assert await store.late() == [(FIVE_MINUTES, START_MS)]


async def test_a_mark_goes_with_the_bucket_that_was_made_for_it(store: Store) -> None:
    await store.append([at(0), at(0, check="b")])
    await store.seal(FOREVER)
    await store.append([at(1), at(1, check="b")])
    marks = await store.late_checks(FIVE_MINUTES, START_MS)
    buckets = await made(store, FIVE_MINUTES)
    await store.append([at(2)])  # while it was being made
    await store.keep(FIVE_MINUTES, START_MS, buckets, late=marks, coarser=HOUR)
    assert await store.late_checks(FIVE_MINUTES, START_MS) == {1: 2}
    assert await store.late_checks(HOUR, START_MS) == {1: 1, 2: 1}
    assert [bucket.up for bucket in await store.buckets("b", FIVE_MINUTES, 0, FOREVER)] == [2]


async def test_what_is_settled_ends_where_something_waits(store: Store) -> None:
    for step in (FIVE_MINUTES, HOUR, DAY):
        await store.roll_until(step, START_MS + DAY * 1000)
    day_ms = START_MS + DAY * 1000
    assert await store.settled() == {FIVE_MINUTES: day_ms, HOUR: day_ms, DAY: day_ms}
    await store.append([at(4000)])
    late_ms = START_MS + 3_900_000
    assert await store.settled() == {FIVE_MINUTES: late_ms, HOUR: START_MS + 3_600_000, DAY: START_MS}
    marks = await store.late_checks(FIVE_MINUTES, late_ms)
    buckets = await made(store, FIVE_MINUTES, late_ms)
    await store.keep(FIVE_MINUTES, late_ms, buckets, late=marks, coarser=HOUR)
    assert await store.settled() == {FIVE_MINUTES: day_ms, HOUR: START_MS + 3_600_000, DAY: START_MS}


async def test_the_oldest_and_the_next_are_found(store: Store) -> None:
    assert (await store.oldest(), await store.next_run(0), await store.first("a", 0)) == ({}, None, None)
    await store.append([*runs("a", count=3, since_ms=START_MS), *runs("b", count=1, since_ms=START_MS + 60_000)])
    await store.roll("a", [Bucket(START_MS, 300, up=3), Bucket(START_MS + 300_000, 300), Bucket(START_MS, DAY)])
    assert await store.oldest() == {0: START_MS, 300: START_MS, DAY: START_MS}
    assert [await store.next_run(START_MS + ms) for ms in (0, 1, 20_001, 60_001)] == [
        START_MS, START_MS + 10_000, START_MS + 60_000, None,
    ]  # fmt: skip
    assert [await store.next_bucket(300, START_MS + ms) for ms in (0, 1, 300_001)] == [
        START_MS, START_MS + 300_000, None,
    ]  # fmt: skip
    assert [await store.first(check, step) for check, step in (("b", 0), ("a", 300), ("b", 300))] == [
        START_MS + 60_000, START_MS, None,
    ]  # fmt: skip


async def test_a_sketch_that_is_broken_is_the_stores_trouble(store: Store) -> None:
    await store.roll("a", [Bucket(START_MS, FIVE_MINUTES, up=1, sketches={"total": b"\x01\x02"})])
    with pytest.raises(StoreError, match="a row that this version cannot read"):
        await made(store, HOUR)
