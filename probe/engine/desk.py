"""What couriers share with the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporters.base import Notice, Post, Trouble
from probe.clock import Clock
from probe.store.deliveries import Delivery
from probe.store.receivers import Receivers


def _unheard(_name: str) -> None:
    """Nobody wants to know."""


def _lasts(_incident: str) -> bool:
    return True


def _plain(notice: Notice, _receiver: str) -> Notice:
    return notice


@dataclass(frozen=True, slots=True)
class Desk:
    """What couriers need, and whom they tell what. Names are those of receivers."""

    clock: Clock
    post: Post
    redact: Callable[[str], str]
    settle: Callable[[Delivery], None]  # write down what became of a delivery
    refused: Callable[[str, str], None]  # a receiver refuses for good, and why
    taken: Callable[[str], None]  # a receiver took a notice
    failed: Callable[[str, Trouble, bool], None]  # a receiver did not take one: why, and whether that is final
    enabled: Callable[[str], None] = _unheard  # a receiver that was disabled is to be told again
    paced: Callable[[str], None] = _unheard  # notices wait because the channel is told no faster
    garbled: Callable[[str], None] = _unheard  # a receiver's template is broken: it was told in our own words
    still: Callable[[str], bool] = _lasts  # whether an incident lasts
    dress: Callable[[Notice, str], Notice] = _plain  # what a receiver is told of a notice: the same each time
    book: Receivers | None = None  # where it is kept who is disabled; None: nowhere
