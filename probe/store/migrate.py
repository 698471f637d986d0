"""Numbered changes of the schema: read from files, applied in order, each wholly or not at all.

`migrations/0007-what-it-does.sql` makes version 7 out of version 6. A file that was released is never edited.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: `number` is the version of the schema that it leads to."""

    number: int
    name: str
    statements: tuple[str, ...]


def load(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """The migrations of a folder in order; ValueError where their numbers do not run 1, 2, 3."""
    found = tuple(_read(path) for path in sorted(folder.glob("*.sql")))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        names = ", ".join(migration.name for migration in found)
        raise ValueError(f"{folder}: migrations must be numbered 0001, 0002, ... without gaps; found {names or 'none'}")
    return found


def _read(path: Path) -> Migration:
    number, _, _ = path.stem.partition("-")
    return Migration(int(number), path.stem, split(path.read_text(encoding="utf-8")))


def split(script: str) -> tuple[str, ...]:
    """The statements of a script. A statement ends with its line."""
    statements, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            statements.append(begun.strip())
            begun = ""
    if any(line.strip() and not line.strip().startswith("--") for line in begun.splitlines()):
        raise ValueError(f"a statement is not ended by `;`: {begun.strip()[:80]}")
    return tuple(statements)


async def migrate(connection: aiosqlite.Connection, migrations: Sequence[Migration], application: int) -> None:
    """Bring a database to the last of these versions. What fails leaves the version before it, untouched."""
    for migration in migrations:
        await connection.execute("BEGIN IMMEDIATE")
        try:
            # Statement by statement: executescript() would commit first, and leave a failed script half done.
            for statement in migration.statements:
                await connection.execute(statement)
            await connection.execute(f"PRAGMA application_id = {application}")
            await connection.execute(f"PRAGMA user_version = {migration.number}")
            await connection.execute("COMMIT")
        except BaseException:
            await connection.rollback()
            raise
