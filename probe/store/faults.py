"""What went wrong with a database file, in one line that names the file and the remedy."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from probe.store.base import StoreError

_PRIMARY = 0xFF  # the low byte of an extended result code: https://sqlite.org/rescode.html
_BROKEN = "the database is damaged ({error}); stop Probe, keep a copy, and save what can be read with: "
_BROKEN += "sqlite3 {path} .recover | sqlite3 recovered.db"

_LINES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space (a lower `retention.size` keeps it free)",
    sqlite3.SQLITE_READONLY: "the database cannot be written ({error}); look at the owner and the mode of the file and "
    "its folder, and whether the file system is mounted read-only",
    sqlite3.SQLITE_IOERR: "the disk fails ({name}); look at the free space, limits on file size, and the kernel's log",
    sqlite3.SQLITE_BUSY: "the database is locked by another program; see who has it open with: fuser -v {path}",
    sqlite3.SQLITE_LOCKED: "the database is locked by another program; see who has it open with: fuser -v {path}",
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: "this file is no SQLite database; give another path for `store`, or move the file away",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; look at the owner and the mode of the file and its folder",
    sqlite3.SQLITE_PERM: "the file cannot be opened; look at the owner and the mode of the file and its folder",
    sqlite3.SQLITE_INTERRUPT: "the statement was stopped",
}
# After these the connection itself is as good as ever; after anything else it is opened anew.
_PASSING = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_CONSTRAINT,
}


def explain(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """The error as the rest of the program sees it."""
    if isinstance(error, OSError):
        return StoreError(f"{path}: {_explain_system(error)}")
    line = _LINES.get(_code(error), "the database refuses ({error})")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreError(f"{path}: " + line.format(path=path, error=error, name=name))


def passing(error: sqlite3.Error) -> bool:
    """Whether the connection that raised it may be used again."""
    return _code(error) in _PASSING


def full(error: sqlite3.Error) -> bool:
    """Whether there was no space left."""
    return _code(error) == sqlite3.SQLITE_FULL


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY


def _explain_system(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return _LINES[sqlite3.SQLITE_FULL]
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _LINES[sqlite3.SQLITE_READONLY].format(error=error.strerror)
    return f"the file cannot be opened: {error.strerror}"
