"""The content codings of HTTP, each decoding in small pieces: what a bomb holds is never unfolded at once."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli

from checks.core.base import ProtocolError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ACCEPTED", "Coding", "coding", "zstd"]

ACCEPTED = "gzip, deflate, br, zstd"
_PIECE = 65536  # bytes of a piece; brotli overshoots by half of it
# RFC 9659: a client need not keep more than 8 MiB to decode zstd, and no server may ask for more.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


class Coding(Protocol):
    """One layer of encoding, taken off. `complete` once its end was seen."""

    @property
    def name(self) -> str: ...

    @property
    def complete(self) -> bool: ...

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What `data` unfolds to. Raises ProtocolError."""


def coding(name: str) -> Coding | None:
    """A fresh decoder; None for a coding that we do not know."""
    make = _KNOWN.get(name)
    return make() if make is not None else None


class _Zlib:
    """gzip and deflate."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inner: zlib._Decompress | None = None
        self._held = b""  # what may be the beginning of another gzip member

    @property
    def complete(self) -> bool:
        return self._inner is None or self._inner.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        try:
            yield from self._inflate(data)
        except zlib.error as error:
            raise ProtocolError(f"the body is no valid {self.name} ({error})") from None

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        inner = self._inner
        while data:
            if inner is None:
                inner = self._inner = zlib.decompressobj(self._window(data))
            elif inner.eof:
                data = self._held + data
                self._held = data if data == b"\x1f" else b""
                if self.name != "gzip" or data[:2] != b"\x1f\x8b":
                    return  # padding after the end, which everybody ignores
                inner = self._inner = zlib.decompressobj(31)  # RFC 1952 section 2.2: a file may have several members
            if piece := inner.decompress(data, _PIECE):
                yield piece
            data = inner.unused_data if inner.eof else inner.unconsumed_tail
        while inner is not None and not inner.eof and (more := inner.decompress(b"", _PIECE)):
            yield more

    def _window(self, data: bytes) -> int:
        if self.name == "gzip":
            return 31
        # "deflate" is the zlib format (RFC 9110 section 8.4.1.2); some servers send the bare stream.
        header = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        return 15 if header >> 8 & 0x0F == 8 and (len(data) < 2 or header % 31 == 0) else -15


class _Brotli:
    """br (RFC 7932)."""

    name = "br"

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self._begun = False

    @property
    def complete(self) -> bool:
        return not self._begun or bool(self._inner.is_finished())

    def pieces(self, data: bytes) -> Iterator[bytes]:
        inner = self._inner
        if not data or inner.is_finished():
            return
        self._begun = True
        try:
            piece = inner.process(data, output_buffer_limit=_PIECE)
            while piece:
                yield piece
                piece = b"" if inner.is_finished() else inner.process(b"", output_buffer_limit=_PIECE)
        except brotli.error:
            raise ProtocolError("the body is no valid br") from None


class _Zstd:
    """zstd (RFC 8878)."""

    name = "zstd"

    def __init__(self) -> None:
        self._inner: zstd.ZstdDecompressor | None = None

    @property
    def complete(self) -> bool:
        return self._inner is None or self._inner.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if self._inner is None or self._inner.eof:
                    self._inner = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)  # section 3.1: frames follow each other
                inner = self._inner
                piece = inner.decompress(data, _PIECE)
                while piece:
                    yield piece
                    piece = b"" if inner.eof or inner.needs_input else inner.decompress(b"", _PIECE)
                data = inner.unused_data if inner.eof else b""
        except zstd.ZstdError as error:
            raise ProtocolError(f"the body is no valid zstd ({error})") from None


_KNOWN: dict[str, Callable[[], Coding]] = {
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "br": _Brotli,
    "zstd": _Zstd,
}
