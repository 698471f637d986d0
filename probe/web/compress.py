"""gzip at its fastest level, for those who accept it: pages and expositions shrink about tenfold."""

from __future__ import annotations

import asyncio
import zlib
from typing import Protocol

_LEVEL = 1  # a third of level 6's time; the wire is rarely what is scarce
_GZIP = 31  # zlib's window bits for a gzip header
_SMALL = 1024  # bytes not worth it
_INLINE = 64 << 10  # bytes that take about half a millisecond


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding takes gzip. RFC 9110 section 12.5.3: `q=0` refuses, `*` stands for the rest."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        coding, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        weights[coding.strip().lower()] = _weight(value) if name.strip().lower() == "q" else 1.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def compressor() -> Compressor:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)


async def gzipped(body: bytes) -> bytes | None:
    """The body compressed; None where that is not worth it. A large one is done beside the loop."""
    if len(body) < _SMALL:
        return None
    if len(body) < _INLINE:
        return _gzip(body)
    return await asyncio.to_thread(_gzip, body)


def _gzip(body: bytes) -> bytes:
    packer = compressor()
    return packer.compress(body) + packer.flush()


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
