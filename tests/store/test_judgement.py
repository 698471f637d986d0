"""What is kept for judging over time: gaps, buckets, announcements, and how checks stood."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probe.store.base import Announcement, Bucket, Entry, Kind, Store
from tests.store.samples import AT_MS, runs, verdict
from thresholds.base import Level

FOREVER = 2**53


async def test_a_gap_is_kept_with_the_run_that_ended_it(store: Store) -> None:
    entry = replace(runs(count=1)[0], gap=(AT_MS - 60_000, AT_MS))
    await store.append([entry, entry, *runs("shop/cart", count=2)])
    assert await store.gaps(0, FOREVER) == {"shop/home": [(AT_MS - 60_000, AT_MS)]}
    assert await store.gaps(AT_MS, FOREVER) == {}
    assert await store.gaps(0, AT_MS - 60_000) == {}
    assert await store.gaps(AT_MS - 1, AT_MS) == {"shop/home": [(AT_MS - 60_000, AT_MS)]}


async def test_every_run_is_read_once_and_in_order_whatever_the_page(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.store.sql._PAGE", 7)
    entries = runs(count=40)
    again = replace(entries[6].verdict.result, attempt=2)  # where a page ends
    await store.append([*entries, Entry(replace(entries[6].verdict, result=again))])
    pages = [page async for page in store.runs("shop/home", AT_MS + 20_000, AT_MS + 300_000)]
    read = [(one.result.at_ms, one.result.attempt) for page in pages for one in page]
    expected = sorted([(AT_MS + n * 10_000, 1) for n in range(2, 30)] + [(AT_MS + 60_000, 2)])
    assert read == expected
    assert max(map(len, pages)) == 7


async def test_how_checks_stood_is_their_last_transition_before(store: Store) -> None:
    moves = [
        Entry(verdict("a", AT_MS, Level.UP, moved_from=Level.UNKNOWN)),
        Entry(verdict("b", AT_MS + 1_000, Level.UP, moved_from=Level.UNKNOWN)),
        Entry(verdict("a", AT_MS + 2_000, Level.DOWN, moved_from=Level.UP)),
        Entry(verdict("a", AT_MS + 9_000, Level.UP, moved_from=Level.DOWN)),
    ]
    await store.append(moves)
    standing = await store.standing(AT_MS + 5_000)
    assert [(one.check, one.after) for one in standing] == [("b", Level.UP), ("a", Level.DOWN)]
    assert await store.standing(AT_MS) == []


async def test_the_last_run_of_every_check_is_known(store: Store) -> None:
    await store.append([*runs(count=3), *runs("shop/cart", count=1)])
    assert await store.last_runs() == {"shop/home": AT_MS + 20_000, "shop/cart": AT_MS}


BUCKET = Bucket(AT_MS, 300, 29, 1, 2, 3, {"connect": 2}, {"total": b"\x01\x02", "ttfb": b""})


async def test_buckets_come_back_as_they_were_and_replace_each_other(store: Store) -> None:
    await store.append(runs(count=1))
    later = replace(BUCKET, at_ms=AT_MS + 300_000)
    hour = replace(BUCKET, step=3600)
    await store.roll("shop/home", [later, BUCKET, hour])
    assert await store.buckets("shop/home", 300, AT_MS, FOREVER) == [BUCKET, later]
    await store.roll("shop/home", [replace(BUCKET, up=30)])
    assert await store.buckets("shop/home", 300, 0, AT_MS + 1) == [replace(BUCKET, up=30)]
    assert await store.buckets("shop/home", 3600, 0, FOREVER) == [hour]
    assert await store.buckets("shop/cart", 300, 0, FOREVER) == []


async def test_old_buckets_of_a_step_are_deleted_a_few_at_a_time(store: Store) -> None:
    await store.append(runs(count=1))
    await store.roll("shop/home", [replace(BUCKET, at_ms=AT_MS + n * 300_000) for n in range(5)])
    await store.roll("shop/home", [replace(BUCKET, step=3600)])
    assert await store.prune_buckets(300, AT_MS + 900_000, 2) == 2
    assert await store.prune_buckets(300, AT_MS + 900_000, 2) == 1
    assert len(await store.buckets("shop/home", 300, 0, FOREVER)) == 2
    assert len(await store.buckets("shop/home", 3600, 0, FOREVER)) == 1


async def test_up_to_when_buckets_are_complete_is_remembered(store: Store) -> None:
    await store.roll_until(300, AT_MS)
    await store.roll_until(3600, 5)
    await store.roll_until(300, AT_MS + 300_000)
    assert await store.rolled() == {300: AT_MS + 300_000, 3600: 5}


async def test_announcements_last_until_they_are_ended(store: Store) -> None:
    work = Announcement("m1", Kind.MAINTENANCE, AT_MS, 0, ("shop/*",), (), {"env": "prod"}, "pause", True, "x", "ana")
    past = Announcement("e1", Kind.EXCLUSION, AT_MS - 9_000, AT_MS - 5_000, services=("shop",), reason="lab test")
    await store.announce(work)
    await store.announce(past)
    assert await store.announcements(0) == [past, work]
    assert await store.announcements(AT_MS - 5_000) == [work]
    ended = replace(work, ended_ms=AT_MS + 60_000)
    await store.announce(ended)
    assert await store.announcements(AT_MS) == [ended]
    assert await store.announcements(AT_MS + 60_000) == []
