"""What a check type is: a frozen configuration model that can run itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check and when to run it. Lengths in seconds."""

    name: str
    check: Check
    every: float
    timeout: float
    retries: int = 0  # how often a failing run is repeated before it counts
    retry_after: float = 2.0
