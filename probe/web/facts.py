"""The facts of a run in words, in the groups that people look for. Pure; the page and the terminal share it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from checks.core.result import Fact, Result
from checks.core.units import format_duration
from exporters.message import one_line
from thresholds.measured import timed

_GROUPS = {"http": "HTTP", "net": "Connection", "tls": "Certificate", "": "Connection"}
_ORDER = ("HTTP", "Connection", "Certificate")
_OF_THE_CONNECTION = {"tls.version": "TLS", "tls.cipher": "cipher", "tls.alpn": "ALPN"}
_NAMES = {"tls.days_left": "expires", "tls.not_after": "not after", "tls.sans": "names", "net.family": "IP version"}
_FIRST = ("subject", "issuer", "days_left", "not_after", "status", "url", "address")
_INSTANTS = frozenset({"not_before", "not_after", "chain_not_after", "last_modified"})
_SIZES = frozenset({"bytes", "content_length", "wire_bytes"})
_MOST = 100  # facts
_LONGEST = 400  # characters of one
_LAST_YEAR = 253402300800.0  # s: the end of 9999, after which no calendar goes

Words = dict[str, str]


def grouped(facts: Mapping[str, Fact]) -> dict[str, Words]:
    """Facts by group, each by its short name, in words."""
    groups: dict[str, Words] = {}
    for name, value in sorted(list(facts.items())[:_MOST], key=_place):
        short = name.rpartition(".")[2]
        shown = _OF_THE_CONNECTION.get(name) or _NAMES.get(name) or short.replace("_", " ")
        groups.setdefault(_group(name), {})[shown] = words(short, value)
    return groups


def words(short: str, value: Fact) -> str:
    """One fact for people: `in 41 days`, `12.3 kB`, `2027-01-01 00:00 UTC`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return one_line(value, _LONGEST)
    if short.endswith("days_left"):
        return remaining(value)
    if short in _INSTANTS and 0 <= value < _LAST_YEAR:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if short in _SIZES:
        return size(value)
    return format_duration(value) if short == "lag" else f"{value:.10g}"


def lasted(result: Result) -> str:
    """How long a run took, for people."""
    return format_duration(result.duration) if timed(result) else "—"


def remaining(days: float) -> str:
    """Of a certificate: `in 10 days`, `expired 3 days ago`."""
    length = format_duration(abs(days) * 86400.0) if abs(days) < 2 else f"{abs(days):.0f} days"
    return f"expired {length} ago" if days < 0 else f"in {length}"


def size(count: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count:.0f} B"


def _group(name: str) -> str:
    if name in _OF_THE_CONNECTION:
        return "Connection"
    prefix = name.rpartition(".")[0]
    return _GROUPS.get(prefix, prefix.upper())


def _place(fact: tuple[str, Fact]) -> tuple[int, int, str]:
    name, group = fact[0], _group(fact[0])
    short = name.rpartition(".")[2]
    return (
        _ORDER.index(group) if group in _ORDER else len(_ORDER),
        _FIRST.index(short) if short in _FIRST else len(_FIRST),
        name,
    )
