"""One transfer of libcurl on the event loop: its head, then its body in pieces, each as soon as it is there.

Nothing outlives the `with`: a transfer that is left, or cut off, is taken out of libcurl at once.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from ipaddress import ip_address
from typing import Any, Self

import pycurl

from checks.core.base import ProtocolError
from checks.core.curl_options import Hop, apply
from checks.core.http1 import Answer
from checks.core.kernel import handshake

_MOST_HEADER = 65536  # bytes, interim answers and trailers among them: as in our own exchange
_MOST_WAITING = 262144  # bytes of a body that wait for us before the server has to
_SECURED = re.compile(rb"SSL connection using (\S+) / (\S+)")
_CHOSEN = re.compile(rb"ALPN: server accepted (\S+)")
_WANTS_CERTIFICATE = (b"TLSv1.3 (IN), TLS handshake, Request CERT", b"TLSv1.2 (IN), TLS handshake, Request CERT")
_ERRNO = re.compile(rb"\w+\(\) returned -1 \(errno (\d+)\)")


class Transfer:
    """A request under way. Instants are of the monotonic clock, as our loop saw them; 0.0 is not yet."""

    def __init__(self, multi: pycurl.AsyncCurlMulti, hop: Hop) -> None:
        self.hop = hop
        self.curl = pycurl.Curl()
        self.began = time.monotonic()
        self.opened_at = self.proxied_at = self.first_at = self.last_at = 0.0
        self.errno = self.received = 0
        self.secured: tuple[str, str] | None = None  # version and cipher of TLS
        self.alpn = ""
        self.wants_certificate = False
        self.misnamed = False  # the certificate is for another name
        self.beginning = b""  # of an answer that is none
        self.asked = b""  # the head of the request as libcurl made it
        self._multi = multi
        self._share = pycurl.CurlShare()
        self._answer = _blank()
        self._heads = 0  # bytes
        self._headed = self._challenged = False
        self._sockets: list[tuple[float, socket.socket]] = []
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._paused = False
        self._fault: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._done: asyncio.Future[pycurl.Curl] | None = None

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self._done = self._multi.add_handle(self.curl)
            self._done.add_done_callback(self._finish)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        done = self._done
        if done is not None and not done.done():
            self._multi.remove_handle(self.curl)
        elif done is not None and not done.cancelled():
            done.exception()  # seen, whether anybody asked or not
        self._done = None
        self.curl.close()
        self._share.close()
        for _, sock in self._sockets:
            sock.close()

    @property
    def connected_at(self) -> float:
        """As the kernel has it, while libcurl does not tell: it speaks of connecting only once TLS is done."""
        for opened, sock in self._sockets:
            stands, trip = handshake(sock)
            if stands:
                return opened + (trip or 0.0)
        return 0.0

    @property
    def failed(self) -> pycurl.error | None:
        """What libcurl says of a transfer that it gave up."""
        done = self._done
        error = done.exception() if done is not None and done.done() and not done.cancelled() else None
        return error if isinstance(error, pycurl.error) else None

    @property
    def complete(self) -> bool:
        """The whole answer is there."""
        return self._done is not None and self._done.done() and self._done.exception() is None

    @property
    def headed(self) -> bool:
        return self._headed

    @property
    def answer(self) -> Answer:
        return self._answer

    async def through(self) -> None:
        """Wait for the proxy to connect us; or for the end, which head() tells of."""
        while not (self.proxied_at or self._headed or self._over or self._fault):
            await self._wait()

    async def head(self) -> Answer:
        """Status and headers. Raises pycurl.error, and ProtocolError where they have no end."""
        while not self._headed:
            self._check()
            if self._over:
                self._end_early()
            else:
                await self._wait()
        return self._answer

    async def piece(self) -> bytes:
        """What of the body comes next, in its encoding; b"" at its end."""
        while not self._pieces:
            self._check()
            if self._over:
                return b""
            await self._wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        if self._paused:
            self._paused = False
            self.curl.pause(pycurl.PAUSE_CONT)
        return data

    @property
    def _over(self) -> bool:
        return self._done is None or self._done.done()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault
        if (failed := self.failed) is not None:
            raise failed

    def _end_early(self) -> None:
        """It is over before there was a head to take."""
        if self._challenged:
            self._headed = True  # libcurl had no answer to it
        elif self._answer.status:
            raise ProtocolError("the connection was closed in the middle of the headers")
        else:
            raise EOFError

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _finish(self, done: asyncio.Future[pycurl.Curl]) -> None:
        if not done.cancelled():
            self._wake()

    def _prepare(self) -> None:
        curl = self.curl
        # A cache of names for this transfer alone: what others resolved is not what this run asked for.
        self._share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        curl.setopt(pycurl.SHARE, self._share)
        apply(curl, self.hop)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.HEADERFUNCTION, self._header)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.VERBOSE, 1)
        curl.setopt(pycurl.DEBUGFUNCTION, self._remark)

    # What libcurl calls. An exception here would be lost in it.

    def _open(self, _purpose: int, address: Any) -> Any:
        """A socket to where the policy has looked, to nowhere else: whatever libcurl made of the URL."""
        if ip_address(address.addr[0]) not in map(ip_address, self.hop.route.addresses):
            words = f"{address.addr[0]} is not what {self.hop.route.host} resolves to"
            self._fault = self._fault or ProtocolError(words)
            return pycurl.SOCKET_BAD
        now = time.monotonic()
        self.opened_at = self.opened_at or now
        try:
            sock = socket.socket(address.family, address.socktype, address.protocol)
        except OSError as error:
            self.errno = error.errno or 0
            return pycurl.SOCKET_BAD
        self._sockets.append((now, sock))  # pycurl makes a duplicate of its own
        return sock

    def _header(self, line: bytes) -> int | None:
        self._heads += len(line)
        if self._heads > _MOST_HEADER:
            where = "between two parts of the body" if self._headed else "of headers without an end"
            return self._refuse(f"more than {_MOST_HEADER // 1024} KiB {where}")
        self.last_at = time.monotonic()
        if self._headed:
            return None  # a trailer
        if line.startswith(b"HTTP/"):
            self._begin(line)
        elif line.strip():
            _keep(self._answer, line)
        else:
            return self._end_of_head()
        return None

    def _begin(self, line: bytes) -> None:
        if not self.first_at or self._answer.status >= 200:
            self.first_at = self.last_at
        parts = line.decode("latin-1").split(None, 2)
        self._answer = _blank()
        self._answer.raw = line
        self._answer.version = parts[0].removeprefix("HTTP/")
        self._answer.status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    def _end_of_head(self) -> int | None:
        status = self._answer.status
        if self.hop.tunnelled and not self.hop.resumed and not self.proxied_at:
            if 200 <= status < 300:
                self.proxied_at = self.last_at
                self.secured, self.alpn = None, ""  # they were the proxy's
            self._answer, self.first_at, self.beginning = _blank(), 0.0, b""
            return None
        if status == 101:
            return self._refuse("the server switched protocols (status 101), which nobody asked for")
        if status < 200:
            return None
        announced = {text.strip() for text in self._answer.headers.get("content-length", "").split(",")}
        if len(announced) == 1 and (length := announced.pop()).isascii() and length.isdigit():
            self._answer.length = int(length)
        if status == 401 and self.hop.challenged:
            self._challenged = True  # which libcurl may answer
            return None
        self._headed = True
        self._wake()
        return None

    def _write(self, data: bytes) -> int | None:
        self._headed = True
        if self._waiting > _MOST_WAITING:
            self._paused = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self.last_at = time.monotonic()
        self._pieces.append(data)
        self._waiting += len(data)
        self.received += len(data)
        self._wake()
        return None

    def _refuse(self, words: str) -> int:
        self._fault = self._fault or ProtocolError(words)
        self._wake()
        return -1

    def _remark(self, kind: int, text: bytes) -> None:
        """What libcurl tells nowhere else."""
        if kind in (pycurl.INFOTYPE_HEADER_IN, pycurl.INFOTYPE_DATA_IN) and not self.beginning:
            self.beginning = text[:200]
            self.first_at = time.monotonic()
        elif kind == pycurl.INFOTYPE_HEADER_OUT:
            self.asked = text
        elif kind != pycurl.INFOTYPE_TEXT:
            return
        elif match := _SECURED.match(text):
            self.secured = (match[1].decode(), match[2].decode())
        elif match := _CHOSEN.match(text):
            self.alpn = match[1].decode()
        elif text.startswith((b"Opened SOCKS connection", b"Established connection to ")):
            self.proxied_at = self.proxied_at or time.monotonic()
            self._wake()
        elif text.startswith(b"SSL: no alternative certificate subject name") or b"does not match hostname" in text:
            self.misnamed = True
        elif text.startswith(_WANTS_CERTIFICATE):
            self.wants_certificate = True
        elif match := _ERRNO.match(text):
            self.errno = int(match[1])


def _blank() -> Answer:
    answer = Answer()
    answer.release()  # its parser: libcurl has one
    return answer


def _keep(answer: Answer, line: bytes) -> None:
    name, _, value = line.decode("latin-1").partition(":")
    key, text = name.strip().lower(), value.strip(" \t\r\n")  # \x85 and \xa0 may be octets of UTF-8
    before = answer.headers.get(key)
    joint = "\n" if key == "set-cookie" else ", "
    answer.headers[key] = text if before is None else f"{before}{joint}{text}"
