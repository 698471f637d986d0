"""Real servers on 127.0.0.1 for tests, and rude ones: each is a handler for `serving()`."""

import asyncio
import datetime as dt
import gzip
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[["Recorder", asyncio.StreamWriter], Awaitable[None]]
HOST = "127.0.0.1"


@dataclass
class Served:
    """Where a server listens, and what it was sent."""

    port: int
    host: str = HOST
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}{path}"


@asynccontextmanager
async def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = HOST, port: int = 0
) -> AsyncIterator[Served]:
    """A server, on a free port by default; its open connections end with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(Recorder(reader, served.requests), writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            with suppress(OSError):
                writer.transport.abort() if tls is None and task.cancelling() else writer.close()

    server = await asyncio.start_server(handle, host, port, ssl=tls)
    served = Served(server.sockets[0].getsockname()[1], host)
    try:
        yield served
    finally:
        for _ in range(5):  # whoever is just being accepted gets a task first: asyncio forgets him otherwise
            await asyncio.sleep(0)
        server.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)


class Recorder:
    """What a handler reads from; keeps every request head."""

    def __init__(self, inner: asyncio.StreamReader, heads: list[bytes]) -> None:
        self._inner = inner
        self._heads = heads

    async def read(self, n: int = -1) -> bytes:
        return await self._inner.read(n)

    async def readexactly(self, n: int) -> bytes:
        return await self._inner.readexactly(n)

    async def readuntil(self, separator: bytes) -> bytes:
        head = await self._inner.readuntil(separator)
        self._heads.append(head)
        return head


@contextmanager
def serving_in_thread(server: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run `server(stop)` on a loop of its own: for tests that block theirs."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server(stop))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


# HTTP


def response(
    body: bytes = b"hello", status: str = "200 OK", headers: Mapping[str, str] | None = None, *, length: bool = True
) -> bytes:
    """A whole answer as bytes."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(*pieces: bytes, pause: float = 0.0) -> Handler:
    """Reads a request head, sends the pieces, closes."""

    async def handle(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for number, piece in enumerate(pieces):
            if pause and number:
                await asyncio.sleep(pause)
            writer.write(piece)
            await writer.drain()

    return handle


def routing(routes: Mapping[str, bytes | Callable[[bytes], bytes]]) -> Handler:
    """Answers by path; a route is an answer, or makes one of the request's bytes."""

    async def handle(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        route = routes.get(head.split(b" ")[1].decode().partition("?")[0], response(b"", "404 Not Found"))
        writer.write(route if isinstance(route, bytes) else route(head + body))
        await writer.drain()

    return handle


def redirecting(location: str, status: str = "302 Found") -> bytes:
    return response(b"moved", status, {"Location": location})


async def silent(reader: Recorder, writer: asyncio.StreamWriter) -> None:
    """Takes everything, says nothing."""
    while await reader.read(65536):
        pass


async def closing(reader: Recorder, writer: asyncio.StreamWriter) -> None:
    """Hangs up as soon as it was called."""


def resetting(first: bytes = b"", *, listen: bool = True) -> Handler:
    """Sends `first`, then breaks the connection with a RST."""

    async def handle(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        if listen:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        await writer.drain()
        if first:
            await asyncio.sleep(0.05)  # let the bytes be read: the kernel drops them with the reset
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return handle


def dripping(data: bytes, every: float = 1.0) -> Handler:
    """One byte at a time."""
    return answering(*(data[at : at + 1] for at in range(len(data))), pause=every)


def endless(first: bytes, again: bytes) -> Handler:
    """Never stops sending."""

    async def handle(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()

    return handle


ENDLESS_HEADERS = endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 1000 + b"\r\n")
ENDLESS_HEADER = endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 4096)
ENDLESS_INTERIM = endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50)
ENDLESS_BODY = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536)
ENDLESS_TRAILERS = endless(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"
)


@cache
def gzip_bomb(size: int = 200 << 20) -> bytes:
    """An answer whose body unfolds to `size` zeros."""
    piece = gzip.compress(bytes(10 << 20))
    return response(piece * (size // (10 << 20)), headers={"Content-Encoding": "gzip"})


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


# TCP


async def echo(reader: Recorder, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def banner(text: bytes, *, stay: bool = True) -> Handler:
    async def handle(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        if stay:
            await reader.read(1)

    return handle


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that does not answer a SYN: its queue of connections is full."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        sock.listen(0)
        address = sock.getsockname()
        callers = [socket.socket() for _ in range(4)]
        try:
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex(address)
            yield address[1]
        finally:
            for caller in callers:
                caller.close()


# TLS


@dataclass(frozen=True)
class Pem:
    """Files of a certificate: the chain with its key, for servers and clients."""

    path: Path

    @property
    def der(self) -> bytes:
        """The first certificate."""
        text = self.path.read_text()
        return ssl.PEM_cert_to_DER_cert(
            text[text.index("-----BEGIN CERTIFICATE") : text.index("-----END CERTIFICATE")]
            + "-----END CERTIFICATE-----\n"
        )

    def server(self, *, client_ca: Path | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        context.set_alpn_protocols(["http/1.1"])
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Authority:
    """A CA of our own, and what it signs."""

    def __init__(self, name: str = "Test CA") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="probe-ca-"))
        self._ca = trustme.CA(organization_name=name)
        self.path = self._folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.path))

    def issue(self, *names: str, common_name: str = "shop.example", days: float = 90.0, since: float = -400.0) -> Pem:
        """A certificate that is valid from `since` to `days`, both in days from now."""
        now = dt.datetime.now(dt.UTC)
        leaf = self._ca.issue_cert(
            *(names or (HOST, "localhost", "::1")),
            common_name=common_name,
            not_before=now + dt.timedelta(days=since),
            not_after=now + dt.timedelta(days=days),
        )
        path = Path(tempfile.mkstemp(suffix=".pem", dir=self._folder)[1])
        leaf.private_key_and_cert_chain_pem.write_to_path(str(path))
        return Pem(path)

    def self_signed(self, name: str = "localhost") -> Pem:
        """A certificate that vouches for itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(4711)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        path = Path(tempfile.mkstemp(suffix=".pem", dir=self._folder)[1])
        encoding = serialization.Encoding.PEM
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + certificate.public_bytes(encoding))
        return Pem(path)


@contextmanager
def alerting(context: ssl.SSLContext) -> Iterator[int]:
    """A TLS port that says why a handshake fails, as real servers do: asyncio's hangs up without the alert."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(response())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# DNS


class NameServer(asyncio.DatagramProtocol):
    """Answers A and AAAA from a table; unknown names do not exist. Counts what it is asked."""

    def __init__(self, records: dict[str, list[str]], *, rcode: int = 0, mute: bool = False) -> None:
        self.records = records
        self.asked: list[str] = []
        self._rcode = rcode
        self._mute = mute

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self.address = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode().lower())
            at += data[at] + 1
        name, kind = ".".join(labels), int.from_bytes(data[at + 1 : at + 3], "big")
        self.asked.append(name)
        if not self._mute:
            self._transport.sendto(self._reply(data, data[12 : at + 5], name, kind), addr)

    def _reply(self, data: bytes, question: bytes, name: str, kind: int) -> bytes:
        known = self.records.get(name)
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        packed = [
            socket.inet_pton(family, address)
            for address in known or ()
            if family is not None and (":" in address) is (kind == 28)
        ]
        rcode = self._rcode or (3 if known is None else 0)
        # TTL an hour: a cache of ours would show.
        answers = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 3600, len(one)) + one for one in packed)
        return data[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(packed), 0, 0) + question + answers


@asynccontextmanager
async def name_server(
    records: dict[str, list[str]] | None = None, *, rcode: int = 0, mute: bool = False
) -> AsyncIterator[NameServer]:
    """A name server on a free port; `rcode` 2 fails, 5 refuses; `mute` never answers."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(records or {}, rcode=rcode, mute=mute), local_addr=(HOST, 0)
    )
    try:
        yield server
    finally:
        transport.close()
        await asyncio.sleep(0)
