"""Addresses of HTTP: strict about what is configured, forgiving about what a redirect says, as browsers are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, urljoin, urlsplit

import idna

from checks.core import veil
from checks.core.redact import MASK

_PORTS = {"http": 80, "https": 443}
# A name in lower case that no IP address looks like: its last label starts with a letter.
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?")
_LONG_LABEL = re.compile(r"[^.]{64}")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_KEPT = "/?:@!$&'()*+,;=-._~%[]|"  # characters of a request target that are sent as they stand
_AROUND = "".join(map(chr, range(0x21)))  # dropped around a URL (WHATWG); no octet of UTF-8, as \x85 and \xa0 are
_SAME = r"[A-Za-z0-9/:@!$&'()*+,;=._~%|-]"  # of them, those that end nothing
_USUAL = re.compile(
    rf"(https?)://([a-z0-9][a-z0-9.-]*)(?::([1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}))?(/{_SAME}*)?(\?(?:{_SAME}|\?)+)?"
)


@dataclass(frozen=True, slots=True)
class Url:
    """Where a request goes: an ASCII host without brackets, and the path with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Credentials stay inside it."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_url(text: str) -> Url:
    """A configured URL; raises ValueError that says what is wrong and what would be right."""
    # Nearly every URL is made of nothing that has to be looked at twice: a fifth of the time.
    if match := _USUAL.fullmatch(text):
        scheme, host, port, path, query = match.groups("")
        number = int(port) if port else _PORTS[scheme]
        return Url(scheme, parse_host(host), number, (path or "/") + query)
    return _any_url(text)


def _any_url(text: str) -> Url:
    if text != text.strip() or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError(f"{shown(text)!r} holds blanks or control characters; write a space as %20")
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in _PORTS:
        raise ValueError(f"{shown(text)!r} must begin with http:// or https://")
    parts = urlsplit(text)
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into the url; use `basic: {username: ..., password: ...}`")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"{shown(text)!r} has no valid port; ports are 1 to 65535")
    path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return Url(parts.scheme, parse_host(parts.hostname or ""), port or _PORTS[parts.scheme], path)


def shown(text: str) -> str:
    """A URL that somebody wrote, also one without its scheme, without what lets somebody in."""
    authority = re.split(r"[/?#]", text, maxsplit=1)[0]
    if "://" not in text and "@" in authority:
        text = f"{MASK}@{authority.rpartition('@')[2]}{text[len(authority) :]}"
    return veil.url(text)


@lru_cache(maxsize=4096)
def parse_host(text: str) -> str:
    """A host name in ASCII and lower case, or an IP address in its canonical form; raises ValueError."""
    if len(text) <= 253 and _NAME.fullmatch(text) and not _LONG_LABEL.search(text):
        return text
    host = text.strip("[]") if ":" in text else text
    if not host:
        raise ValueError("the host is missing")
    try:
        address = ip_address(host)
    except ValueError:
        return _host_name(host)
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError(f"{text!r}: an address with a zone (%) cannot be probed")
    return str(address)


def _host_name(host: str) -> str:
    name = host.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"{host!r} is no host name: {error}") from None
    if len(name) > 253 or not _HOST.fullmatch(name) or any(len(label) > 63 for label in name.split(".")):
        raise ValueError(f"{host!r} is no host name or IP address")
    return name


def redirect_target(base: Url, location: str) -> Url:
    """Where a Location header leads from `base`; raises ValueError. Credentials in it are dropped.

    Each character of `location` is an octet as it came. Path and query keep theirs, whatever charset they are of, as
    browsers have it; a host is UTF-8.
    """
    joined = urljoin(str(base), location.split("#", 1)[0].strip(_AROUND))
    scheme, _, rest = joined.partition("://")
    authority, slash, path = rest.partition("/")
    if "?" in authority:
        authority, mark, query = authority.partition("?")
        slash, path = "/" + mark, query + slash + path
    bare = authority.rpartition("@")[2].encode("latin-1").decode()
    return parse_url(f"{scheme}://{bare}{slash}{quote(path, safe=_KEPT + '#', encoding='latin-1')}")
