"""Bodies out of their content encoding, in pieces: a bomb costs no more memory than its first piece too many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.core.base import ExpectationError, ProtocolError
from checks.core.codings import ACCEPTED, Coding, coding

__all__ = ["ACCEPTED", "Body", "too_large"]

_PAUSE = 32768  # bytes of a piece that took long enough to let others run
_MOST_CODINGS = 5  # one over the other, as curl has it


class Body:
    """Takes a body as it arrives; counts it all, and keeps up to `keep` bytes of it.

    Raises ExpectationError beyond `limit` bytes (before or after decoding), ProtocolError for a broken encoding.
    """

    __slots__ = ("_codings", "_keep", "_limit", "_raw", "data", "encoding", "opaque", "size")

    def __init__(self, encoding: str, *, keep: int, limit: int) -> None:
        self.encoding = encoding.strip().lower()
        self.data = bytearray()
        self.size = 0  # bytes, decoded
        self.opaque = False  # in an encoding that nobody asked for: its text cannot be looked at
        self._raw = 0
        self._keep = keep
        self._limit = limit
        self._codings: Sequence[Coding] = ()  # in the order in which they come off
        if self.encoding:
            self._open()

    def write(self, data: bytes) -> None:
        for _ in self.pieces(data):
            pass

    def pieces(self, data: bytes) -> Iterator[None]:
        """Take what arrived, and pause after every piece of decoding: a bomb must not hold up other checks."""
        if not self._codings:
            self._put(data)
            return
        for piece in self._unfold(0, data):
            self._put(piece)
            if not piece or len(piece) >= _PAUSE:
                yield

    def _unfold(self, depth: int, data: bytes) -> Iterator[bytes]:
        """What comes out of all layers from `depth` on; an empty piece is nothing but a pause."""
        layers = self._codings
        self._raw += len(data)
        if self._raw > self._limit * len(layers):
            raise self._too_large()
        for piece in layers[depth].pieces(data):
            if depth + 1 == len(layers):
                yield piece
            else:
                yield from self._unfold(depth + 1, piece)
                yield b""

    def end(self) -> None:
        """The body is complete: so must its encoding be."""
        for layer in self._codings:
            if not layer.complete:
                raise ProtocolError(f"the {layer.name} body ends before its end")

    def _open(self) -> None:
        """RFC 9110 section 8.4: the codings are listed in the order in which they were applied."""
        names = [name for name in map(str.strip, self.encoding.split(",")) if name not in ("", "identity")]
        known = [coding(name) for name in reversed(names[: _MOST_CODINGS + 1])]
        self.opaque = None in known or len(known) > _MOST_CODINGS
        if not self.opaque:
            self._codings = [layer for layer in known if layer is not None]

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        if len(self.data) < self._keep:
            self.data += data[: self._keep - len(self.data)]
        if self.size > self._limit:
            raise self._too_large()

    def _too_large(self) -> ExpectationError:
        names = ", ".join(layer.name for layer in reversed(self._codings))
        return too_large(self._limit, f" once decoded from {names}" if names else "")


def too_large(limit: int, what: str = "") -> ExpectationError:
    """The failure of a body over its bound, with the remedy."""
    return ExpectationError(f"the body is larger than {_size(limit)}{what}; max_body sets the limit")


def _size(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and not size % factor:
            return f"{size // factor} {unit}"
    return f"{size} bytes"
