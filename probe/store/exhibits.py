"""Evidence as the store keeps it, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from checks.core.evidence import Evidence

PER_CHECK = 200  # the newest; more of one check than anybody looks through


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What one failing run saw."""

    check: str
    at_ms: int  # Unix ms when the run started
    attempt: int
    evidence: Evidence


class Exhibits(Protocol):
    """What the store knows of failing runs. Every method may raise StoreError."""

    async def evidence(self, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Exhibit]:
        """The newest evidence of a check, of runs that began in a window; oldest first."""

    async def prune_evidence(self, before_ms: int, limit: int, *, spare: bool = True) -> int:
        """Delete at most `limit` pieces that are older; how many went.

        `spare`: those of checks with an outage that is not over, or was at that instant or later, stay.
        """

    async def oldest_evidence(self) -> int | None:
        """When the oldest run began of which there is evidence."""
