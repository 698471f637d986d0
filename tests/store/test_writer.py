"""A transaction is one piece of work: many rows by one statement, all of them or none."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.store.statements import SQL
from probe.store.writer import Writer, numbered, run

ADD = "INSERT INTO numbers (a, b) VALUES ($1, $2)\nON CONFLICT (a) DO NOTHING"


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    opened = Writer(lambda: sqlite3.connect(tmp_path / "numbers.db", isolation_level=None), 1)
    await opened
    await opened.execute("CREATE TABLE numbers (a INTEGER PRIMARY KEY, b TEXT NOT NULL)")
    try:
        yield opened
    finally:
        await opened.close()


async def _rows(writer: Writer) -> list[tuple[int, str]]:
    return [(a, b) for a, b in await writer.execute_fetchall("SELECT a, b FROM numbers ORDER BY a")]


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 100])
async def test_every_row_is_written_however_many_there_are(writer: Writer, count: int) -> None:
    rows = [(number, f"n{number}") for number in range(count)]
    assert await writer.transact(lambda connection: run(connection, ADD, rows)) == count
    assert await _rows(writer) == rows
    assert await writer.transact(lambda connection: run(connection, ADD, [*rows, (1000, "new")])) == 1


async def test_a_row_that_fails_takes_the_whole_transaction_with_it(writer: Writer) -> None:
    rows = [(number, f"n{number}" if number != 40 else None) for number in range(50)]
    with pytest.raises(sqlite3.IntegrityError):
        await writer.transact(lambda connection: run(connection, ADD, rows))
    assert await _rows(writer) == []
    await writer.transact(lambda connection: run(connection, ADD, [(1, "one")]))
    assert await _rows(writer) == [(1, "one")]


async def test_a_statement_that_is_no_plain_insert_is_run_for_each_row(writer: Writer) -> None:
    await writer.transact(lambda connection: run(connection, ADD, [(number, "old") for number in range(100)]))
    change = "UPDATE numbers SET b = $2 WHERE a = $1"
    rows = [(number, "new") for number in range(0, 100, 2)]
    assert await writer.transact(lambda connection: run(connection, change, rows)) == 50
    assert {b for a, b in await _rows(writer) if a % 2 == 0} == {"new"}


@pytest.mark.parametrize("name", sorted(SQL))
def test_places_keep_their_numbers(name: str) -> None:
    assert numbered(SQL[name]).replace("?", "$") == SQL[name]
