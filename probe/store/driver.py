"""What every database must do for the store, and what it means when a row of it cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from probe.store.base import StoreError
from probe.store.batch import Change
from probe.store.rows import Row


class Driver(Protocol):
    """A database. Statements have `$1`; every method may raise StoreError."""

    async def write(self, changes: Sequence[Change]) -> Sequence[int]:
        """Make the changes in one transaction, on disk when this returns; how many rows each one touched."""

    async def number(self, change: Change) -> Sequence[int]:
        """Make a change in a transaction of its own; the id that its statement returns each time that it is run."""

    async def read(self, statement: str, values: Row = ()) -> Sequence[Sequence[Any]]:
        """All rows of one statement, as of its start. Never waits for a writer."""

    async def size(self, *, shrink: bool = False) -> int:
        """Bytes in use, without free space; `shrink` gives a little of the free space back to the disk."""

    async def close(self) -> None: ...


@contextlib.contextmanager
def legible() -> Iterator[None]:
    """StoreError where a row is not as this version writes it."""
    try:
        yield
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise StoreError(f"the store holds a row that this version cannot read: {error}") from error
