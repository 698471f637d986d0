"""Asks what is measured, over connections that are kept as Prometheus keeps them: it scrapes, and drives the peer.

What probes are compared with is another one, in client.c.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from httptools import HttpResponseParser

from benchmarks.processes import MeasurementError

_GZIP = 31  # zlib's window bits for a gzip header


class _Line(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[bytes] | None = None
        self._body = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self.lost = False

    async def ask(self, request: bytes) -> bytes:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed without an answer"))

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is None or self._answer.done():
            return
        if (status := self._parser.get_status_code()) != 200:
            self._answer.set_exception(MeasurementError(f"status {status}: {bytes(self._body[:200])!r}"))
        else:
            self._answer.set_result(bytes(self._body))


class Scraper:
    """Asks one server on loopback, over as many connections as there are requests under way."""

    def __init__(self, port: int, *, gzip: bool = False) -> None:
        self._port = port
        encoding = "gzip" if gzip else "identity"
        self._rest = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: benchmark\r\nAccept-Encoding: {encoding}\r\n"
            "Accept: text/plain;version=0.0.4\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
        )
        self._idle: deque[_Line] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for line in self._idle:
            line.close()

    async def get(self, path: str) -> bytes:
        """The body of a good answer. Raises OSError, or MeasurementError for another status."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[-1].lost:  # a server ends what was idle for long
            self._idle.pop()
        if self._idle:
            line = self._idle.pop()
        else:
            _, line = await loop.create_connection(_Line, "127.0.0.1", self._port)
        try:
            body = await line.ask(f"GET {path}{self._rest}".encode())
        except BaseException:
            line.close()
            raise
        self._idle.append(line)
        return zlib.decompress(body, _GZIP) if body.startswith(b"\x1f\x8b") else body

    async def until_answered(self, path: str, limit: float, ended: Callable[[], object], every: float = 0.05) -> None:
        """Wait for a good answer; MeasurementError without one in `limit` seconds, or once `ended` is not None."""
        seen: Exception | None = None
        try:
            async with asyncio.timeout(limit):
                while ended() is None:
                    try:
                        await self.get(path)
                    except (OSError, MeasurementError) as error:  # not listening, or not ready yet
                        seen = error
                        await asyncio.sleep(every)
                    else:
                        return
        except TimeoutError:
            raise MeasurementError(f"{path} was not answered within {limit:g} s: {seen!r}") from None
        raise MeasurementError(f"{path} was not answered, the process has ended")
