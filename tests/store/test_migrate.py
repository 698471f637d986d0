"""A database of an older version is brought up to date, or left as it was."""

import sqlite3
from pathlib import Path

import aiosqlite
import pytest

from probe.store.base import StoreError
from probe.store.migrate import MIGRATIONS, Migration, load, migrate, split
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver
from tests.store.samples import AT_MS, alarm, runs
from thresholds.base import Level

NEXT = """
ALTER TABLE checks ADD COLUMN owner TEXT NOT NULL DEFAULT '';
UPDATE checks SET owner = 'team; shop'; -- a semicolon in a text
CREATE TABLE owners (check_id INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The released migrations, and room for the next one."""
    copy = tmp_path / "migrations"
    copy.mkdir()
    for file in MIGRATIONS.glob("*.sql"):
        (copy / file.name).write_text(file.read_text())
    return copy


async def _release(path: Path) -> None:
    """A database as the released version leaves it."""
    driver = SqliteDriver(path)
    await driver.open()
    store = SqlStore(driver)
    try:
        await store.append([*runs(count=20), alarm("shop/cart")])
    finally:
        await store.close()


async def _opened(driver: SqliteDriver) -> None:
    await driver.open()
    await driver.close()


def _schema(path: Path) -> tuple[object, ...]:
    with sqlite3.connect(path) as connection:
        version = connection.execute("PRAGMA user_version").fetchall()
        found = (version, connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall())
    connection.close()
    return found


async def test_an_older_database_is_upgraded_with_all_that_it_holds(path: Path, folder: Path) -> None:
    await _release(path)
    number = len(load())
    (folder / f"{number + 1:04}-owners.sql").write_text(NEXT)
    driver = SqliteDriver(path, migrations=folder)
    await driver.open()
    store = SqlStore(driver)
    try:
        assert await driver.read("SELECT DISTINCT owner FROM checks") == [("team; shop",)]
        assert await driver.read("PRAGMA user_version") == [(number + 1,)]
        assert len(await store.results("shop/home", 0, 2**53, 100)) == 20
        assert len(await store.pending()) == 2
        await store.append(runs(count=21))
        assert len(await store.results("shop/home", AT_MS, 2**53, 100)) == 21
    finally:
        await store.close()


async def test_the_first_release_is_upgraded_to_this_one(path: Path, tmp_path: Path) -> None:
    """A file of schema 1, written by statements of its time, has its runs, its states and its debts afterwards."""
    first = tmp_path / "first"
    first.mkdir()
    (first / "0001-history.sql").write_text((MIGRATIONS / "0001-history.sql").read_text())
    driver = SqliteDriver(path, migrations=first)
    await driver.open()
    store = SqlStore(driver)
    store._sealed = 0  # nothing was rolled up at the time
    await store.append([*runs(count=20), alarm("shop/cart")])
    await store.close()
    with sqlite3.connect(path) as connection:
        # A state as it was written before there were windows and flap detection.
        old = '{"level":3,"since_ms":5,"confirmed":3,"confirmed_since_ms":5,"recent":[[5,3]],"incident":"shop/cart@5"}'
        connection.execute("UPDATE states SET body = ? WHERE check_id = 2", (old,))
    connection.close()
    upgraded = SqliteDriver(path)
    await upgraded.open()
    store = SqlStore(upgraded)
    try:
        assert await upgraded.read("PRAGMA user_version") == [(len(load()),)]
        assert len(await store.results("shop/home", 0, 2**53, 100)) == 20
        assert len(await store.pending()) == 2
        cart = (await store.states())["shop/cart"]
        assert (cart.level, cart.incident, cart.flapping, cart.held) == (Level.DOWN, "shop/cart@5", False, ())
        assert await store.gaps(0, 2**53) == {}
    finally:
        await store.close()


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, folder: Path) -> None:
    await _release(path)
    before = _schema(path)
    (folder / f"{len(load()) + 1:04}-broken.sql").write_text(NEXT + "INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StoreError, match="no such table: nowhere"):
        await _opened(SqliteDriver(path, migrations=folder))
    assert _schema(path) == before
    await _release(path)


async def test_a_migration_that_fails_leaves_no_transaction_open(path: Path) -> None:
    broken = Migration(1, "0001-broken", ("CREATE TABLE a (b)", "INSERT INTO nowhere VALUES (1)"))
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            await migrate(connection, [broken], 1)
        assert not connection.in_transaction
        assert list(await connection.execute_fetchall("SELECT * FROM sqlite_master")) == []


async def test_a_new_database_whose_migration_fails_can_be_begun_again(path: Path, folder: Path) -> None:
    (folder / f"{len(load()) + 1:04}-broken.sql").write_text("SELECT * FROM nowhere;")
    with pytest.raises(StoreError, match="nowhere"):
        await _opened(SqliteDriver(path, migrations=folder))
    await _release(path)


async def test_a_database_of_a_newer_version_is_left_alone(path: Path, folder: Path) -> None:
    (folder / f"{len(load()) + 1:04}-owners.sql").write_text(NEXT)
    newer = SqliteDriver(path, migrations=folder)
    await newer.open()
    await newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"probe\.db: a newer Probe made this database .* run that version"):
        await _opened(SqliteDriver(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("names", [["0002-late.sql"], ["0001-a.sql", "0003-c.sql"], ["0001-a.sql", "0001-b.sql"]])
def test_gaps_and_repeated_numbers_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="without gaps"):
        load(tmp_path)


def test_statements_end_where_sql_says_they_do() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM b;\n  DELETE FROM c;\nEND;"
    text = "-- a note; with a semicolon\nINSERT INTO a VALUES ('x;y');"
    assert split(f"{trigger}\n{text}\n-- the end\n") == (trigger, text)
    with pytest.raises(ValueError, match="not ended"):
        split("SELECT 1;\nSELECT 2\n")
