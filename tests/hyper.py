"""A real server for HTTP/1.1, HTTP/2 and HTTP/3 on 127.0.0.1: a process of its own, with a door for each setting."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.logins import digest_answers, digest_challenge
from tests.servers import HOST, Pem, free_port

ROOT = Path(__file__).parent.parent
USER, PASSWORD = "Mufasa", "Circle of Life"  # who may log in by digest


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/404` is not there, `/to?URL` leads on, `/slow` takes its time, `/large` is, `/digest/SHA-256` wants a login.

    Else the request comes back.
    """
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    status, headers, body = 200, [(b"content-type", b"text/plain")], await _heard(scope, receive)
    if path == "/slow":
        await asyncio.sleep(3600)
    elif path == "/404":
        status, body = 404, b"gone"
    elif path == "/to":
        status, body = 302, b""
        headers.append((b"location", scope["query_string"]))
    elif path == "/large":
        body = bytes(5_000_000)
    elif path.startswith("/digest/") and not _knows_us(scope):
        status, body = 401, b"who?"
        headers.append((b"www-authenticate", digest_challenge(path.removeprefix("/digest/")).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _heard(scope: Any, receive: Any) -> bytes:
    body = b""
    while (event := await receive())["type"] == "http.request":
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    heard = {name: scope[name] for name in ("http_version", "method", "path")}
    heard |= {"query": scope["query_string"].decode(), "body": body.decode()}
    heard["headers"] = sorted((name.decode(), value.decode()) for name, value in scope["headers"])
    return json.dumps(heard).encode()


def _knows_us(scope: Any) -> bool:
    said = dict(scope["headers"]).get(b"authorization", b"").decode()
    uri = scope["raw_path"].decode() + ("?" if scope["query_string"] else "") + scope["query_string"].decode()
    hashing = scope["path"].removeprefix("/digest/")
    return digest_answers(said, hashing, USER, PASSWORD, scope["method"], uri)


def door(pem: Pem | None = None, *, quic: bool = False, alpn: str = "h2") -> dict[str, Any]:
    """Settings of one port. Without a certificate HTTP/2 is spoken by prior knowledge."""
    return {"port": free_port(), "pem": pem and str(pem.path), "quic": quic, "alpn": alpn}


@contextmanager
def hyper(*doors: dict[str, Any]) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.hyper", json.dumps(doors)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            for one in doors:
                _wait_for(one["port"])
            yield
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((HOST, port)).close()
        except OSError:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        else:
            return


async def main(doors: list[dict[str, Any]]) -> None:
    await asyncio.gather(*(serve(app, _config(**one)) for one in doors))


def _config(port: int, pem: str | None, quic: bool, alpn: str) -> Config:
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    if pem is not None:
        config.certfile = config.keyfile = pem
        config.alpn_protocols = [alpn]
        config.quic_bind = [f"{HOST}:{port}"] if quic else []
    return config


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
