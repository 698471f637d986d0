"""One TCP connection of a check over a socket of our own, with the kernel's word on when bytes arrived.

The instants come from SO_TIMESTAMPNS and TCP_INFO where the system has them: a busy event loop of ours is then not
part of anybody's latency. The caller sets the deadline; every await here may be cut off, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from types import TracebackType
from typing import Self

from checks.core.kernel import STAMP_SPACE, Ancillary, arrival, ask_for_stamps, handshake, read_clocks, segments
from checks.core.leg import Leg
from checks.core.peer import PeerError, peer_name
from checks.core.poller import END_EVENTS, READ_EVENTS, WRITE_EVENTS, Poller
from checks.core.result import Fact
from checks.core.wait import Wait

CHUNK = 65536  # bytes per read
_FAIR = 524288  # bytes that are taken in one go
_ONE_SEGMENT = 1200  # bytes that fit into one, whatever the path


class Connection:
    """A stream of bytes to a target. `received_at` is the instant, on the monotonic clock, of what recv() gave last.

    `idle` are the seconds for which what had arrived waited for our turn while the target waited for what we do next;
    `asked_at` is the instant at which it began to connect, `asking` the seconds that the call for it took. `local` is
    where it began, known once it has failed.
    """

    __slots__ = (
        "_address",
        "_facts",
        "_fd",
        "_incoming",
        "_nagle",
        "_outgoing",
        "_poller",
        "_promptly",
        "_readable",
        "_sock",
        "_spoke",
        "_tls",
        "_wait",
        "_wanted",
        "_winding_down",
        "_yielded_at",
        "asked_at",
        "asking",
        "connected_at",
        "idle",
        "local",
        "received",
        "received_at",
    )

    def __init__(
        self,
        sock: socket.SocketType,
        address: str,
        port: int,
        poller: Poller,
        facts: dict[str, Fact],
        *,
        promptly: bool = False,
    ) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self._address = (address, port)
        self._poller = poller
        self._promptly = promptly
        self._facts = facts
        self._wait = Wait(poller.loop)
        self._wanted = 0  # the events that end it
        self._readable = self._winding_down = False
        self._nagle, self._spoke = True, False
        self._tls: ssl.SSLObject | None = None
        self._yielded_at = 0
        self.received = 0  # bytes off the wire
        self.local = ""
        self.asked_at = self.connected_at = self.received_at = self.idle = self.asking = 0.0

    @classmethod
    async def dial(
        cls,
        poller: Poller,
        address: str,
        port: int,
        facts: dict[str, Fact],
        *,
        promptly: bool = False,
        leg: Leg | None = None,
    ) -> Self:
        """Connect to an IP address; raises PeerError. `facts` learns whose clock is used: `timing`.

        `promptly`: what arrives is read at once, also where sockets are served in slices. `leg` learns of it before it
        stands.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            sock = socket.SocketType(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)  # without its wrapper's cost
        except OSError as error:
            raise PeerError(error.errno or errno.EIO, peer_name(address, port)) from error
        connection = cls(sock, address, port, poller, facts, promptly=promptly)
        if leg is not None:
            leg.connection = connection
        try:
            await connection._connect()
        except BaseException:
            connection.drop()
            raise
        return connection

    @property
    def address(self) -> str:
        """The IP address at the other end."""
        return self._address[0]

    @property
    def peer(self) -> str:
        """The address and port at the other end, for people."""
        return peer_name(*self._address)

    @property
    def slice(self) -> float:
        """Seconds for which bytes may have waited for others, so that only the last of them have a stamp."""
        return 0.0 if self._promptly else self._poller.slice

    def pieces(self) -> int:
        """In how many pieces, at least, everything came that was received."""
        return segments(self._sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.drop()

    def drop(self) -> None:
        """Close it after a failure: `local` then tells which address and port of ours it was."""
        with contextlib.suppress(OSError):
            address, port = self._sock.getsockname()[:2]
            self.local = peer_name(address, port) if port else ""
        self.close()

    def close(self) -> None:
        """Idempotent; what is unread is dropped."""
        self._poller.forget(self._fd)
        self._fd = -1  # the number may be another connection's by now
        self._sock.close()

    async def recv(self) -> bytes:
        """The next bytes, b"" at the end of the stream. Raises PeerError, or ssl.SSLError under TLS."""
        if self._tls is None:
            return await self._receive()
        while True:
            try:
                return self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()  # an answer to a key update
                data = await self._receive()
                if not data:
                    return b""  # many servers close without a word; lengths and chunks tell whether all came
                self._incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""

    async def send(self, data: bytes) -> None:
        """All of `data` to the kernel. Raises PeerError."""
        if self._tls is None:
            await self._send(data)
        else:
            self._tls.write(data)
            await self._flush()

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLObject:
        """The TLS state after a handshake. Raises PeerError, ssl.SSLError, and EOFError where the server hangs up."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._push()  # small messages follow each other
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        late = 0.0  # s for which the last piece waited for us
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    self.idle += late  # the server waited for this; it did not while it was still sending
                await self._flush()
                data = await self._receive()
                if not data:
                    raise EOFError(f"connection closed by {self.peer}") from None
                late = time.monotonic() - self.received_at
                self._incoming.write(data)
            except ssl.SSLError:
                self._alert()
                raise
            else:
                break
        self.idle += late
        await self._flush()
        self._tls = tls
        return tls

    def _alert(self) -> None:
        """Tell the server why we leave; best effort, nothing waits for it."""
        try:
            self._sock.send(self._outgoing.read())
        except OSError:
            return

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._send(self._outgoing.read())

    async def _connect(self) -> None:
        sock = self._sock
        self.asked_at = began = time.monotonic()
        try:
            ask_for_stamps(sock)
            code = sock.connect_ex(self._address)
            self.asking = time.monotonic() - began
            self._poller.watch(self._fd, self._notice, promptly=self._promptly)
            if code == errno.EINPROGRESS:
                await self._event(WRITE_EVENTS)
                code = 0
            stands, trip = handshake(sock)
            if not stands and not code:
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            raise PeerError(error.errno or errno.EIO, self.peer) from error
        if code:
            raise PeerError(code, self.peer)
        now = time.monotonic()
        if trip is not None and trip <= now - began:
            self.connected_at = began + trip
            self._facts.setdefault("timing", "kernel")  # of a hop before it may have been the loop's
        else:
            self.connected_at = now
            self._facts["timing"] = "loop"

    def _push(self) -> None:
        """Have small segments sent at once (TCP_NODELAY); a single one needs no asking."""
        self._nagle = False
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def _send(self, data: bytes) -> None:
        if self._nagle and (self._spoke or len(data) > _ONE_SEGMENT):
            self._push()
        self._spoke = True
        rest: bytes | memoryview = data
        while True:
            try:
                sent = self._sock.send(rest)
            except BlockingIOError:
                await self._event(WRITE_EVENTS)
                continue
            except OSError as error:
                raise PeerError(error.errno or errno.EIO, self.peer) from error
            if sent == len(rest):
                return
            rest = memoryview(rest)[sent:]

    async def _receive(self) -> bytes:
        """Bytes off the wire with their stamp, b"" at the end."""
        while True:
            if not self._readable:
                await self._event(READ_EVENTS)
            elif self.received - self._yielded_at > _FAIR:
                self._yielded_at = self.received
                await asyncio.sleep(0)  # who sends faster than we read must not keep the loop from the others
            try:
                data, ancillary, _, _ = self._sock.recvmsg(CHUNK, STAMP_SPACE)
            except BlockingIOError:
                self._readable = False
                continue
            except OSError as error:
                raise PeerError(error.errno or errno.EIO, self.peer) from error
            # A short read has emptied the socket: the next edge tells of more. Only the end has been told already.
            self._readable = len(data) == CHUNK or self._winding_down
            if data:
                self.received += len(data)
                self._stamp(ancillary)
            return data

    def _stamp(self, ancillary: Ancillary) -> None:
        now, wall_ns = read_clocks()
        arrived = arrival(ancillary, now, wall_ns, self.connected_at)
        if arrived is None:
            self._facts["timing"] = "loop"
            arrived = now
        self.received_at = arrived

    async def _event(self, wanted: int) -> None:
        """Wait for the next edge of one of these events."""
        self._wanted = wanted
        try:
            await self._wait
        finally:
            self._wanted = 0

    def _notice(self, events: int) -> None:
        """The poller tells of an edge."""
        if events & READ_EVENTS:
            self._readable = True
            if events & END_EVENTS:
                self._winding_down = True
        if events & self._wanted:
            self._wait.wake()
