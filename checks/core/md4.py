"""MD4 (RFC 1320), which NTLM is built on and OpenSSL 3 no longer offers. For nothing else: it is broken."""

from __future__ import annotations

import struct
from collections.abc import Callable

_MASK = 0xFFFFFFFF


def _f(x: int, y: int, z: int) -> int:
    return (x & y) | (~x & z)


def _g(x: int, y: int, z: int) -> int:
    return (x & y) | (x & z) | (y & z)


def _h(x: int, y: int, z: int) -> int:
    return x ^ y ^ z


# Section 3.4: per round its function, its constant, the order of the words, and the rotations.
_ROUNDS: tuple[tuple[Callable[[int, int, int], int], int, tuple[int, ...], tuple[int, ...]], ...] = (
    (_f, 0, tuple(range(16)), (3, 7, 11, 19)),
    (_g, 0x5A827999, (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13)),
    (_h, 0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)


def md4(data: bytes) -> bytes:
    """The digest, 16 bytes."""
    padding = b"\x80" + bytes((55 - len(data)) % 64)
    padded = data + padding + struct.pack("<Q", len(data) * 8)
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for at in range(0, len(padded), 64):
        mixed = _mix(state, struct.unpack("<16I", padded[at : at + 64]))
        state = [(old + new) & _MASK for old, new in zip(state, mixed, strict=True)]
    return struct.pack("<4I", *state)


def _mix(state: list[int], words: tuple[int, ...]) -> list[int]:
    a, b, c, d = state
    for function, constant, order, rotations in _ROUNDS:
        for step, index in enumerate(order):
            total = (a + function(b, c, d) + words[index] + constant) & _MASK
            turn = rotations[step % 4]
            a, b, c, d = d, (total << turn | total >> (32 - turn)) & _MASK, b, c
    return [a, b, c, d]
