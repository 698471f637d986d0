"""A notice on its way to a receiver, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporters.base import Notice


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
    reference: str = ""  # what the receiver returned: by that it finds what it was told before
