"""A disk that fails is one line, costs nothing that was kept, and is forgotten when it works again."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.store.base import StoreError
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver
from tests.store.samples import alarm, runs

FOREVER = 2**53
# Counts for some seconds, without end in sight.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) FROM n"


@pytest.fixture
async def driver(path: Path) -> AsyncIterator[SqliteDriver]:
    opened = SqliteDriver(path, patience=0.05)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def _count(store: SqlStore) -> int:
    return len(await store.results("shop/home", 0, FOREVER, 100_000))


async def _pragma(driver: SqliteDriver, pragma: str) -> None:
    assert driver._writer is not None
    await driver._writer.execute_fetchall(f"PRAGMA {pragma}")


async def test_a_full_disk_is_said_and_passes(path: Path, driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append(runs(count=10))
    await _pragma(driver, "max_page_count = 40")
    batch = [*runs(count=5000), alarm("shop/cart")]
    for _ in range(2):
        with pytest.raises(StoreError, match=r"probe\.db: the disk is full; .*retention\.size"):
            await store.append(batch)
    assert path.with_name("probe.db-wal").stat().st_size == 0  # what space the log had is free for deleting
    assert await store.prune_oldest(3) == 3
    assert await _count(store) == 7
    assert set(await store.states()) == {"shop/home"}
    assert await store.pending() == []
    await _pragma(driver, "max_page_count = 100000")
    await store.append(batch)
    assert await _count(store) == 5000
    assert len(await store.pending()) == 2


async def test_a_disk_that_cannot_be_written_is_said_and_passes(driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append(runs(count=10))
    await _pragma(driver, "query_only = ON")
    with pytest.raises(StoreError, match=r"probe\.db: the database cannot be written .*mounted read-only"):
        await store.append(runs(count=20))
    assert await _count(store) == 10
    await store.append(runs(count=20))  # over a new connection
    assert await _count(store) == 20


async def test_a_lock_of_another_program_is_said_and_passes(path: Path, driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked by another program; see who .*fuser -v .*probe\.db"):
        await store.append(runs(count=5))
    assert await _count(store) == 0
    other.execute("ROLLBACK")
    other.close()
    await store.append(runs(count=5))
    assert await _count(store) == 5


LIMITED = """
import asyncio, json, os, resource, sys
from pathlib import Path
from probe.store.base import StoreError
from probe.store.sqlite import open_store
from tests.store.samples import alarm, runs

async def main():
    store = await open_store("sqlite:" + sys.argv[1])
    said = []
    try:
        await store.append(runs(count=10))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (0, 200_000, 0):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            for _ in range(3):
                try:
                    await store.append([*runs(count=5000), alarm("shop/cart")])
                except StoreError as error:
                    said.append(str(error))
            said.append(len(await store.results("shop/home", 0, 2**53, 10_000)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await store.append([*runs(count=5000), alarm("shop/cart")])
        said.append(len(await store.results("shop/home", 0, 2**53, 10_000)))
        said.append(len(await store.pending()))
    finally:
        await store.close()
    print(json.dumps(said))

asyncio.run(main())
"""


def test_a_file_that_the_kernel_lets_nobody_extend_is_said_and_passes(path: Path) -> None:
    """The real error of a real write(), which no mode bit can keep root from: EFBIG."""
    run = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    *said, after, owed = json.loads(run.stdout)
    lines = [item for item in said if isinstance(item, str)]
    assert len(lines) == 9
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines), lines
    assert "limits on file size" in lines[0]
    assert [item for item in said if isinstance(item, int)] == [10, 10, 10]
    assert (after, owed) == (5000, 2)
    assert _sound(path)


def _sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


async def test_a_file_that_disappears_is_said_and_begun_anew(path: Path, driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append([*runs(count=5), alarm("shop/cart")])
    path.rename(path.with_name("gone.db"))
    with pytest.raises(StoreError, match="moved or deleted while in use"):
        await store.append(runs(count=6))
    await store.append(runs(count=7))
    assert await _count(store) == 7
    assert await store.pending() == []
    assert _sound(path)


async def test_a_folder_that_disappears_is_said_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    driver = SqliteDriver(folder / "probe.db")
    await driver.open()
    store = SqlStore(driver)
    try:
        await store.append(runs(count=5))
        folder.rename(tmp_path / "unmounted")
        with pytest.raises(StoreError, match="moved or deleted"):
            await store.append(runs(count=6))
        with pytest.raises(StoreError, match="cannot be opened"):
            await store.append(runs(count=6))
        with pytest.raises(StoreError, match="cannot be opened"):
            await store.states()
        (tmp_path / "unmounted").rename(folder)
        await store.append(runs(count=6))
        assert await _count(store) == 6
    finally:
        await store.close()


async def test_damage_while_running_is_said(path: Path, driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append(runs(count=20_000))
    await _pragma(driver, "wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    await driver._drop_reader()
    with pytest.raises(StoreError, match="the database is damaged"):
        await store.results("shop/home", 0, FOREVER, 100_000)


async def test_a_cancelled_read_stops_and_frees_the_reader(driver: SqliteDriver) -> None:
    for wait in (0.0, 0.05):
        reading = asyncio.create_task(driver.read(ENDLESS))
        await asyncio.sleep(wait)  # before the statement begins, and in the midst of it
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(5):
            assert await driver.read("SELECT 1") == [(1,)]


async def test_a_deadline_ends_a_slow_read(driver: SqliteDriver) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await driver.read(ENDLESS)
    assert await driver.read("SELECT 1") == [(1,)]


@pytest.mark.parametrize("turns", [*range(12), 20, 40, 80])
async def test_a_cancelled_append_is_whole_or_nothing(driver: SqliteDriver, turns: int) -> None:
    """Cancelled at every await of it, and between."""
    store = SqlStore(driver)
    batch = [*runs(count=300), alarm("shop/cart")]
    appending = asyncio.create_task(store.append(batch))
    for _ in range(turns):
        await asyncio.sleep(0)
    appending.cancel()
    await asyncio.gather(appending, return_exceptions=True)
    found = (await _count(store), len(await store.pending()), len(await store.states()))
    assert found in {(0, 0, 0), (300, 2, 2)}
    await store.append(batch)
    assert (await _count(store), len(await store.pending()), len(await store.states())) == (300, 2, 2)


async def test_readers_do_not_wait_for_a_writer(driver: SqliteDriver) -> None:
    store = SqlStore(driver)
    await store.append(runs(count=10))
    assert driver._writer is not None
    await driver._writer.execute("BEGIN IMMEDIATE")
    await driver._writer.execute("DELETE FROM results")
    assert await _count(store) == 10
    await driver._writer.rollback()


async def test_closing_stops_the_threads_even_when_it_is_cancelled(path: Path) -> None:
    driver = SqliteDriver(path)
    await driver.open()
    closing = asyncio.create_task(driver.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert await _threads() == []
    again = SqliteDriver(path)
    await again.open()
    await again.close()


async def test_opening_that_is_cancelled_leaves_nothing_behind(path: Path) -> None:
    for turns in range(30):
        driver = SqliteDriver(path)
        opening = asyncio.create_task(driver.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await driver.close()
    last = SqliteDriver(path)
    await last.open()
    await last.close()
    assert await _threads() == []


async def _threads() -> list[str]:
    """Threads of connections that do not end."""
    ours = [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]
    for thread in ours:
        await asyncio.to_thread(thread.join, 5)
    return [thread.name for thread in ours if thread.is_alive()]


FORGETS = """
import asyncio, sys
from probe.store.sqlite import open_store

async def main():
    try:
        await open_store("sqlite:" + sys.argv[1])
    except Exception as error:
        print(error)

asyncio.run(main())
"""


def test_a_store_that_cannot_be_opened_does_not_keep_the_process(path: Path) -> None:
    path.write_bytes(b"nothing of the kind" * 1000)
    run = subprocess.run([sys.executable, "-c", FORGETS, str(path)], capture_output=True, text=True, timeout=20)
    assert "no SQLite database" in run.stdout


def test_the_limit_signal_is_ignored_by_python() -> None:
    """What the test of the limited file rests on: the write fails, the process lives."""
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
