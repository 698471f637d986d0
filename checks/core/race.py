"""Dialling several addresses of one host as browsers do: Happy Eyeballs (RFC 8305). The first connection wins."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from checks.core.connection import Connection
from checks.core.peer import OURS, PeerError
from checks.core.poller import Poller
from checks.core.result import Trace
from checks.core.text import one_line
from checks.core.units import format_duration

STAGGER = 0.25  # s after which the next address is tried beside the ones before: RFC 8305 section 5
PATIENCE = 3.0  # s for the family that the user prefers, all of its addresses together
_MOST = 6  # attempts at once, and one of the other family: each is a descriptor, and thousands of checks may race
_LONGEST = 200  # characters of what is told about the losers
_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "no answer",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route from here",
    errno.EADDRNOTAVAIL: "no local address",
    errno.EAFNOSUPPORT: "no such protocol here",
}


def _akin(one: str, other: str) -> bool:
    """Whether two addresses are of the same family."""
    return (":" in one) is (":" in other)


def _others_in_time(addresses: Sequence[str]) -> list[str]:
    """The first family first, but no more of it than can be tried at once before the other has its turn."""
    first = [address for address in addresses if _akin(address, addresses[0])]
    other = [address for address in addresses if not _akin(address, addresses[0])]
    return [*first[:_MOST], *other, *first[_MOST:]]


def interleaved(addresses: Sequence[str]) -> list[str]:
    """The families by turns, beginning with that of the first address: RFC 8305 section 4.

    The resolver has sorted them by RFC 6724: IPv6 comes first where this machine has a way to it.
    """
    first = [address for address in addresses if _akin(address, addresses[0])]
    other = deque(address for address in addresses if not _akin(address, addresses[0]))
    mixed: list[str] = []
    for address in first:
        mixed.append(address)
        if other:
            mixed.append(other.popleft())
    return mixed + list(other)


async def dial(
    poller: Poller, trace: Trace, addresses: Sequence[str], port: int, *, stagger: float = STAGGER
) -> Connection:
    """A connection to the first of `addresses` that takes it; raises the failure that says most about the target.

    They are tried in their order: the next one after `stagger` seconds, or as soon as one has failed. A `stagger` over
    the usual one is what the first family has before the other one is tried. The facts tell who won and, where somebody
    came before the winner, what became of them: `net.failed`.
    """
    race = _Race(poller, trace, port)
    _tell(trace, addresses[0])
    with trace.timed("connect") as span:
        try:
            winner = await race.run(addresses, stagger)
        finally:
            await race.end()
        trace.leg.connection = connection = winner.task.result()
        _tell(trace, winner.address)
        if winner.address == addresses[0]:
            span.since(connection.asked_at)
            span.arrived(connection.connected_at)
        else:
            span.ended = connection.connected_at  # a part of it was our own patience
    trace.took_to_ask(connection.asking)
    return connection


def _tell(trace: Trace, address: str) -> None:
    trace.facts["net.address"] = address
    trace.facts["net.family"] = 6 if ":" in address else 4


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address that was tried."""

    address: str
    began: float
    task: asyncio.Task[Connection]

    @property
    def connected_at(self) -> float:
        """Infinity while there is no connection."""
        done = self.task.done() and not self.task.cancelled() and self.task.exception() is None
        return self.task.result().connected_at if done else inf

    @property
    def outcome(self) -> str:
        """What came of it, once the race is over."""
        if not self.task.done() or self.task.cancelled():
            return "no answer in time"
        error = self.task.exception()
        return "connected" if error is None else str(error)


class _Race:
    """Attempts, each in a task that ends with its race."""

    def __init__(self, poller: Poller, trace: Trace, port: int) -> None:
        self._poller = poller
        self._trace = trace
        self._port = port
        self._attempts: list[Attempt] = []
        trace.leg.attempts = self._attempts
        self._winner: Attempt | None = None

    async def run(self, addresses: Sequence[str], stagger: float) -> Attempt:
        """The attempt that won; raises PeerError when none did."""
        left = deque(_others_in_time(addresses) if stagger > STAGGER else addresses)
        while left or self._running():
            if left and not self._pause(left[0], stagger):
                self._start(left.popleft())
            limit = self._pause(left[0], stagger) or min(stagger, STAGGER) if left else inf
            running = [attempt.task for attempt in self._running()]
            timeout = limit if limit < inf else None
            await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            first = min(self._attempts, key=lambda attempt: attempt.connected_at)
            if first.connected_at < inf:
                self._winner = first
                return first
        # That there is no IPv6 here says nothing about a target that refused over IPv4.
        errors = [error for attempt in self._attempts if (error := attempt.task.exception()) is not None]
        raise next((error for error in errors if getattr(error, "code", None) not in OURS), errors[-1])

    async def end(self) -> None:
        """Let nothing of the losers run on or stay open, and write down what became of them."""
        lost = [note for attempt in self._attempts if (note := self._note(attempt))]
        if lost:
            self._trace.facts["net.failed"] = one_line(", ".join(lost), _LONGEST)
        losers = [attempt.task for attempt in self._attempts if attempt is not self._winner]
        for task in losers:
            if not task.cancel() and task.exception() is None:
                task.result().close()
        if losers:
            await self._see_off(losers)

    async def _see_off(self, losers: list[asyncio.Task[Connection]]) -> None:
        try:
            await asyncio.gather(*losers, return_exceptions=True)
        except asyncio.CancelledError:
            if self._winner is not None:
                self._winner.task.result().close()
            raise

    def _start(self, address: str) -> None:
        # Promptly: who comes first decides, and what the winner does next must not wait for a slice of the others'.
        dialling = Connection.dial(self._poller, address, self._port, self._trace.facts, promptly=True)
        self._attempts.append(Attempt(address, self._trace.clock(), asyncio.ensure_future(dialling)))

    def _pause(self, address: str, stagger: float) -> float:
        """Seconds before an address may be tried that is next; infinity: not until an attempt has failed."""
        running = self._running()
        if running and stagger > STAGGER and not any(_akin(address, attempt.address) for attempt in self._attempts):
            return max(0.0, self._attempts[0].began + stagger - self._trace.clock())
        return inf if len(running) >= _MOST else 0.0

    def _running(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts if not attempt.task.done()]

    def _note(self, attempt: Attempt) -> str:
        """What is worth knowing of an attempt: that it failed, or was overtaken by one that began later."""
        if attempt.task.done():
            error = attempt.task.exception()
            return f"{attempt.address} ({_why(error)})" if isinstance(error, PeerError) else ""
        if self._winner is not None and self._winner.began <= attempt.began:
            return ""
        return f"{attempt.address} (no answer in {format_duration(self._trace.clock() - attempt.began)})"


def _why(error: PeerError) -> str:
    return _WORDS.get(error.code, os.strerror(error.code).lower())
