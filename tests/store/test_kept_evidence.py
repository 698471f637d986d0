"""What failing runs saw is stored with them, bounded, and goes when nobody asks for it any more. On real files."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.evidence import Evidence, Form, Sample
from probe.config.model import Retention
from probe.engine.retention import Janitor
from probe.store.base import Entry, Store, StoreError
from probe.store.evidence import unpack
from probe.store.exhibits import PER_CHECK
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.store.samples import AT_MS, runs, verdict
from thresholds.base import Event, Level

FOREVER = 2**53
DAY_MS = 86_400_000
SEEN = Evidence(
    target="https://shop.example/",
    message="status 503, wanted 2xx",
    request=("GET / HTTP/1.1",),
    received=Sample(Form.TEXT, "<h1>no backend</h1>\n" * 100, "text/html", 2000),
)


def failed(check: str = "shop/home", at_ms: int = AT_MS, attempt: int = 1, seen: Evidence | None = SEEN) -> Entry:
    """A failing run with its evidence."""
    fallen = verdict(check, at_ms, Level.DOWN)
    return Entry(replace(fallen, result=replace(fallen.result, attempt=attempt)), evidence=seen)


async def kept(store: Store, check: str = "shop/home") -> list[tuple[int, int]]:
    return [(one.at_ms, one.attempt) for one in await store.evidence(check, 0, FOREVER, 1000)]


async def test_evidence_comes_back_as_it_was_oldest_first(store: Store) -> None:
    other = replace(SEEN, message="another")
    await store.append([*runs(count=2), failed(at_ms=AT_MS + 50), failed(at_ms=AT_MS + 50, attempt=2, seen=other)])
    await store.append([failed("shop/cart"), failed(at_ms=AT_MS + 60, seen=None)])
    first, second = await store.evidence("shop/home", 0, FOREVER, 10)
    assert (first.check, first.at_ms, first.attempt, first.evidence) == ("shop/home", AT_MS + 50, 1, SEEN)
    assert (second.attempt, second.evidence) == (2, other)
    assert [one.attempt for one in await store.evidence("shop/home", 0, FOREVER, 1)] == [2]
    assert await store.evidence("shop/home", AT_MS + 51, FOREVER, 10) == []
    assert await store.evidence("shop/home", 0, AT_MS + 50, 10) == []
    assert await store.evidence("no/such", 0, FOREVER, 10) == []
    assert await store.oldest_evidence() == AT_MS


async def test_a_batch_that_is_appended_again_keeps_it_once(store: Store) -> None:
    for _ in range(2):
        await store.append([failed()])
    assert await kept(store) == [(AT_MS, 1)]


async def test_it_is_compressed(store: Store, path: Path) -> None:
    await store.append([failed()])
    with sqlite3.connect(path) as connection:
        ((body,),) = connection.execute("SELECT body FROM evidence").fetchall()
    connection.close()
    assert len(body) < 400
    assert unpack(body) == SEEN


async def test_it_is_written_with_its_result_or_not_at_all(store: Store, path: Path) -> None:
    await store.append(runs(count=1))
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON evidence BEGIN SELECT raise(ABORT, 'no room'); END")
    connection.close()
    with pytest.raises(StoreError):
        await store.append([failed(at_ms=AT_MS + 10)])
    assert len(await store.results("shop/home", 0, FOREVER, 10)) == 1
    assert await kept(store) == []


async def test_of_one_check_the_newest_stay(store: Store) -> None:
    await store.append([failed("shop/cart", at_ms=AT_MS - 1)])
    for start in range(0, PER_CHECK + 60, 20):
        await store.append([failed(at_ms=AT_MS + 10 * number) for number in range(start, start + 20)])
    assert [at_ms for at_ms, _ in await kept(store)] == [AT_MS + 10 * number for number in range(60, PER_CHECK + 60)]
    assert len(await kept(store, "shop/cart")) == 1


async def test_a_row_that_cannot_be_read_says_so(store: Store, path: Path) -> None:
    await store.append([failed()])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE evidence SET body = x'00'")
    connection.close()
    with pytest.raises(StoreError, match="holds a row that this version cannot read"):
        await store.evidence("shop/home", 0, FOREVER, 10)


# How long


def moved(check: str, at_ms: int, before: Level, after: Level, event: Event) -> Entry:
    """A run that changes the level."""
    entry = verdict(check, at_ms, after, moved_from=before)
    assert entry.transition is not None
    return Entry(replace(entry, transition=replace(entry.transition, event=event)))


DOWN = (Level.UP, Level.DOWN, Event.OPENED)
UP = (Level.DOWN, Level.UP, Event.RESOLVED)
QUIET = (Level.DOWN, Level.UNKNOWN, Event.QUIET)
LATE = AT_MS + 20 * DAY_MS  # more than fourteen days after the run


@pytest.mark.parametrize(
    ("moves", "stays"),
    [
        ([], False),
        ([(AT_MS, DOWN)], True),  # it still lasts
        ([(AT_MS, DOWN), (AT_MS + DAY_MS, QUIET)], True),  # and nobody knows better
        ([(AT_MS, DOWN), (AT_MS + DAY_MS, UP)], False),
        ([(AT_MS, DOWN), (AT_MS + 19 * DAY_MS, UP)], True),  # it was over yesterday
        ([(AT_MS, DOWN), (AT_MS + DAY_MS, UP), (AT_MS + 19 * DAY_MS, QUIET)], False),
    ],
    ids=["none", "open", "unknown", "over", "just over", "over and quiet"],
)
async def test_old_evidence_goes_once_its_outage_is_over_for_as_long(
    store: Store, moves: Sequence[tuple[int, tuple[Level, Level, Event]]], *, stays: bool
) -> None:
    await store.append([failed(), failed("shop/cart"), *[moved("shop/home", at + 1, *how) for at, how in moves]])
    before_ms = LATE - 14 * DAY_MS
    assert await store.prune_evidence(AT_MS, 100) == 0
    assert await store.prune_evidence(before_ms, 100) == (1 if stays else 2)
    assert await kept(store, "shop/cart") == []
    assert bool(await kept(store)) is stays
    assert await store.prune_evidence(before_ms, 100, spare=False) == int(stays)
    assert await store.oldest_evidence() is None


async def test_it_goes_in_slices(store: Store) -> None:
    await store.append([failed(at_ms=AT_MS + number) for number in range(50)])
    assert await store.prune_evidence(AT_MS + 40, 30) == 30
    assert await store.prune_evidence(AT_MS + 40, 30) == 10
    assert len(await kept(store)) == 10


class Restless(FakeClock):
    """Nobody else sleeps on this clock: time passes by itself."""

    async def sleep(self, seconds: float) -> None:
        self._now += seconds


async def test_the_janitor_deletes_what_is_too_old(store: Store) -> None:
    await store.append([failed(), failed(at_ms=AT_MS + 10 * DAY_MS)])
    await Janitor(store, Restless(LATE), Retention(), lambda _size: None).clean()
    assert await kept(store) == [(AT_MS + 10 * DAY_MS, 1)]


async def test_over_the_size_evidence_is_shortened_as_the_rest_is(tmp_path: Path) -> None:
    """Runs and evidence of the same fourteen days: neither goes for the other's sake."""
    store = await open_store(f"sqlite:{tmp_path / 'small.db'}")
    every_ms = 14 * DAY_MS // 4000
    noise = "".join(chr(33 + (7 * n * n) % 90) for n in range(2000))
    try:
        await store.append(runs(count=4000, every_ms=every_ms))
        seen = [
            replace(SEEN, received=Sample(Form.TEXT, noise[number % 997 :] + str(number))) for number in range(4000)
        ]
        for start in range(0, 4000, 500):
            batch = range(start, start + 500, 2)
            await store.append([failed(f"shop/{n % 100}", AT_MS + n * every_ms, seen=seen[n]) for n in batch])
        size = await store.size()
        clock = Restless(AT_MS + 14 * DAY_MS)
        await Janitor(store, clock, Retention(size=size * 2 // 3), lambda _size: None).clean()
        results = await store.results("shop/home", 0, FOREVER, 10_000)
        oldest_ms = await store.oldest_evidence()
        assert oldest_ms is not None
        assert await store.size() <= size * 2 // 3
        assert 0 < len(results) < 4000
        assert oldest_ms > AT_MS
    finally:
        await store.close()
