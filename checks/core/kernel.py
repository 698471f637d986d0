"""What the kernel knows of when things happened on a socket, whatever our own event loop was busy with meanwhile."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time

_LINUX = sys.platform == "linux"
_TIMESTAMPNS = 35  # SO_TIMESTAMPNS of Linux, which the socket module of Python 3.11 does not name
_STAMP = struct.Struct("@ll")  # struct timespec
Ancillary = list[tuple[int, int, bytes]]  # what recvmsg() gives beside the bytes
STAMP_SPACE = socket.CMSG_SPACE(_STAMP.size)
_SAME_INSTANT = 5e-5  # s between two readings of a clock, which take 0.1 us
_SLACK = 1e-3  # s by which two clocks may disagree before one of them is not believed
_INFO_SIZE = 104
_U32 = struct.Struct("@I")
_RTT, _RETRANSMITS = 68, 100  # offsets of tcpi_rtt (us) and tcpi_total_retrans in struct tcp_info
_DATA_SEGMENTS = 152  # of tcpi_data_segs_in
_STANDING = (1, 8)  # tcpi_state: established; closed by the other side already, after it was


def ask_for_stamps(sock: socket.SocketType) -> None:
    """Have every read of `sock` tell when its bytes arrived, where the system can."""
    if _LINUX:
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)


class Stamping:
    """While it is open the kernel stamps whatever arrives.

    It begins to, in a thread of its own, when the first socket asks, and stops with the last: where runs are few and
    far between, the answer of one in twenty had come before it had begun.
    """

    def __init__(self) -> None:
        self._sock: socket.SocketType | None = None
        with contextlib.suppress(OSError):  # no descriptor is left: runs will say so
            self._sock = socket.SocketType(socket.AF_INET, socket.SOCK_DGRAM)
            ask_for_stamps(self._sock)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()


def read_clocks() -> tuple[float, int]:
    """The monotonic clock (s) and the wall clock (ns) at one instant, even where we are preempted between the two."""
    for _ in range(4):
        before = time.monotonic()
        wall_ns = time.time_ns()
        now = time.monotonic()
        if now - before < _SAME_INSTANT:
            break
    return now, wall_ns


def arrival(ancillary: Ancillary, now: float, wall_ns: int, earliest: float) -> float | None:
    """When bytes arrived, on the monotonic clock; None where the kernel did not say, or said nonsense.

    It stamps by the wall clock, so the age of the stamp is what counts. Nothing arrives in the future or before the
    `earliest` instant: then the wall clock was set meanwhile.
    """
    if not ancillary or len(ancillary[0][2]) != _STAMP.size:
        return None
    seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
    arrived: float = now - (wall_ns - seconds * 1_000_000_000 - nanoseconds) / 1e9
    if not earliest - _SLACK <= arrived <= now + _SLACK:
        return None
    return min(max(arrived, earliest), now)


def handshake(sock: socket.SocketType) -> tuple[bool, float | None]:
    """Whether a connection stands, and the seconds from our SYN to its answer; None where the kernel does not say.

    After a repeated SYN its figure covers the last one alone, while the wait for it was real: None as well.
    """
    if not _LINUX:
        return False, None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    except OSError:
        return False, None
    stands = bool(info) and info[0] in _STANDING
    if len(info) < _INFO_SIZE or _U32.unpack_from(info, _RETRANSMITS)[0]:
        return stands, None
    microseconds: int = _U32.unpack_from(info, _RTT)[0]
    return stands, microseconds / 1e6 if microseconds else None


def segments(sock: socket.SocketType) -> int:
    """How many segments with data have come; 0 where the kernel does not say.

    The stamp of bytes that were read together is that of the last segment among them.
    """
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS + 4) if _LINUX else b""
    except OSError:
        return 0
    return _U32.unpack_from(info, _DATA_SEGMENTS)[0] if len(info) == _DATA_SEGMENTS + 4 else 0
