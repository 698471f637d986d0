"""What a check type is: a frozen configuration model that can run itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from checks.core.net import Net
    from checks.core.result import Trace


class ExpectationError(Exception):
    """A valid answer that is not the wanted one: `ExpectationError("status 503, wanted 2xx")`."""


class ProtocolError(Exception):
    """An answer, but not in the protocol asked for."""


class Check(Protocol):
    """One configured target. The configuration model *is* the check."""

    @property
    def target(self) -> str:
        """What is probed, for people: a URL or host:port, without credentials."""

    @property
    def host(self) -> str:
        """The host that politeness limits are kept by."""

    async def run(self, trace: Trace, net: Net) -> None:
        """Return when the target answered as wanted; raise otherwise. The caller sets the deadline."""


@runtime_checkable
class Repeatable(Protocol):
    """A check that can be made by hand."""

    def by_hand(self, address: str, timeout: float, hide: Callable[[str], str]) -> str:
        """A line for a shell that asks the same, of the same `address` where one is given.

        `hide` takes secrets out of a text; where they were stands a variable to be set: "$PASSWORD".
        """


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check and when to run it. Lengths in seconds."""

    name: str
    check: Check
    every: float
    timeout: float
    retries: int = 0  # how often a failing run is repeated before it counts
    retry_after: float = 2.0
