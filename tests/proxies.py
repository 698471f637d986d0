"""Real proxies on 127.0.0.1 for tests: HTTP (CONNECT and absolute form) and SOCKS5 (RFC 1928, RFC 1929)."""

import asyncio
import socket
import struct
from base64 import b64encode
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.servers import Recorder, response


@dataclass
class HttpProxy:
    """A handler for `serving()`. `hosts` are the names that it resolves; others it does not know."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    login: str = ""  # user:password that it wants
    refusal: bytes = b""  # what it answers instead of doing its work
    heads: list[str] = field(default_factory=list)

    async def __call__(self, reader: Recorder, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        wanted = f"Proxy-Authorization: Basic {b64encode(self.login.encode()).decode()}\r\n"
        if self.refusal:
            writer.write(self.refusal)
        elif self.login and wanted not in head:
            headers = {"Proxy-Authenticate": 'Basic realm="proxy"'}
            writer.write(response(b"who?", "407 Proxy Authentication Required", headers))
        elif method == "CONNECT":
            host, _, port = target.rpartition(":")
            await self._tunnel(reader, writer, host.strip("[]"), int(port))
        else:
            await self._forward(reader, writer, head, target)
        await writer.drain()

    async def _tunnel(self, reader: Recorder, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        try:
            inner = await asyncio.open_connection(self.hosts.get(host, host), port)
        except OSError:
            writer.write(response(b"no way", "502 Bad Gateway"))
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await relay(reader, writer, *inner)

    async def _forward(self, reader: Recorder, writer: asyncio.StreamWriter, head: str, target: str) -> None:
        url = urlsplit(target)
        inner = await asyncio.open_connection(self.hosts.get(str(url.hostname), url.hostname), url.port or 80)
        path = url.path + (f"?{url.query}" if url.query else "")
        inner[1].write(head.replace(target, path, 1).encode("latin-1"))
        await relay(reader, writer, *inner)


@dataclass
class Socks5:
    """A handler for `serving()`. `asked` are the addresses or names that it was to connect to."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    reply: int = 0  # RFC 1928 section 6; 0 does the work
    swallows: Container[str] = ()  # addresses that it never answers for
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, reader: Recorder, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if not await self._welcomed(methods, reader, writer):
            return
        host, port = await _address(reader)
        self.asked.append((host, port))
        if host in self.swallows:
            await reader.read()
            return
        code = self.reply
        if not code:
            try:
                inner = await asyncio.open_connection(self.hosts.get(host, host), port)
            except OSError:
                code = 5  # connection refused
        writer.write(b"\x05" + bytes([code]) + b"\x00\x01\x00\x00\x00\x00\x00\x00")
        if not code:
            await relay(reader, writer, *inner)
        await writer.drain()

    async def _welcomed(self, methods: bytes, reader: Recorder, writer: asyncio.StreamWriter) -> bool:
        wanted = 2 if self.login else 0
        if wanted not in methods:
            writer.write(b"\x05\xff")
            return False
        writer.write(b"\x05" + bytes([wanted]))
        if self.login is None:
            return True
        _, length = await reader.readexactly(2)
        user = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        good = (user.decode(), password.decode()) == self.login
        writer.write(b"\x01\x00" if good else b"\x01\x01")
        return good


async def _address(reader: Recorder) -> tuple[str, int]:
    _, _, _, kind = await reader.readexactly(4)
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        family = {1: socket.AF_INET, 4: socket.AF_INET6}[kind]
        host = socket.inet_ntop(family, await reader.readexactly(4 if kind == 1 else 16))
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    return host, port


async def relay(
    reader: Recorder, writer: asyncio.StreamWriter, inner: asyncio.StreamReader, outer: asyncio.StreamWriter
) -> None:
    """Bytes both ways until either side ends."""

    async def copy(source: Recorder | asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        if sink.can_write_eof():
            with suppress(OSError):
                sink.write_eof()

    there = asyncio.ensure_future(copy(reader, outer))
    try:
        await copy(inner, writer)
    finally:
        outer.close()
        there.cancel()
        await asyncio.gather(there, return_exceptions=True)
