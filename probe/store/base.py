"""The store as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from checks.core.result import Result
from exporters.base import Notice
from thresholds.base import Level, State, Transition, Verdict


class StoreError(Exception):
    """The store could not do it, and may be able to later: a full disk, a locked or unreadable file. One line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict on its way to the store, with the notice that its transition makes and the receivers to tell.

    `verdict.result` is stored, `verdict.state` becomes the check's state, `verdict.transition` is kept for good, and
    every receiver gets a delivery row: all in the transaction of the batch. Appending
    an entry twice keeps it once.
    """

    verdict: Verdict
    notice: Notice | None = None
    receivers: tuple[str, ...] = ()


class Outcome(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # the receiver refused it for good
    MERGED = "merged"  # told as part of a later notice: the outage was over before it could be told


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice for one receiver."""

    notice: Notice
    receiver: str
    outcome: Outcome = Outcome.PENDING
    attempts: int = 0
    error: str = ""
    at_ms: int = 0  # Unix ms of the last attempt; 0 before the first


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored result with the level of that run alone, and why."""

    result: Result
    level: Level
    reason: str


class Store(Protocol):
    """Every method may raise StoreError. Instants are Unix ms; windows are half-open."""

    async def append(self, entries: Sequence[Entry]) -> None:
        """Results, states, transitions and deliveries in one transaction; all of it or nothing; idempotent."""

    async def states(self) -> Mapping[str, State]:
        """The last state of every check, also of those that are no longer configured."""

    async def pending(self) -> Sequence[Delivery]:
        """Deliveries that are still owed, oldest transition first."""

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Write down what became of deliveries, or how often they were tried."""

    async def told(self, since_ms: int) -> Sequence[Delivery]:
        """The last delivered notice of each receiver and incident: of those open, and of those ended after `since_ms`.

        Only incidents of which the receiver's last delivered notice is firing, or resolved at or after `since_ms`.
        """

    async def results(self, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Kept]:
        """The newest `limit` results of a check in a window, oldest first."""

    async def transitions(self, check: str | None, since_ms: int, until_ms: int, limit: int) -> Sequence[Transition]:
        """The newest `limit` transitions of one check or of all in a window, oldest first."""

    async def forget(self, checks: Sequence[str]) -> None:
        """Drop the states of checks that are no longer configured. Their results and transitions stay."""

    async def prune(self, before_ms: int, limit: int) -> int:
        """Delete at most `limit` results older than `before_ms`; how many went. Transitions are never deleted."""

    async def prune_oldest(self, limit: int) -> int:
        """Delete the `limit` oldest results, whatever their age: for a database over its size."""

    async def size(self) -> int:
        """Bytes that the database uses, without pages that are free to be used again."""

    async def close(self) -> None: ...
