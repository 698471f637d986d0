"""Names to addresses by c-ares on the event loop, as /etc/hosts and resolv.conf say; no thread pool to queue behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Literal

import pycares
from pycares import errno as ares

Family = Literal["any", "ipv4", "ipv6", "prefer_ipv4", "prefer_ipv6"]

_ASKED = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
# Each try waits twice as long as the one before: 1, 2, 4, 8, 16 s. The deadline of a run is nearly always shorter.
_PATIENCE = 1.0
_TRIES = 5
_RECHECK = 0.5  # s between looks at what has timed out inside c-ares

NO_ADDRESS: int = ares.ARES_ENODATA
_OURS = {ares.ARES_ECONNREFUSED, ares.ARES_ENOMEM, ares.ARES_EFILE, ares.ARES_ECANCELLED}
_WORDS = {
    ares.ARES_ENOTFOUND: "no such host {name}",
    ares.ARES_ENODATA: "{name} has no {records}",
    ares.ARES_ESERVFAIL: "the name server failed to resolve {name}",
    ares.ARES_EREFUSED: "the name server refused to resolve {name}",
    ares.ARES_ETIMEOUT: "no name server answered for {name}",
    ares.ARES_ECONNREFUSED: "no name server could be reached to resolve {name}",
    ares.ARES_EBADNAME: "{name} is no host name",
    ares.ARES_EBADRESP: "the name server answered nonsense for {name}",
    ares.ARES_EFORMERR: "the name server did not understand the question for {name}",
}
_RECORDS = {"ipv4": "IPv4 address", "ipv6": "IPv6 address"}


class ResolveError(Exception):
    """A name has no address. `ours`: because of this machine, not because of the name."""

    def __init__(self, name: str, code: int, family: Family = "any") -> None:
        words = _WORDS.get(code, f"resolving {{name}} failed: {ares.strerror(code)!s}")
        super().__init__(words.format(name=name, records=_RECORDS.get(family, "address")))
        self.ours = code in _OURS


class Resolver:
    """Fresh answers: every look-up goes out to the name server, as a probe's must.

    c-ares keeps a cache of its own that cannot be switched off, so a channel is asked for each name once. With many
    names that is one new channel per round of checks, which also picks up a changed resolv.conf.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._servers = tuple(servers)
        self._channel: _Channel | None = None
        self._asked: set[str] = set()
        self._retired: set[_Channel] = set()

    async def lookup(self, name: str, family: Family = "any") -> list[str]:
        """The addresses of an ASCII name, in the order to try them in; raises ResolveError."""
        found = await self._fresh_channel(name).lookup(name, _ASKED.get(family, socket.AF_UNSPEC), family)
        if family.startswith("prefer_"):
            found.sort(key=lambda address: (":" in address) is (family == "prefer_ipv4"))
        return found

    def _fresh_channel(self, name: str) -> _Channel:
        if self._channel is None or name in self._asked:
            self._retire()
            try:
                self._channel = _Channel(self._servers)
            except pycares.AresError as error:
                raise ResolveError(name, ares.ARES_ENOMEM) from error
        self._asked.add(name)
        return self._channel

    def _retire(self) -> None:
        self._retired = {channel for channel in self._retired if channel.busy}
        if self._channel is not None:
            self._retired.add(self._channel)
            self._channel.retire()
            self._channel = None
        self._asked.clear()

    def close(self) -> None:
        """End everything; look-ups that still wait fail."""
        self._retire()
        for channel in self._retired:
            channel.close()
        self._retired.clear()


class _Channel:
    """A c-ares channel whose sockets are watched by the running loop."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._readers: set[int] = set()
        self._writers: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pending = 0
        self._retired = self._closed = False
        self._ares = pycares.Channel(
            sock_state_cb=self._watch, timeout=_PATIENCE, tries=_TRIES, servers=servers or None
        )

    @property
    def busy(self) -> bool:
        return not self._closed

    async def lookup(self, name: str, asked: int, family: Family) -> list[str]:
        answer: asyncio.Future[list[str]] = self._loop.create_future()

        def take(result: pycares.AddrInfoResult | None, code: int | None) -> None:
            self._pending -= 1
            if self._retired and not self._pending:
                # Not from inside c-ares, which is still busy with the sockets of this very answer.
                self._loop.call_soon(self.close)
            if answer.done():
                return  # the run is over: its deadline did not wait
            if code or result is None or not result.nodes:
                answer.set_exception(ResolveError(name, code or ares.ARES_ENODATA, family))
            else:
                answer.set_result(list(dict.fromkeys(node.addr[0].decode() for node in result.nodes)))

        self._pending += 1
        self._ares.getaddrinfo(name, None, family=socket.AddressFamily(asked), callback=take)
        if self._timer is None and not answer.done():
            self._timer = self._loop.call_later(_RECHECK, self._recheck)
        return await answer

    def retire(self) -> None:
        """Close as soon as nothing is pending."""
        self._retired = True
        if not self._pending:
            self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._ares.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for fd in self._readers:
            self._loop.remove_reader(fd)
        for fd in self._writers:
            self._loop.remove_writer(fd)
        self._ares.close()

    def _recheck(self) -> None:
        self._timer = None
        if self._pending and not self._closed:
            self._process(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
            self._timer = self._loop.call_later(_RECHECK, self._recheck)

    def _process(self, readable: int, writable: int) -> None:
        if not self._closed:
            self._ares.process_fd(readable, writable)

    def _watch(self, fd: int, readable: bool, writable: bool) -> None:
        if self._closed:
            return  # the last sockets are closed by a thread of pycares
        loop, bad = self._loop, pycares.ARES_SOCKET_BAD
        self._set(self._readers, fd, readable, loop.add_reader, loop.remove_reader, (fd, bad))
        self._set(self._writers, fd, writable, loop.add_writer, loop.remove_writer, (bad, fd))

    def _set(self, watched: set[int], fd: int, wanted: bool, add: Any, remove: Any, ready: tuple[int, int]) -> None:
        if wanted and fd not in watched:
            watched.add(fd)
            add(fd, self._process, *ready)
        elif not wanted and fd in watched:
            watched.discard(fd)
            remove(fd)
