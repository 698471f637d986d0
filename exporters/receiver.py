"""What all receivers share as configuration: addresses and headers, checked when they are read.

The address of a webhook is a secret, because whoever has it can post there. So it is kept as one, and errors name its
host alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr, SecretStr

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2: token
_OURS = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})
_SHORTEST_HIDDEN = 6  # a path segment such as "v2" or "hook" is no secret


class Receiver(BaseModel):
    """Base of the receivers: immutable, strict about its keys, and silent about its values when they are wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    _name: str = PrivateAttr("")

    @property
    def lifecycle(self) -> bool:
        """Whether it knows of nothing but incidents, which open and end: what is about none is not told there."""
        return False

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        return self._name

    def named(self, name: str) -> Self:
        """The same receiver, knowing what the configuration calls it."""
        copy = self.model_copy()
        copy._name = name  # noqa: SLF001  # a copy of ourselves that nobody has seen
        return copy


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("no valid URL; write it as in https://host.example/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("no URL that can be posted to; write it as in https://host.example/path")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise ValueError("the URL holds a blank or a control character; write it percent-encoded")
    return parts


def _address(url: SecretStr) -> SecretStr:
    plain = url.get_secret_value().strip()  # a file that a secret is read from ends with a line end
    _split(plain)
    return SecretStr(plain)


def public_url(url: str) -> str:
    """The address of a server, which is no secret and must hold none; without the slash at its end."""
    parts = _split(url.strip())
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL holds credentials; write them as `username` and `password`")
    if parts.query or parts.fragment:
        raise ValueError("the URL must end with its path; leave `?` and `#` out")
    return url.strip().rstrip("/")


def _headers(headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header; write it as in X-Team")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name} is set by Probe itself; leave it out")
        if not all(char.isprintable() for char in value.get_secret_value()) or not value.get_secret_value().isascii():
            raise ValueError(f"the value of the header {name} must be printable ASCII")
    return headers


Address = Annotated[SecretStr, AfterValidator(_address)]
Headers = Annotated[Mapping[str, SecretStr], AfterValidator(_headers)]


def plain_headers(headers: Mapping[str, SecretStr]) -> dict[str, str]:
    """Configured headers as they are sent."""
    return {name: value.get_secret_value() for name, value in headers.items()}


def host_of(url: str) -> str:
    """`host` or `host:port`: all that may be said of an address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "the receiver"
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def hidden_parts(url: str) -> tuple[str, ...]:
    """What to mask in case that a server repeats an address: the whole, its path and query, their longer pieces."""
    parts = urlsplit(url)
    values = (value for _, value in parse_qsl(parts.query))
    pieces = [*parts.path.split("/"), *values, parts.query, parts.password or ""]
    return (url, parts.path, *(piece for piece in pieces if len(piece) >= _SHORTEST_HIDDEN))


def settings_of(receiver: BaseModel) -> str:
    """All that is configured of a receiver, secrets included, as one text that is the same each time."""
    return json.dumps(receiver.model_dump(mode="python"), default=_plain, sort_keys=True)


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
