"""History is read by window, and goes oldest first when it must."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.store import sql
from probe.store.base import Entry, Store
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver
from probe.store.statements import SQL
from tests.store.samples import AT_MS, alarm, runs, verdict
from thresholds.base import Level

DAY = 86_400_000
FOREVER = 2**53


@pytest.fixture
async def driver(path: Path) -> AsyncIterator[SqliteDriver]:
    opened = SqliteDriver(path)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def _instants(store: Store, check: str = "shop/home") -> list[int]:
    return [kept.result.at_ms for kept in await store.results(check, 0, FOREVER, 100_000)]


@pytest.mark.parametrize(
    ("since", "until", "limit", "seen"),
    [
        (0, 50, 10, [0, 1, 2, 3, 4]),
        (1, 3, 10, [1, 2]),
        (0, 50, 2, [3, 4]),
        (0, 3, 2, [1, 2]),
        (5, 50, 10, []),
        (3, 3, 10, []),
        (0, 50, 0, []),
    ],
)
async def test_a_window_holds_its_newest_oldest_first(
    store: Store, since: int, until: int, limit: int, seen: list[int]
) -> None:
    entries = [Entry(verdict("a", AT_MS + n, Level.DOWN, moved_from=Level.UP)) for n in (3, 0, 4, 1, 2)]
    await store.append([*entries, *runs("b")])
    window = (AT_MS + since, AT_MS + until, limit)
    assert [kept.result.at_ms - AT_MS for kept in await store.results("a", *window)] == seen
    changes = (AT_MS + 30 + since, AT_MS + 30 + until, limit)
    assert [change.since_ms - AT_MS for change in await store.transitions("a", *changes)] == seen
    assert [change.since_ms - AT_MS for change in await store.transitions(None, *changes)] == seen


async def test_a_check_that_never_ran_has_no_history(store: Store) -> None:
    assert await store.results("never", 0, FOREVER, 10) == []
    assert await store.transitions("never", 0, FOREVER, 10) == []


async def test_pruning_takes_what_is_older_in_slices(store: Store) -> None:
    await store.append([*runs("a", 10, 1000), *runs("b", 10, 1000)])
    gone = [await store.prune(AT_MS + 7000, 4) for _ in range(5)]
    assert gone == [4, 4, 4, 2, 0]
    assert [at_ms - AT_MS for at_ms in await _instants(store, "a")] == [7000, 8000, 9000]
    assert await _instants(store, "a") == await _instants(store, "b")


async def test_pruning_by_size_takes_the_oldest_of_all(store: Store) -> None:
    await store.append([*runs("a", 10, 1000), *runs("b", 10, 1000, AT_MS + 5500)])
    assert await store.prune_oldest(8) == 8
    assert [at_ms - AT_MS for at_ms in await _instants(store, "a")] == [7000, 8000, 9000]
    assert [at_ms - AT_MS for at_ms in await _instants(store, "b")][:2] == [6500, 7500]
    assert await store.prune_oldest(100) == 12
    assert await store.prune_oldest(100) == 0


async def test_pruning_never_takes_what_people_were_told(store: Store) -> None:
    await store.append([alarm("a"), alarm("b")])
    assert await store.prune(FOREVER, 1000) == 2
    assert await store.prune_oldest(1000) == 0
    assert len(await store.pending()) == 4
    assert len(await store.transitions(None, 0, FOREVER, 10)) == 2
    assert set(await store.states()) == {"a", "b"}


async def test_shapes_go_with_their_last_result_and_come_back(driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append([Entry(verdict("a", AT_MS, Level.DOWN)), Entry(verdict("a", AT_MS + 10 * DAY))])
    assert await _count(driver, "shapes") == 2
    await store.prune(AT_MS + 1, 10)
    assert await _count(driver, "shapes") == 1
    await store.append([Entry(verdict("a", AT_MS + 3600, Level.DOWN))])  # it is stored again, under whatever id
    assert [at_ms - AT_MS for at_ms in await _instants(store, "a")] == [3600, 10 * DAY]


async def test_shapes_in_use_outlive_the_results_that_brought_them(driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    for day in range(8):
        await store.append(runs("a", 24, 3_600_000, AT_MS + day * DAY))
        await store.prune(AT_MS + (day - 1) * DAY, 1000)
    assert await _count(driver, "shapes") == 1
    instants = await _instants(store, "a")
    assert len(instants) == 48
    ((used_ms,),) = await driver.read("SELECT used_ms FROM shapes")
    assert used_ms >= instants[-1] - DAY


async def _count(driver: SqliteDriver, table: str) -> int:
    ((count,),) = await driver.read(f"SELECT count(*) FROM {table}")
    return int(count)


async def test_the_file_shrinks_when_history_goes(path: Path, store: Store) -> None:
    await store.append(runs("a", 30_000, 1000))
    full = await store.size()
    while await store.prune(AT_MS + 29_000_000, 5000):
        pass
    assert await store.size() < full / 6
    await store.close()
    assert path.stat().st_size < full / 1.5


async def test_size_counts_what_is_used_and_not_what_is_free(driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append(runs("a", 9000, 1000))
    full = await store.size()
    await store.prune_oldest(9000)
    ((pages,),) = await driver.read("SELECT page_count FROM pragma_page_count()")
    assert await store.size() < full / 3 < pages * 4096


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("results", ["SEARCH results USING PRIMARY KEY (check_id=? AND at_ms>? AND at_ms<?)"]),
        ("shapes", ["SEARCH shapes USING INTEGER PRIMARY KEY (rowid=?)"]),
        ("transitions_of_check", ["SEARCH t USING INDEX sqlite_autoindex_transitions_1 (check_id=? AND at_ms>"]),
        ("transitions_of_all", ["SEARCH t USING INDEX transitions_by_time (at_ms>? AND at_ms<?)"]),
        ("prune_results", ["results_by_time (at_ms=? AND check_id=? AND attempt=?)", "results_by_time (at_ms<?)"]),
        ("prune_oldest_results", ["results_by_time (at_ms=? AND check_id=? AND attempt=?)"]),
        ("prune_shapes", ["shapes_by_use (used_ms<?)", "SEARCH results USING COVERING INDEX results_by_time"]),
        ("pending", ["USING INDEX deliveries_owed"]),
        ("told", ["told_by_end (ended_ms=?)", "told_by_end (ended_ms>?)"]),
        ("runs_of_checks", ["SEARCH results USING PRIMARY KEY (check_id=? AND at_ms>? AND at_ms<?)"]),
        ("rollups_of_checks", ["SEARCH rollups USING PRIMARY KEY (check_id=? AND step=? AND at_ms>? AND at_ms<?)"]),
        ("rollups", ["SEARCH rollups USING PRIMARY KEY (check_id=? AND step=? AND at_ms>? AND at_ms<?)"]),
        (
            "prune_rollups",
            ["rollups_by_time (step=? AND at_ms=? AND check_id=?)", "rollups_by_time (step=? AND at_ms<"],
        ),
        ("next_run", ["SEARCH results USING COVERING INDEX results_by_time (at_ms>?)"]),
        ("next_rollup", ["SEARCH rollups USING COVERING INDEX rollups_by_time (step=? AND at_ms>?)"]),
        ("first_run", ["SEARCH results USING PRIMARY KEY (check_id=?)"]),
        ("first_rollup", ["SEARCH rollups USING PRIMARY KEY (check_id=? AND step=?)"]),
        ("oldest", ["SEARCH results USING COVERING INDEX", "SEARCH rollups USING COVERING INDEX rollups_by_time"]),
        ("late_checks", ["SEARCH late USING PRIMARY KEY (step=? AND at_ms=?)"]),
    ],
)
async def test_statements_find_their_rows_by_index(driver: SqliteDriver, name: str, used: list[str]) -> None:
    await SqlStore(driver).append([*runs(count=200), alarm()])
    statement = SQL[name]
    values = (1,) * max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0)
    plan = "\n".join(row[3] for row in await driver.read(f"EXPLAIN QUERY PLAN {statement}", values))
    assert all(step in plan for step in used), plan
    assert not re.search(r"SCAN (r|t|n|d|results|shapes|rollups|late)\b(?! USING)", plan), plan


def test_every_statement_is_one_that_the_store_uses() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(str(sql.__file__)).parent.glob("*.py"))
    assert [name for name in SQL if f'"{name}"' not in source] == []
