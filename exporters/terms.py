"""What a configuration says of a receiver beside its type: whom to tell instead, how fast, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

from exporters.limits import Limit
from exporters.templates import Template


@dataclass(frozen=True, slots=True)
class Terms:
    """How a receiver is to be treated. Those derived from it, for one person each, are treated the same."""

    fallback: str = ""  # the receiver that is told what this one takes no more; "": none
    rate: tuple[Limit, ...] | None = None  # None: as its channel has published it; (): no limit
    template: Template | None = None  # None: our own words
