"""Failures of a connection, by errno: in words, and whose fault they are."""

from __future__ import annotations

import errno
import os

# Errors of a socket that say something about this machine, not about the target.
OURS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EACCES,
        errno.EPERM,
        errno.EINVAL,
        errno.ENOSPC,  # of epoll watches
    }
)
_WORDS = {
    errno.ECONNREFUSED: "connection refused by {peer}",
    errno.ECONNRESET: "connection reset by {peer}",
    errno.EPIPE: "connection closed by {peer}",
    errno.ETIMEDOUT: "{peer} does not answer",
    errno.EHOSTUNREACH: "no route to the host {peer}",
    errno.ENETUNREACH: "no route from here to {peer}",
    errno.EADDRNOTAVAIL: "no local address or port left to reach {peer}",
    errno.EMFILE: "no file descriptor left (open files of this process)",
    errno.ENFILE: "no file descriptor left (open files of this machine)",
    errno.EACCES: "connecting to {peer} is not permitted here",
    errno.EPERM: "connecting to {peer} is not permitted here",
}


def peer_name(address: str, port: int) -> str:
    """An address and its port for people."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class PeerError(Exception):
    """The connection failed. `code` is the errno."""

    def __init__(self, code: int, peer: str) -> None:
        super().__init__(_WORDS.get(code, f"{os.strerror(code)} ({{peer}})").format(peer=peer))
        self.code = code
