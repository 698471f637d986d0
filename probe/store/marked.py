"""What the store does of changes and deploys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from exporters.alerting.change import Change


class Marked(Protocol):
    """Changes by id and beginning. Every method may raise StoreError."""

    async def mark(self, change: Change) -> None:
        """Keep a change; one of the same id that began at the same instant is replaced."""

    async def changes(self, since_ms: int, limit: int) -> Sequence[Change]:
        """The newest `limit` changes that have not ended before an instant, oldest first."""

    async def attempts(self, wanted: str) -> Sequence[Change]:
        """All changes of an id, oldest first."""
