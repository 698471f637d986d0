"""SQLite for the store: one file, one connection that writes, one that reads, one Probe at a time.

Both connections are aiosqlite's, each a thread of its own. The reader is read-only and never checkpoints: SQLite before
3.51.3 can lose a page when two connections checkpoint at the same instant (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from probe.store.base import StoreError
from probe.store.batch import Change
from probe.store.faults import explain, full, passing
from probe.store.lock import take
from probe.store.migrate import MIGRATIONS, load, migrate
from probe.store.rows import Row
from probe.store.sql import SqlStore
from probe.store.writer import Writer, numbered, run

T = TypeVar("T")

APPLICATION = 0x50524F42  # "PROB", in the header of the file: https://sqlite.org/pragma.html#pragma_application_id
_OLDEST = (3, 38, 0)  # STRICT tables and the operator ->>
_PATIENCE = 5.0  # s that a lock of another program is waited for
_SPARE = 256  # free pages that stay in the file for what comes next
_STEP = 512  # pages given back to the disk at a time: 2 MiB
_RETRY_INTERRUPT = 0.005  # s

# synchronous: an alert that was told must not be forgotten when the machine loses power.
# wal_autocheckpoint: every check has a page of its own that each of its runs changes; 64 MiB of log are copied into the
# file at a time, a page that changed often only once. secure_delete: Debian's default overwrites what is deleted.
_WRITER = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = OFF",
    "PRAGMA wal_autocheckpoint = 16384",
    "PRAGMA journal_size_limit = 67108864",
)
_READER = ("PRAGMA cache_size = -8192", "PRAGMA temp_store = MEMORY")
_SIZE = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()
"""


async def open_store(url: str) -> SqlStore:
    """The store at `sqlite:/path/to/probe.db`, brought to the schema of this version. Close it on every path."""
    driver = SqliteDriver(file_of(url))
    await driver.open()
    return SqlStore(driver)


def file_of(url: str) -> Path:
    """The absolute path that a URL names."""
    kind, _, name = url.partition(":")
    if name.startswith("//"):
        name = "/" + name.lstrip("/")
    if kind != "sqlite" or not name:
        raise StoreError(f"{url!r} names no store; write sqlite:/path/to/probe.db")
    if name == ":memory:":
        raise StoreError("a store in memory would forget alerts; write sqlite:/path/to/probe.db")
    return Path(name).absolute()


class SqliteDriver:
    """probe.store.sql.Driver over one file. A connection that broke is opened again by the next call."""

    def __init__(self, path: Path, *, patience: float = _PATIENCE, migrations: Path = MIGRATIONS) -> None:
        self.path = path
        self._patience = patience
        self._migrations = load(migrations)
        self._lock: int | None = None
        self._writer: Writer | None = None
        self._reader: aiosqlite.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of what the writer has open
        self._writing = asyncio.Lock()  # taken before _reading, where both are
        self._reading = asyncio.Lock()

    async def open(self) -> None:
        """Take the file for ourselves and prepare it. StoreError says why not."""
        if sqlite3.sqlite_version_info < _OLDEST:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; 3.38 or newer is needed")
        self._lock = take(self.path)
        try:
            async with self._writing:
                await self._open_writer()
            await self.read("SELECT 1")
        except BaseException:
            await self.close()
            raise

    async def write(self, changes: Sequence[Change]) -> Sequence[int]:
        return await self._transact(lambda connection: [run(connection, *change) for change in changes])

    async def number(self, change: Change) -> Sequence[int]:
        statement, rows = numbered(change[0]), change[1]
        return await self._transact(
            lambda connection: [int(connection.execute(statement, row).fetchone()[0]) for row in rows]
        )

    async def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._writing:
            await self._look_for_file()
            writer = self._writer or await self._open_writer()
            try:
                return await _stoppable(writer, writer.transact(work))
            except sqlite3.Error as error:
                if not passing(error):
                    await self._drop_writer()
                elif full(error):
                    await _empty_log(writer)
                raise explain(self.path, error) from error

    async def read(self, statement: str, values: Row = ()) -> Sequence[Sequence[Any]]:
        async with self._reading:
            try:
                reader = self._reader or await self._open_reader()
                return list(await _stoppable(reader, reader.execute_fetchall(numbered(statement), values)))
            except sqlite3.Error as error:
                if not passing(error):
                    await self._drop_reader()
                raise explain(self.path, error) from error

    async def size(self, *, shrink: bool = False) -> int:
        if shrink:
            await self._shrink()
        ((used,),) = await self.read(_SIZE)
        return int(used)

    async def _shrink(self) -> None:
        async with self._writing:
            try:
                writer = self._writer or await self._open_writer()
                free = await _number(writer, "PRAGMA freelist_count") - _SPARE
                if free > 0:
                    # Not execute(): it takes one step of a statement without columns, and so gives back one page.
                    give_back = f"PRAGMA incremental_vacuum({min(free, _STEP)})"
                    await _stoppable(writer, writer.executescript(give_back))
            except sqlite3.Error as error:
                raise explain(self.path, error) from error

    async def close(self) -> None:
        try:
            async with self._writing, self._reading:
                await self._drop_reader()
                await self._drop_writer()  # last of all: it copies the log into the file
        finally:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.stop()  # we were cancelled: the thread ends by itself, or the process never would
            self._reader = self._writer = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    async def _drop_writer(self) -> None:
        if self._writer is not None:
            await _close(self._writer)
            self._writer = None

    async def _drop_reader(self) -> None:
        if self._reader is not None:
            await _close(self._reader)
            self._reader = None

    async def _look_for_file(self) -> None:
        """Writing goes on into a file that was deleted, and is lost: better to say so."""
        if self._writer is None:
            return
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._file:
                return
        async with self._reading:
            await self._drop_reader()
        await self._drop_writer()
        raise StoreError(f"{self.path}: the file was moved or deleted while in use; a new one is begun")

    async def _open_writer(self) -> Writer:
        if self._lock is None:
            raise StoreError(f"{self.path}: the store is closed")
        writer = Writer(self._connector("rwc"), 1)
        try:
            await writer
            await self._prepare(writer)
            self._file = _identity(self.path)
        except BaseException as error:
            await _close(writer)
            if isinstance(error, (sqlite3.Error, OSError)):
                raise explain(self.path, error) from error
            raise
        self._writer = writer
        return writer

    async def _prepare(self, writer: aiosqlite.Connection) -> None:
        version = await _number(writer, "PRAGMA user_version")
        await self._recognise(writer, version)
        for pragma in _WRITER:
            await writer.execute_fetchall(pragma)
        ((mode,),) = await writer.execute_fetchall("PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise StoreError(f"{self.path}: no write-ahead log is possible here; put the store on a local disk")
        await migrate(writer, self._migrations[version:], APPLICATION)

    async def _recognise(self, writer: aiosqlite.Connection, version: int) -> None:
        """Leave alone what is not ours, or is newer than we are."""
        application = await _number(writer, "PRAGMA application_id")
        if not version and not await _number(writer, "SELECT count(*) FROM sqlite_master"):
            await writer.execute_fetchall("PRAGMA auto_vacuum = INCREMENTAL")  # possible before the first table only
        elif application != APPLICATION:
            raise StoreError(f"{self.path}: this is a database of another program; give another path for `store`")
        elif version > len(self._migrations):
            raise StoreError(
                f"{self.path}: a newer Probe made this database (schema {version}, known here: "
                f"{len(self._migrations)}); run that version, or give another path for `store`"
            )

    async def _open_reader(self) -> aiosqlite.Connection:
        if self._lock is None:
            raise StoreError(f"{self.path}: the store is closed")
        try:
            self._reader = reader = await aiosqlite.Connection(self._connector("ro"), 1)
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        for pragma in _READER:
            await reader.execute_fetchall(pragma)
        return reader

    def _connector(self, mode: str) -> Callable[[], sqlite3.Connection]:
        uri = f"{self.path.as_uri()}?mode={mode}"
        return lambda: sqlite3.connect(uri, uri=True, isolation_level=None, timeout=self._patience)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


async def _number(connection: aiosqlite.Connection, statement: str) -> int:
    ((number,),) = await connection.execute_fetchall(statement)
    return int(number)


async def _stoppable(connection: aiosqlite.Connection, work: Awaitable[T]) -> T:
    """The outcome of a statement. When we are cancelled it is stopped, and gone before anything else is run."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            await connection.interrupt()  # again and again: what comes before the statement began has no effect
            await asyncio.wait({task}, timeout=_RETRY_INTERRUPT)
        if not task.cancelled():
            task.exception()  # seen: it was stopped
        raise


async def _empty_log(writer: aiosqlite.Connection) -> None:
    """Copy the log into the file and give its space back: deleting needs a log too, and so could never begin."""
    with contextlib.suppress(sqlite3.Error):
        await _stoppable(writer, writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))


async def _close(connection: aiosqlite.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        await connection.close()
