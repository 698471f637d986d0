"""Entries go in whole or not at all, once however often they come, and come back as they were."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from checks.core.result import Fact, Failure, FailureKind, Result
from probe.store.base import Entry, Kept, Store, StoreError
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver, open_store
from tests.store.samples import AT_MS, FACTS, alarm, moved, result, runs, verdict
from thresholds.base import Level, State, Verdict

FOREVER = 2**53


async def _kept(store: Store, check: str = "shop/home") -> list[Kept]:
    return list(await store.results(check, 0, FOREVER, 1000))


async def _everything(store: Store) -> tuple[object, ...]:
    return (
        await _kept(store),
        await store.states(),
        await store.transitions(None, 0, FOREVER, 1000),
        await store.pending(),
        await store.told(0),
    )


@pytest.mark.parametrize(
    "run",
    [
        result(),
        result(good=False),
        result(attempt=3),
        replace(result(good=False), provisional=True),
        Result("shop/home", AT_MS, 0.0),
        Result("shop/home", AT_MS, 10.0, {"dns": 0.0}, {"a": 1, "b": 1.0, "c": True, "d": False, "e": "", "f": 2**70}),
        Result("shop/home", AT_MS, 1.5, failure=Failure(FailureKind.LOCAL, "", "")),
        Result("shop/home", AT_MS, 1.5, failure=Failure(FailureKind.TLS, "tls", "Zertifikat ungültig 🔒\nline two\0")),
    ],
)
async def test_a_run_comes_back_as_it_was(store: Store, run: Result) -> None:
    await store.append([Entry(Verdict(run, Level.DEGRADED, "slow"))])
    assert await _kept(store) == [Kept(run, Level.DEGRADED, "slow")]
    (kept,) = await _kept(store)
    assert {name: type(fact) for name, fact in kept.result.facts.items()} == {
        name: type(fact) for name, fact in run.facts.items()
    }


@pytest.mark.parametrize("reason", ["", "connection refused by 203.0.113.7:443", "total 2 s is over 1 s"])
async def test_the_reason_is_kept_beside_the_message(store: Store, reason: str) -> None:
    run = result(good=False)
    await store.append([Entry(Verdict(run, Level.DOWN, reason))])
    assert await _kept(store) == [Kept(run, Level.DOWN, reason)]


async def test_text_that_no_database_takes_is_kept_with_a_mark(store: Store) -> None:
    facts: Mapping[str, Fact] = {"header": "caf\udce9", "n": 1}
    run = Result("shop/home", AT_MS, 1.0, {}, facts, Failure(FailureKind.PROTOCOL, "ttfb", "bad \ud800 byte"))
    fallen = Verdict(
        run, Level.DOWN, "bad \ud800 byte", State(reason="bad \ud800 byte"), moved(run, Level.UP, Level.DOWN)
    )
    await store.append([replace(alarm(), verdict=fallen)])
    (kept,) = await _kept(store)
    assert kept.result.facts == {"header": "caf?", "n": 1}
    assert kept.reason == "bad ? byte"
    assert (await store.states())["shop/home"].reason == "bad ? byte"


async def test_a_number_that_is_none_stays_one_that_is_none(store: Store) -> None:
    run = Result("shop/home", AT_MS, 1.0, {}, {"before": 1, "ratio": math.nan, "after": "x"})
    await store.append([Entry(Verdict(run, Level.UP, ""))])
    (kept,) = await _kept(store)
    ratio = kept.result.facts["ratio"]
    assert isinstance(ratio, float)
    assert math.isnan(ratio)


async def test_states_come_back_as_they_were(store: Store) -> None:
    state = State(
        level=Level.UNKNOWN,
        since_ms=AT_MS,
        confirmed=Level.DOWN,
        confirmed_since_ms=AT_MS - 5,
        recent=((AT_MS - 5, Level.DOWN), (AT_MS, Level.DEGRADED)),
        failing_since_ms=AT_MS - 7,
        incident="shop/home@1",
        incident_since_ms=AT_MS - 5,
        reason="503",
    )
    await store.append([Entry(Verdict(result(), Level.UP, "", state))])
    assert await store.states() == {"shop/home": state}


async def test_the_last_entry_of_a_check_decides_its_state(store: Store) -> None:
    entries = [Entry(verdict("a", AT_MS, Level.DOWN)), Entry(verdict("b")), Entry(verdict("a", AT_MS + 1))]
    await store.append(entries)
    assert await store.states() == {"a": entries[2].verdict.state, "b": entries[1].verdict.state}


@pytest.mark.parametrize("earlier_ms", [1, 3_599_999, 86_400_000])
async def test_the_state_that_was_judged_last_counts_although_the_clock_was_set_back(
    store: Store, earlier_ms: int
) -> None:
    await store.append([Entry(verdict("a", AT_MS))])
    after = Entry(verdict("a", AT_MS - earlier_ms, Level.DOWN, moved_from=Level.UP))
    await store.append([after])
    assert (await store.states())["a"] == after.verdict.state
    assert len(await _kept(store, "a")) == 2


async def test_appending_twice_changes_nothing(store: Store) -> None:
    entries = [*runs(count=3), alarm("shop/home", AT_MS + 60_000), alarm("shop/cart")]
    await store.append(entries)
    once = await _everything(store)
    await store.append(entries)
    await store.append(entries[1:])
    assert await _everything(store) == once


async def test_appending_again_after_a_restart_changes_nothing(path, store: Store) -> None:
    entries = [*runs(count=3), alarm("shop/home", AT_MS + 60_000)]
    await store.append(entries)
    once = await _everything(store)
    await store.close()
    again = await open_store(f"sqlite:{path}")
    try:
        assert await _everything(again) == once
        await again.append(entries)
        assert await _everything(again) == once
    finally:
        await again.close()


async def test_attempts_at_one_instant_are_runs_of_their_own(store: Store) -> None:
    attempts = [result(attempt=number) for number in (1, 2, 3)]
    await store.append([Entry(Verdict(run, Level.UP, "")) for run in attempts])
    assert [kept.result.attempt for kept in await _kept(store)] == [1, 2, 3]


async def test_transitions_of_one_instant_keep_the_order_of_their_entries(store: Store) -> None:
    entries = [Entry(verdict(check, AT_MS, Level.DOWN, moved_from=Level.UP)) for check in "cab"]
    await store.append(entries)
    found = await store.transitions(None, 0, FOREVER, 10)
    assert found == [entry.verdict.transition for entry in entries]
    assert found[0].check == "c"


async def test_half_a_batch_is_never_kept(path) -> None:
    driver = SqliteDriver(path)
    await driver.open()
    store = SqlStore(driver)
    try:
        wrong = replace(alarm(), act=None)
        broken = replace(wrong, verdict=replace(wrong.verdict, result=replace(wrong.verdict.result, at_ms=2**63)))
        with pytest.raises(OverflowError):
            await store.append([*runs(count=3), alarm("a"), broken])
        assert await _everything(store) == ([], {}, [], [], [])
        await store.append([alarm("a")])
        assert list(await store.states()) == ["a"]
    finally:
        await store.close()


async def test_an_empty_batch_is_no_transaction(store: Store) -> None:
    await store.append([])
    await store.settle([])
    await store.forget([])
    assert await store.states() == {}


async def test_forgotten_states_leave_the_history(store: Store) -> None:
    await store.append([alarm("a"), alarm("b")])
    await store.forget(["a", "never/seen"])
    assert list(await store.states()) == ["b"]
    assert len(await _kept(store, "a")) == 1
    assert len(await store.transitions("a", 0, FOREVER, 10)) == 1
    await store.append([alarm("a", AT_MS + 1)])
    assert list(await store.states()) == ["a", "b"]


async def test_big_batches_leave_the_event_loop_to_others(store: Store) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await store.append(runs(count=2000))
    written = turns
    assert len(await _kept(store)) == 1000
    counting.cancel()
    assert written >= 20
    assert turns - written >= 10


async def test_what_repeats_is_stored_once(store: Store) -> None:
    await store.append(runs(count=500))
    await store.append([Entry(verdict(f"other/{number}", AT_MS)) for number in range(50)])
    assert await _count(store, "shapes") == 1


async def test_a_text_that_never_rests_goes_with_the_run(store: Store) -> None:
    facts = [{**FACTS, "request": f"id-{number}"} for number in range(60)]
    entries = [
        Entry(Verdict(Result("a", AT_MS + number, 0.1, {}, fact), Level.UP, "")) for number, fact in enumerate(facts)
    ]
    await store.append(entries)
    assert await _count(store, "shapes") < 25
    assert [kept.result.facts for kept in await _kept(store, "a")] == facts


async def _count(store: Store, table: str) -> int:
    assert isinstance(store, SqlStore)
    ((count,),) = await store._driver.read(f"SELECT count(*) FROM {table}")
    return int(count)


async def test_a_row_of_another_version_is_one_clear_line(store: Store) -> None:
    await store.append(runs(count=1))
    assert isinstance(store, SqlStore)
    await store._driver.write([("UPDATE states SET body = $1", [('{"level": 9}',)])])
    await store._driver.write([("UPDATE results SET measured = $1", [("[1]",)])])
    with pytest.raises(StoreError, match="cannot read"):
        await store.states()
    with pytest.raises(StoreError, match="cannot read"):
        await _kept(store)


async def test_a_state_that_stays_is_not_written_again(store: Store) -> None:
    state = State(Level.UP, AT_MS, Level.UP, AT_MS)
    await store.append([Entry(Verdict(result(), Level.UP, "", state))])
    assert isinstance(store, SqlStore)
    other = '{"level":1,"since_ms":7}'
    await store._driver.write([("UPDATE states SET body = $1", [(other,)])])
    await store.append([Entry(Verdict(result(at_ms=AT_MS + 1), Level.UP, "", state))])
    assert (await store.states())["shop/home"].since_ms == 7
    await store.append([Entry(Verdict(result(at_ms=AT_MS + 2), Level.UP, "", replace(state)))])
    assert (await store.states())["shop/home"] == state


async def test_a_forgotten_state_is_written_again_although_it_stayed(store: Store) -> None:
    state = State(Level.UP, AT_MS, Level.UP, AT_MS)
    await store.append([Entry(Verdict(result(), Level.UP, "", state))])
    await store.forget(["shop/home"])
    await store.append([Entry(Verdict(result(at_ms=AT_MS + 1), Level.UP, "", state))])
    assert await store.states() == {"shop/home": state}


async def test_a_state_whose_batch_failed_is_written_with_the_next(store: Store) -> None:
    state = State(Level.DOWN, AT_MS, Level.DOWN, AT_MS)
    broken = Entry(Verdict(replace(result(), at_ms=2**63), Level.DOWN, "", state))
    with pytest.raises(OverflowError):
        await store.append([broken])
    await store.append([Entry(Verdict(result(), Level.DOWN, "", state))])
    assert await store.states() == {"shop/home": state}
