"""The Store of a running service, read beside it: no lock is taken, nothing is ever written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from probe.store.base import Store, StoreError
from probe.store.batch import Change
from probe.store.faults import explain
from probe.store.reader import Reader
from probe.store.rows import Row
from probe.store.sql import SqlStore
from probe.store.sqlite import file_of
from probe.store.writer import numbered

_PATIENCE = 5.0  # s that a lock of another program is waited for


async def look_into(url: str) -> Store:
    """The store at `sqlite:/path/to/probe.db`, to be read only. Raises StoreError."""
    path = file_of(url)
    Reader(path).close()  # says what is wrong with the file
    driver = Onlooker(path)
    await driver.open()
    return SqlStore(driver)


class Onlooker:
    """probe.store.sql.Driver that only reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        uri = f"{self.path.as_uri()}?mode=ro"
        try:
            self._connection = await aiosqlite.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    async def read(self, statement: str, values: Row = ()) -> Sequence[Sequence[Any]]:
        if self._connection is None:
            raise StoreError(f"{self.path}: the store is closed")
        try:
            return list(await self._connection.execute_fetchall(numbered(statement), values))
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    async def write(self, changes: Sequence[Change]) -> Sequence[int]:
        raise StoreError(f"{self.path}: it is open for reading only ({len(changes)} changes)")

    async def number(self, change: Change) -> Sequence[int]:
        raise StoreError(f"{self.path}: it is open for reading only ({change[0][:20]} ...)")

    async def size(self, *, shrink: bool = False) -> int:
        """Bytes of the file, with what is free in it."""
        if shrink:
            raise StoreError(f"{self.path}: it is open for reading only")
        return self.path.stat().st_size

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
