"""Bodies out of their content encoding, in pieces: a gzip bomb costs no more memory than its first piece too many."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from checks.core.base import ExpectationError, ProtocolError

ACCEPTED = "gzip, deflate"
_PIECE = 65536


class Body:
    """Takes a body as it arrives; counts it all, and keeps up to `keep` bytes of it.

    Raises ExpectationError beyond `limit` bytes (before or after decoding), ProtocolError for a broken encoding.
    """

    __slots__ = ("_keep", "_limit", "_name", "_raw", "_zlib", "data", "encoding", "size")

    def __init__(self, encoding: str, *, keep: int, limit: int) -> None:
        self.encoding = encoding.strip().lower()
        self.data = bytearray()
        self.size = 0  # bytes, decoded
        self._raw = 0
        self._keep = keep
        self._limit = limit
        self._name = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}.get(self.encoding, "")
        self._zlib: zlib._Decompress | None = None

    @property
    def opaque(self) -> bool:
        """In an encoding that nobody asked for: its text cannot be looked at."""
        return not self._name and self.encoding not in ("", "identity")

    def write(self, data: bytes) -> None:
        for _ in self.pieces(data):
            pass

    def pieces(self, data: bytes) -> Iterator[None]:
        """Take what arrived, and pause after every piece of decoding: a bomb must not hold up other checks."""
        self._raw += len(data)
        if not self._name:
            self._put(data)
            return
        if self._raw > self._limit:
            raise self._too_large()
        try:
            yield from self._inflate(data)
        except zlib.error as error:
            raise ProtocolError(f"the body is no valid {self._name} ({error})") from None

    def end(self) -> None:
        """The body is complete: so must its encoding be."""
        if self._zlib is not None and not self._zlib.eof:
            raise ProtocolError(f"the {self._name} body ends before its end")

    def _inflate(self, data: bytes) -> Iterator[None]:
        while data:
            if self._zlib is None:
                self._zlib = zlib.decompressobj(self._window(data))
            elif self._zlib.eof:
                if self._name != "gzip" or data[:2] != b"\x1f\x8b":
                    return  # padding after the end, which everybody ignores
                self._zlib = zlib.decompressobj(31)  # RFC 1952 section 2.2: a gzip file may have several members
            self._put(self._zlib.decompress(data, _PIECE))
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if data:
                yield
        while self._zlib is not None and not self._zlib.eof and (more := self._zlib.decompress(b"", _PIECE)):
            self._put(more)
            yield

    def _window(self, data: bytes) -> int:
        if self._name == "gzip":
            return 31
        # "deflate" is the zlib format (RFC 9110 section 8.4.1.2); some servers send the bare stream.
        header = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        return 15 if header >> 8 & 0x0F == 8 and (len(data) < 2 or header % 31 == 0) else -15

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        if len(self.data) < self._keep:
            self.data += data[: self._keep - len(self.data)]
        if self.size > self._limit:
            raise self._too_large()

    def _too_large(self) -> ExpectationError:
        return too_large(self._limit, f" once decoded from {self._name}" if self._name else "")


def too_large(limit: int, what: str = "") -> ExpectationError:
    """The failure of a body over its bound, with the remedy."""
    return ExpectationError(f"the body is larger than {_size(limit)}{what}; max_body sets the limit")


def _size(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and not size % factor:
            return f"{size // factor} {unit}"
    return f"{size} bytes"
