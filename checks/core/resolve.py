"""Names to addresses by c-ares on the event loop, as /etc/hosts and resolv.conf say; no thread pool to queue behind."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pycares
from pycares import errno as ares

Family = Literal["any", "ipv4", "ipv6", "prefer_ipv4", "prefer_ipv6"]

_ASKED = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
# Each try waits twice as long as the one before: 1, 2, 4, 8, 16 s. The deadline of a run is nearly always shorter.
_PATIENCE = 1.0
_TRIES = 5
_MOMENT = 0.02  # s: who asks for the same name within it asks the same question
_BURST, _PACE = 20.0, 50.0  # channels, and channels per second: each costs 0.4 ms, some descriptors and a thread's time
_BUFFER = 1 << 20  # bytes, where the system allows as many: a burst of names gets a burst of answers
_RECHECK = 0.5  # s between looks at what has timed out inside c-ares

NO_ADDRESS: int = ares.ARES_ENODATA
_GIVEN_UP = {ares.ARES_ECANCELLED, ares.ARES_EDESTRUCTION}
_OURS = _GIVEN_UP | {ares.ARES_ECONNREFUSED, ares.ARES_ENOMEM, ares.ARES_EFILE}
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
_Answer = Callable[[pycares.AddrInfoResult | None, int | None], None]
_RECORDS = {"ipv4": "IPv4 address", "ipv6": "IPv6 address"}


class ResolveError(Exception):
    """A name has no address. `ours`: because of this machine, not because of the name."""

    def __init__(self, name: str, code: int, family: Family = "any") -> None:
        words = _WORDS.get(code, f"resolving {{name}} failed: {ares.strerror(code)!s}")
        super().__init__(words.format(name=name, records=_RECORDS.get(family, "address")))
        self.ours = code in _OURS


class Resolver:
    """Fresh answers: look-ups go out to the name server, as a probe's must.

    c-ares keeps a cache of its own that cannot be switched off, so a channel is asked for each name once. With many
    names that is one new channel per round of checks, which also picks up a changed resolv.conf. Those who ask for a
    name in the same moment share one question; and where very many ask for few names, more than a channel can be
    opened for, they share what was answered a moment ago.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._servers = tuple(servers)
        self._channel: _Channel | None = None
        self._asked: set[str] = set()  # names, over the open channel
        self._retired: set[_Channel] = set()
        self._questions: dict[tuple[str, int], _Question] = {}
        self._left, self._counted_at = _BURST, 0.0

    @property
    def waiting(self) -> int:
        """Look-ups that wait for a name server."""
        return sum(channel.waiting for channel in self._channels())

    def lookup(self, name: str, family: Family = "any") -> asyncio.Future[list[str]]:
        """The addresses of an ASCII name, in the order to try them in; or ResolveError.

        Done at once where nothing had to be waited for: /etc/hosts knows the name, or it was asked for a moment ago.
        """
        key = name, _ASKED.get(family, socket.AF_UNSPEC)
        question = self._questions.get(key)
        if question is None or not self._shared(question):
            question = self._ask(*key)
        return question.join(family)

    def _shared(self, question: _Question) -> bool:
        """Whether its answer is fresh enough: of the same moment, or as good as can be had when very many ask."""
        if question.age <= _MOMENT and question.pending:
            return True
        if self._channels_left() >= 1.0:
            return False
        return question.age <= (_PATIENCE if question.pending else self._good_for)

    @property
    def _good_for(self) -> float:
        # Where answers are slow channels pile up, for they stay until the last answer: open fewer of them then.
        return _MOMENT * (1 + sum(channel.open for channel in self._retired))

    def _channels_left(self) -> float:
        """How many may be opened just now: a burst, and so many a second."""
        now = asyncio.get_running_loop().time()
        self._left = min(_BURST, self._left + (now - self._counted_at) * _PACE)
        self._counted_at = now
        return self._left

    def _ask(self, name: str, asked: int) -> _Question:
        channel = self._fresh_channel(name)
        question = _Question(name, channel)
        channel.ask(name, asked, question.answer)
        if question.pending:
            self._asked.add(name)
            self._questions[name, asked] = question
        return question

    def _fresh_channel(self, name: str) -> _Channel:
        if self._channel is None or name in self._asked:
            self._retire()
            self._left = self._channels_left() - 1.0
            try:
                self._channel = _Channel(self._servers)
            except pycares.AresError as error:
                raise ResolveError(name, ares.ARES_ENOMEM) from error
        return self._channel

    def _retire(self) -> None:
        if self._channel is not None:
            self._retired.add(self._channel)
            self._channel.retire()
            self._channel = None
        self._retired = {channel for channel in self._retired if channel.open}
        self._asked.clear()
        good_for, known = self._good_for, self._questions.items()
        self._questions = {key: question for key, question in known if question.pending or question.age < good_for}

    def _channels(self) -> list[_Channel]:
        return [*self._retired, *([self._channel] if self._channel is not None else [])]

    def close(self) -> None:
        """End everything; look-ups that still wait fail."""
        for channel in self._channels():
            channel.close()
        self._channel = None
        self._retired.clear()
        self._questions.clear()


class _Question:
    """A name that a channel was asked for, and who waits for the answer."""

    __slots__ = ("_began", "_channel", "_code", "_found", "_loop", "_name", "_waiters", "pending")

    def __init__(self, name: str, channel: _Channel) -> None:
        self._name = name
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._waiters: list[tuple[asyncio.Future[list[str]], Family]] = []
        self._found: list[str] = []
        self._code = ares.ARES_ENODATA
        self.pending = True

    @property
    def age(self) -> float:
        """Seconds since it was sent."""
        return self._loop.time() - self._began

    def join(self, family: Family) -> asyncio.Future[list[str]]:
        waiter: asyncio.Future[list[str]] = self._loop.create_future()
        if self.pending:
            self._waiters.append((waiter, family))
            self._channel.enter(waiter)
        else:
            self._tell(waiter, family)
        return waiter

    def answer(self, result: pycares.AddrInfoResult | None, code: int | None) -> None:
        """Called by c-ares, once: maybe while it is being asked."""
        self.pending = False
        if code in _GIVEN_UP:
            self._began = -math.inf  # nobody else is to be told so
        if not code and result is not None:
            self._found = list(dict.fromkeys(node.addr[0].decode() for node in result.nodes))
        self._code = code or ares.ARES_ENODATA
        for waiter, family in self._waiters:
            if not waiter.done():  # the run is over: its deadline did not wait
                self._tell(waiter, family)
        self._waiters.clear()

    def _tell(self, waiter: asyncio.Future[list[str]], family: Family) -> None:
        if not self._found:
            waiter.set_exception(ResolveError(self._name, self._code, family))
            return
        found = self._found.copy()
        if family.startswith("prefer_"):
            found.sort(key=lambda address: (":" in address) is (family == "prefer_ipv4"))
        waiter.set_result(found)


class _Channel:
    """A c-ares channel whose sockets are watched by the running loop."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._readers: set[int] = set()
        self._writers: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pending = 0
        self.waiting = 0
        self.open = True
        self._retired = False
        self._ares = pycares.Channel(
            sock_state_cb=self._watch,
            timeout=_PATIENCE,
            tries=_TRIES,
            servers=servers or None,
            socket_receive_buffer_size=_BUFFER,  # an answer that is dropped is asked for again after a second
        )

    def ask(self, name: str, asked: int, answer: _Answer) -> None:
        """Have `answer` called with what c-ares finds."""

        def take(result: pycares.AddrInfoResult | None, code: int | None) -> None:
            self._pending -= 1
            answer(result, code)

        self._pending += 1
        self._ares.getaddrinfo(name, None, family=socket.AddressFamily(asked), callback=take)
        if self._timer is None and self._pending:
            self._timer = self._loop.call_later(_RECHECK, self._recheck)

    def enter(self, waiter: asyncio.Future[list[str]]) -> None:
        """Stay open until `waiter` is done."""
        self.waiting += 1
        waiter.add_done_callback(self._leave)

    def _leave(self, _: asyncio.Future[list[str]]) -> None:
        self.waiting -= 1
        if self._retired and not self.waiting:
            self.close()

    def retire(self) -> None:
        """Close as soon as nobody waits."""
        self._retired = True
        if not self.waiting:
            self.close()

    def close(self) -> None:
        if not self.open:
            return
        self.open = False
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
        if self._pending and self.open:
            self._process(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
            self._timer = self._loop.call_later(_RECHECK, self._recheck)

    def _process(self, readable: int, writable: int) -> None:
        if self.open:
            self._ares.process_fd(readable, writable)

    def _watch(self, fd: int, readable: bool, writable: bool) -> None:
        if not self.open:
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
