"""What the service and its workers say to each other.

Orders go to a worker as pickles behind their length, through a pipe that nobody else can write into. Results come back
as lines of JSON, and between them now and then a line with the vitals of the worker.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from checks.core import wire
from checks.core.base import CheckSpec
from checks.core.policy import Network
from checks.core.result import Result
from probe.engine.vitals import Vitals

_LENGTH = struct.Struct("!I")
_LONGEST = 1 << 28  # bytes of one order: more is no length, but something else that came through the pipe
_VITALS = b'{"vitals":'


@dataclass(frozen=True, slots=True, repr=False)
class Rules:
    """What holds for every run, whatever the check."""

    deny: tuple[Network, ...] | None = None  # None: what is denied unless somebody says otherwise
    allow: tuple[Network, ...] = ()
    resolvers: tuple[str, ...] = ()
    rate: float | None = None  # probes/s towards one host
    concurrent: int | None = None  # probes at once towards one host
    secrets: frozenset[str] = frozenset()  # what must not be shown

    @property
    def by_host(self) -> bool:
        """Whether all checks of a host must run in one process."""
        return self.rate is not None or self.concurrent is not None

    def __repr__(self) -> str:
        return "Rules()"  # holds secrets


@dataclass(frozen=True, slots=True, repr=False)
class Change:
    """A piece of a new plan; it holds once the `last` one is there."""

    gone: tuple[str, ...] = ()
    specs: tuple[CheckSpec, ...] = ()  # new or changed
    seen_ms: tuple[int, ...] = ()  # of each: when its last run began, in a worker that is no more; 0 is not known
    last: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Start nothing more, say what is left to say, end."""


Order = Rules | Change | Stop


class NonsenseError(Exception):
    """What came is not what was agreed on."""


def pack(order: Order) -> bytes:
    body = pickle.dumps(order, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Parcels:
    """Bytes in, orders out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def orders(self) -> Iterator[Order]:
        """What is complete. Each is unpacked when it is asked for. Raises NonsenseError."""
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _LONGEST:
                raise NonsenseError(f"an order of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield pickle.loads(body)  # noqa: S301  # from the process that started this one, and from nobody else


@dataclass(frozen=True, slots=True)
class _Told:
    vitals: Vitals


_vitals = msgspec.json.Decoder(_Told)


def vitals_line(vitals: Vitals) -> bytes:
    return msgspec.json.encode(_Told(vitals))


def read_line(line: bytes) -> Result | Vitals:
    """What a line of a worker says; raises NonsenseError."""
    try:
        return _vitals.decode(line).vitals if line.startswith(_VITALS) else wire.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NonsenseError(f"a line that is no result: {error}") from None
