"""A database of an older version is brought up to date, or left as it was."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import aiosqlite
import pytest

from probe.store.base import Entry, StoreError
from probe.store.migrate import MIGRATIONS, Migration, load, migrate, split
from probe.store.sql import SqlStore
from probe.store.sqlite import APPLICATION, SqliteDriver
from tests.store.samples import AT_MS, alarm, runs, verdict
from thresholds.base import Level
from thresholds.timeline import edges_of

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


# Statements of the first version, which all that came after had, too.
_OF_OLD = (
    "INSERT INTO checks (id, name) VALUES (1, 'shop/home'), (2, 'shop/cart')",
    (
        "INSERT INTO shapes (id, digest, used_ms, body)"
        ' VALUES (1, x\'01\', {at}, \'{"phases":["connect"],"measured":[],"same":{}}\')'
    ),
    "INSERT INTO results VALUES (1, {at}, 1, 1, 0, 21000, 1, '[1100]', NULL, NULL, NULL, NULL)",
    "INSERT INTO results VALUES (2, {at}, 1, 3, 0, 9000, 1, '[900]', 'connect', 'connect', 'refused', NULL)",
    # A state as it was written before there were windows and flap detection.
    (
        'INSERT INTO states VALUES (2, {at}, \'{"level":3,"since_ms":5,"confirmed":3,"confirmed_since_ms":5,'
        '"recent":[[5,3]],"incident":"shop/cart@5"}\')'
    ),
    (
        "INSERT INTO transitions (check_id, at_ms, since_ms, level_before, level_after, event, incident,"
        " incident_since_ms, reason) VALUES (2, {at}, 5, 1, 3, 'opened', 'shop/cart@5', 5, 'refused')"
    ),
)


def _older(path: Path, version: int) -> None:
    """A database of a schema of before, with a check that is well and one that is down."""
    with sqlite3.connect(path) as connection:
        for migration in load()[:version]:
            for statement in migration.statements:
                connection.execute(statement)
        for statement in _OF_OLD:
            connection.execute(statement.replace("{at}", str(AT_MS)))
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


@pytest.mark.parametrize("version", range(1, len(load())))
async def test_every_version_of_before_is_upgraded_to_this_one(path: Path, version: int) -> None:
    """Its runs, its states and its transitions are there afterwards, and more can be stored."""
    _older(path, version)
    upgraded = SqliteDriver(path)
    await upgraded.open()
    store = SqlStore(upgraded)
    try:
        assert await upgraded.read("PRAGMA user_version") == [(len(load()),)]
        assert [kept.level for kept in await store.results("shop/cart", 0, 2**53, 100)] == [Level.DOWN]
        cart = (await store.states())["shop/cart"]
        assert (cart.level, cart.incident, cart.flapping, cart.held) == (Level.DOWN, "shop/cart@5", False, ())
        assert await store.gaps(0, 2**53) == {}
        await store.append([*runs(count=20), alarm("shop/cart", AT_MS + 60_000)])
        assert len(await store.results("shop/home", 0, 2**53, 100)) == 20
        assert len(await store.pending()) == 2
        assert len(await store.transitions("shop/cart", 0, 2**53, 100)) == 2
    finally:
        await store.close()


async def test_a_transition_of_before_says_nothing_of_its_runs_alone(path: Path) -> None:
    """Availability counts it by its level, as it did."""
    _older(path, 6)
    upgraded = SqliteDriver(path)
    await upgraded.open()
    store = SqlStore(upgraded)
    try:
        (move,) = await store.transitions("shop/cart", 0, 2**53, 100)
        assert (move.after, move.runs, move.runs_since_ms) == (Level.DOWN, None, 0)
        assert [(edge.since_ms, edge.level) for edge in edges_of([move])] == [(5, Level.DOWN)]
        assert await upgraded.read("SELECT level_after, runs FROM changes") == [("down", "down")]
        by_runs = replace(move, at_ms=AT_MS + 9, runs=Level.UP, runs_since_ms=AT_MS + 5)
        fallen = verdict("shop/cart", AT_MS + 5, Level.DOWN)
        await store.append([Entry(replace(fallen, transition=by_runs))])
        assert (await store.transitions("shop/cart", 0, 2**53, 100))[-1] == by_runs
        assert await store.standing(2**53) == [by_runs]
        assert await upgraded.read("SELECT level_after, runs FROM changes") == [("down", "down"), ("down", "up")]
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
