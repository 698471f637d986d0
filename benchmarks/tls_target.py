"""What HTTPS checks are pointed at: answers at once and closes. Most of its work is OpenSSL's; plain HTTP has target.c.

    python benchmarks/tls_target.py PORT CERTIFICATE

Listens on loopback until its standard input closes. CERTIFICATE is a PEM file with the key and its chain.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\nConnection: close\r\n\r\nHello, world"
_MOST = 65536  # bytes of a request


class Site(asyncio.Protocol):
    """Answers any request with the same few bytes."""

    def __init__(self) -> None:
        self._seen = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._transport is not None and (b"\r\n\r\n" in self._seen or len(self._seen) > _MOST):
            self._transport.write(ANSWER)
            self._transport.close()


async def serve(port: int, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with await loop.create_server(Site, "127.0.0.1", port, ssl=context, backlog=4096):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
