"""The connection that writes: a whole transaction is one piece of work for its thread.

Statement by statement each would be a round trip between two threads, and each row a fight for the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import TypeVar, cast

import aiosqlite

from probe.store.rows import Row

T = TypeVar("T")
Execute = Callable[..., Awaitable[T]]

_WIDE = 32  # rows that one statement inserts
_VALUES = re.compile(r"VALUES \(((?:\$\d+, )*\$\d+)\)")


class Writer(aiosqlite.Connection):
    """aiosqlite's connection, and its thread for work of ours."""

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The outcome of `work` in one transaction, on disk; or nothing of it."""
        execute = cast("Execute[T]", self._execute)
        return await execute(_transacted, self._conn, work)


def _transacted(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcome = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.rollback()
        raise
    return outcome


def run(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
    """Run a statement for every row; how many rows it touched."""
    touched, rest = 0, rows
    wide = _widened(statement) if len(rows) >= _WIDE else ""
    if wide:
        whole = len(rows) - len(rows) % _WIDE
        for start in range(0, whole, _WIDE):
            values = tuple(chain.from_iterable(rows[start : start + _WIDE]))
            touched += connection.execute(wide, values).rowcount
        rest = rows[whole:]
    return touched + connection.executemany(numbered(statement), rest).rowcount if rest else touched


@functools.cache
def numbered(statement: str) -> str:
    """`$1` as SQLite writes it; there `$1` would be a name."""
    return re.sub(r"\$(\d)", r"?\1", statement)


@functools.cache
def _widened(statement: str) -> str:
    """An insert of plain values made one of many rows; "" for any other statement."""
    found = _VALUES.search(statement)
    if found is None or "$" in statement.replace(found[0], "") or "RETURNING" in statement:
        return ""
    row = "(" + ", ".join("?" * (found[1].count("$"))) + ")"
    return statement.replace(found[0], "VALUES " + ", ".join([row] * _WIDE))
