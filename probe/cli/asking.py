"""Asks a running service for something, or tells it to do something, over its API."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from exporters.message import one_line
from probe.cli.top import NoAnswerError, place, shown
from probe.config.model import Config

_PATIENCE = aiohttp.ClientTimeout(total=15.0)  # longer than a busy disk takes
_LARGEST = 16 << 20  # bytes of an answer
_LONGEST = 4096  # bytes of a file with a token
_LINE = 1000  # characters of what the service says is wrong


class SilentError(NoAnswerError):
    """The service was reached, and may have done it, but did not say so."""


class RefusedError(Exception):
    """The service answered, and did not do it; one line says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is, and what proves that one may change something there."""

    url: str
    token: str = field(default="", repr=False)

    def __str__(self) -> str:
        return shown(self.url)

    def ask(self, path: str, body: Any = None, *, post: bool = False) -> Any:
        """What it answers to GET, or to POST with a body. Raises NoAnswerError, or RefusedError."""
        return asyncio.run(_ask(self, "POST" if post else "GET", path, body))


def service(url: str | None, config: Config | None, token_file: Path | None) -> Service:
    """The service that somebody named. Raises ValueError."""
    token = _token(token_file) if token_file else config.token if config else ""
    return Service(place(url, config), token)


def _token(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            token = file.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if not token or not token.isprintable() or " " in token:
        raise ValueError(f"{path} holds no token; it wants one line without spaces")
    return token


def named(path: str, name: str) -> str:
    """A path with a name in it, whatever the name is."""
    return path.format(quote(name, safe=""))


async def _ask(service: Service, method: str, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {service.token}"} if service.token else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, headers=headers) as session,
            # Followed, a redirect would carry the token to where nobody sent it.
            session.request(method, f"{service.url}{path}", json=body, allow_redirects=False) as answer,
        ):
            return _understood(answer.status, answer.reason or "", await _bounded(answer))
    except TimeoutError:
        raise SilentError(f"nothing within {_PATIENCE.total:g} s") from None
    except aiohttp.ClientError as error:
        kind = NoAnswerError if isinstance(error, aiohttp.ClientConnectorError) else SilentError
        raise kind(_why(error)) from None


def _why(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and (error.os_error.errno or 0) > 0:
        return os.strerror(error.os_error.errno or 0).lower()
    return one_line(str(error), _LINE) or type(error).__name__


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > _LARGEST:
            raise NoAnswerError(f"its answer is larger than {_LARGEST} bytes")
    return bytes(body)


def _understood(status: int, reason: str, body: bytes) -> Any:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoAnswerError(f"it answers {status} {one_line(reason, 100)} and no JSON; is it Probe, and this version?")
    if status >= 300:
        raise RefusedError(status, one_line(str(value.get("error", reason)), _LINE))
    return value
