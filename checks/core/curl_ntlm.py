"""The messages of an NTLMv2 login (MS-NLMP), which libcurl is no longer built with. No signing, no sealing, no socket.

A login vouches for the connection that it was made over: both requests must go over the same one.
"""

from __future__ import annotations

import hmac
import os
import re
import struct
import time
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from dataclasses import dataclass

from checks.core.base import ProtocolError
from checks.core.curl_wish import Login
from checks.core.http1 import Answer
from checks.core.md4 import md4

_SIGNATURE = b"NTLMSSP\0"
# MS-NLMP 2.2.2.5: UNICODE, REQUEST_TARGET, NTLM, ALWAYS_SIGN, EXTENDED_SESSIONSECURITY, 128
_FLAGS = 0x1 | 0x4 | 0x200 | 0x8000 | 0x80000 | 0x20000000
_TIMESTAMP = 7  # MsvAvTimestamp
_EPOCH = 11644473600  # s from 1601 to 1970


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server wants answered."""

    nonce: bytes
    target_info: bytes
    flags: int

    @property
    def stamp(self) -> bytes:
        """The server's clock, b"" where it does not tell."""
        at = 0
        while at + 4 <= len(self.target_info):
            kind, size = struct.unpack_from("<HH", self.target_info, at)
            if kind == _TIMESTAMP and size == 8:
                return self.target_info[at + 4 : at + 12]
            if kind == 0:
                break
            at += 4 + size
        return b""


def negotiate() -> str:
    """The value of the first request's Authorization."""
    return _header(_SIGNATURE + struct.pack("<II", 1, _FLAGS) + bytes(16))


def challenge_in(answer: Answer) -> Challenge | None:
    """The challenge of an answer with status 401; None where it holds none. Raises ProtocolError for a broken one."""
    match = re.search(r"(?:^|,\s*)NTLM\s+([A-Za-z0-9+/=]+)", answer.headers.get("www-authenticate", ""), re.IGNORECASE)
    if answer.status != 401 or match is None:
        return None
    try:
        message = b64decode(match[1], validate=True)
        kind, flags, nonce = struct.unpack_from("<8xI8xI8s", message)
        size, offset = struct.unpack_from("<40xH2xI", message) if len(message) >= 48 else (0, 0)
    except (BadBase64, struct.error):
        raise ProtocolError("the challenge of NTLM is broken") from None
    if not message.startswith(_SIGNATURE) or kind != 2 or offset + size > len(message):
        raise ProtocolError("the challenge of NTLM is broken")
    return Challenge(nonce, message[offset : offset + size], flags)


def authenticate(challenge: Challenge, login: Login) -> str:
    """The value of the second request's Authorization."""
    domain, _, user = login.username.rpartition("\\")
    now = struct.pack("<Q", int((time.time() + _EPOCH) * 10**7))
    key = ntowf_v2(login.password.get_secret_value(), user, domain)
    nt, lm = responses(key, challenge, os.urandom(8), challenge.stamp or now)
    if challenge.stamp:
        lm = bytes(24)  # MS-NLMP 3.1.5.1.2: a server that tells the time wants none
    flags = challenge.flags & _FLAGS
    parts = (lm, nt, domain.encode("utf-16-le"), user.encode("utf-16-le"), b"", b"")
    head, at = _SIGNATURE + struct.pack("<I", 3), 64
    for part in parts:
        head += struct.pack("<HHI", len(part), len(part), at)
        at += len(part)
    return _header(head + struct.pack("<I", flags) + b"".join(parts))


def ntowf_v2(password: str, user: str, domain: str) -> bytes:
    """The key that a user and a password make. MS-NLMP 3.3.2."""
    return _hmac(md4(password.encode("utf-16-le")), (user.upper() + domain).encode("utf-16-le"))


def responses(key: bytes, challenge: Challenge, ours: bytes, stamp: bytes) -> tuple[bytes, bytes]:
    """The NTLMv2 and the LMv2 response. `ours` is our own nonce, `stamp` the time. MS-NLMP 3.3.2."""
    blob = b"\x01\x01" + bytes(6) + stamp + ours + bytes(4) + challenge.target_info + bytes(4)
    return _hmac(key, challenge.nonce + blob) + blob, _hmac(key, challenge.nonce + ours) + ours


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "md5")


def _header(message: bytes) -> str:
    return "NTLM " + b64encode(message).decode()
