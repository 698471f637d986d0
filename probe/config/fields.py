"""Values that more than one section is made of, each with one clear complaint."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    Discriminator,
    PlainSerializer,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from probe.config.model import Network
from thresholds.calendar import named_zone
from thresholds.hours import parse_hours

_M_OF_N = re.compile(r"(\d{1,3})(?:\s+of\s+(\d{1,3}))?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_RATIO = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_WIDEST = 100  # runs that a decision may look back on
_TAKEN = ("check", "service", "owner", "type", "level")  # routes match by these


def parse_m_of_n(value: object) -> tuple[int, int]:
    """`2 of 3` as (2, 3); `3` as (3, 3)."""
    if isinstance(value, tuple):
        return value
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (match := _M_OF_N.fullmatch(text.strip())):
        needed = int(match[1])
        of = int(match[2] or needed)
        if 1 <= needed <= of <= _WIDEST:
            return needed, of
        raise ValueError(f"wants 1 <= M <= N <= {_WIDEST} in `M of N`")
    raise ValueError("wants `M of N` runs, as in 2 of 3, or one number")


def parse_listen(value: object) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:8080` as host and port."""
    if isinstance(value, tuple):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:
        raise ValueError("wants an address and a port, as in 127.0.0.1:8080")
    if not host:
        raise ValueError("no address; write 127.0.0.1 for this machine alone, 0.0.0.0 or [::] for every address")
    if host.startswith("[") and host.endswith("]"):
        host = str(ip_address(host[1:-1]))
    elif not _HOST.fullmatch(host):
        raise ValueError("an IPv6 address stands in brackets, as in [::1]:8080" if ":" in host else "no such address")
    return host, int(port)


def parse_network(value: object) -> Network:
    """`10.0.0.0/8`, or one address."""
    if isinstance(value, Network):
        return value
    text = value if isinstance(value, str) else ""  # a number would be taken for an address
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_interface(text).network
    except ValueError:
        raise ValueError("wants a range of addresses, as in 10.0.0.0/8 or fd00::/8") from None
    raise ValueError(f"bits beyond the prefix are set; write {meant}")


def parse_store(value: object) -> str:
    """`sqlite:probe.db`; the loader makes the path absolute."""
    text = value if isinstance(value, str) else ""
    scheme, colon, path = text.partition(":")
    if scheme != "sqlite":
        known = "a store of this kind is not supported yet" if colon else "no kind of store is named"
        raise ValueError(f"{known}; write sqlite: and a file, as in sqlite:probe.db")
    if not path or path.startswith("//") or path == ":memory:" or "?" in path:
        raise ValueError("wants a file after sqlite:, as in sqlite:probe.db or sqlite:/var/lib/probe/probe.db")
    return text


def parse_web_address(value: object) -> str:
    """An http or https URL without credentials; no slash at its end."""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("wants a whole address, as in https://probe.example")
    if parts.username or parts.password:
        raise ValueError("an address that people see holds no credentials")
    return text.rstrip("/")


def parse_resolver(value: object) -> str:
    """An address, with a port where it is not 53."""
    text = value if isinstance(value, str) else ""
    host, port = text, ""
    if match := re.fullmatch(r"\[(.+)\](?::(\d{1,5}))?|([\d.]+):(\d{1,5})", text):
        host, port = match[1] or match[3], match[2] or match[4] or ""
    try:
        ip_address(host)
    except ValueError:
        raise ValueError("wants the address of a name server, as in 10.0.0.2 or [2001:db8::1]:53") from None
    if port and not 0 < int(port) < 65536:
        raise ValueError("wants a port from 1 to 65535")
    return text


def parse_label(value: object) -> str:
    """A name that can be written in a route, and that is no property of every check."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise ValueError("a label's name is made of letters, digits and _ . -, and starts with a letter")
    if value in _TAKEN:
        raise ValueError(f"{value} is taken; choose another name")
    return value


def parse_ratio(value: object) -> float:
    """`99.9%` as 0.999. A bare number is refused: 0.5 may be meant as a half or as half a percent."""
    if isinstance(value, str) and (match := _RATIO.fullmatch(value.strip())) and float(match[1]) <= 100:
        return round(float(match[1]) / 100, 12)
    raise ValueError("wants a percentage, as in 10% or 99.9%")


def format_ratio(value: float) -> str:
    """`10%`, `99.95%`."""
    return f"{value * 100:.10f}".rstrip("0").rstrip(".") + "%"


def parse_zone(value: object) -> str:
    """The name of a time zone: `Australia/Sydney`, `UTC`."""
    text = value if isinstance(value, str) else ""
    named_zone(text)
    return text


def parse_opening(value: object) -> str:
    """Hours of the week as they are written. A zone that they do not name is not known here yet."""
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise ValueError("wants hours of the week, as in Mon-Fri 08:00-20:00 Australia/Sydney")
    parse_hours(text, "UTC")
    return text


def names_zone(opening: str) -> bool:
    """Whether hours that are valid say themselves whose clock they are of."""
    try:
        parse_hours(opening)
    except ValueError:
        return False
    return True


def _text(parse: Callable[[object], Any], pattern: str, *examples: str | int) -> tuple[Any, Any]:
    kind = ["string", "integer"] if any(isinstance(example, int) for example in examples) else "string"
    schema = {"type": kind, "examples": list(examples)} | ({"pattern": pattern} if pattern else {})
    return PlainValidator(parse), WithJsonSchema(schema)


def format_m_of_n(value: tuple[int, int]) -> str:
    """`2 of 3`."""
    return f"{value[0]} of {value[1]}"


def format_listen(value: tuple[str, int]) -> str:
    """`127.0.0.1:8080`, `[::1]:8080`."""
    host, port = value
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


IN_WORDS, IN_DETAIL = Tag("in words"), Tag("in detail")


def _worded(value: object) -> str:
    return str(IN_DETAIL.tag if isinstance(value, (dict, BaseModel)) else IN_WORDS.tag)


WORDED = Discriminator(_worded)  # of a word and a mapping, so that a mistake is told of the one that was written

MOfN = Annotated[
    tuple[int, int], *_text(parse_m_of_n, r"^[0-9]+(\s+of\s+[0-9]+)?$", "2 of 3", 3), PlainSerializer(format_m_of_n)
]
Listen = Annotated[
    tuple[str, int], *_text(parse_listen, r":[0-9]+$", "127.0.0.1:8080", "[::1]:8080"), PlainSerializer(format_listen)
]
Ratio = Annotated[
    float,
    BeforeValidator(parse_ratio),  # so that bounds hold for what it gives
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["10%", "99.9%"]}),
    PlainSerializer(format_ratio),
]
Zone = Annotated[str, *_text(parse_zone, "", "UTC", "Europe/Madrid")]
Opening = Annotated[str, *_text(parse_opening, "", "Mon-Fri 08:00-20:00 Australia/Sydney", "daily 06:00-22:00")]
IPRange = Annotated[Network, *_text(parse_network, "", "10.0.0.0/8", "fd00::/8")]
StoreAddress = Annotated[str, *_text(parse_store, "^sqlite:.+", "sqlite:probe.db")]
WebAddress = Annotated[str, *_text(parse_web_address, "^https?://", "https://probe.example")]
Resolver = Annotated[str, *_text(parse_resolver, "", "10.0.0.2", "[2001:db8::1]:53")]
LabelName = Annotated[str, BeforeValidator(parse_label)]
