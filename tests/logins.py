"""Servers that want a login: digest (RFC 7616), NTLM, and signatures of AWS, each computed independently of ours."""

import asyncio
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import Any

import spnego

from tests.servers import Recorder, response

_HASHES: Mapping[str, Any] = {"MD5": md5, "SHA-256": sha256}


def digest_response(
    hashing: str, user: str, password: str, realm: str, method: str, uri: str, nonce: str, nc: str, cnonce: str
) -> str:
    """RFC 7616 section 3.4.1, for qop auth."""

    def hashed(*parts: str) -> str:
        return str(_HASHES[hashing](":".join(parts).encode()).hexdigest())

    return hashed(hashed(user, realm, password), nonce, nc, cnonce, "auth", hashed(method, uri))


def digest_challenge(hashing: str) -> str:
    return f'Digest realm="a realm", qop="auth", algorithm={hashing}, nonce="n0nce", opaque="o"'


def digest_answers(said: str, hashing: str, user: str, password: str, method: str, uri: str) -> bool:
    """Whether an Authorization is what the right user says to our challenge."""
    parts = {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', said)}
    if "response" not in parts:
        return False
    wanted = digest_response(hashing, user, password, "a realm", method, uri, "n0nce", parts["nc"], parts["cnonce"])
    return (parts["username"], parts["uri"], parts["response"]) == (user, uri, wanted)


@dataclass
class Digest:
    """A handler that lets the right user in; `stays` keeps the connection after the challenge."""

    user: str
    password: str
    hashing: str = "MD5"
    stays: bool = True
    heads: list[str] = field(default_factory=list)

    async def __call__(self, reader: Recorder, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await read_request(reader)
            self.heads.append(head)
            if self._lets_in(head):
                writer.write(response(b"welcome " + body))
                return
            headers = {
                "WWW-Authenticate": digest_challenge(self.hashing),
                "Connection": "keep-alive" if self.stays else "close",
            }
            writer.write(response(b"who?", "401 Unauthorized", headers))
            await writer.drain()
            if not self.stays:
                return

    def _lets_in(self, head: str) -> bool:
        method, uri, _ = head.split(" ", 2)
        said = re.search(r"\r\nAuthorization: (.+)", head)
        return said is not None and digest_answers(said[1], self.hashing, self.user, self.password, method, uri)


@dataclass
class Ntlm:
    """A handler that speaks NTLM with an implementation of others; each connection logs in by itself."""

    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hangs_up: bool = False  # after the challenge

    async def __call__(self, reader: Recorder, writer: asyncio.StreamWriter) -> None:
        context = spnego.server(protocol="ntlm")
        while True:
            head, body = await read_request(reader)
            self.heads.append(head)
            self.bodies.append(body)
            token = re.search(r"\r\nAuthorization: NTLM (\S+)", head)
            answer = self._step(context, b64decode(token[1])) if token else "NTLM"
            if context.complete:
                writer.write(response(f"welcome {context.client_principal}".encode()))
                return
            headers = {"WWW-Authenticate": f"Negotiate, {answer}"} | ({"Connection": "close"} if self.hangs_up else {})
            writer.write(response(b"who?" * 100, "401 Unauthorized", headers))
            await writer.drain()
            if self.hangs_up:
                return

    def _step(self, context: Any, token: bytes) -> str:
        try:
            return "NTLM " + b64encode(context.step(token) or b"").decode()
        except spnego.exceptions.SpnegoError:
            return "NTLM"


async def read_request(reader: Recorder) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return head, await reader.readexactly(int(length[1])) if length else b""


def aws_signature(
    secret: str, scope: str, at: str, method: str, path: str, query: str, headers: Sequence[tuple[str, str]], body: str
) -> str:
    """Signature Version 4. `scope` is date/region/service/aws4_request, `body` the hash of the payload."""
    names = ";".join(name for name, _ in headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers)
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{body}"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
