"""What a query string asks for, or one line that says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime

from multidict import MultiMapping

from checks.core.units import parse_duration
from probe.web.order import WORST_FIRST, Filter
from thresholds.base import Level

_LONGEST = 200  # characters of a search
_LEVELS: Mapping[str, Level] = {level.name.lower(): level for level in WORST_FIRST}
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class QueryError(ValueError):
    """A query that cannot be answered; the line says why."""


def only(query: MultiMapping[str], known: Collection[str]) -> None:
    """Refuse what would be ignored: a misspelt filter must not look like an answer."""
    for name in query:
        if name not in known:
            raise QueryError(f"unknown query parameter {name[:50]!r}; known are {', '.join(sorted(known))}")


def parse_filter(query: MultiMapping[str]) -> Filter:
    """`?level=down,degraded&service=shop&q=words`; an empty value asks for everything."""
    names = [name.strip().lower() for value in query.getall("level", []) for name in value.split(",")]
    wrong = [name for name in names if name and name not in _LEVELS]
    if wrong:
        raise QueryError(f"unknown level {wrong[0][:50]!r}; levels are {', '.join(_LEVELS)}")
    search = query.get("q", "")
    if len(search) > _LONGEST:
        raise QueryError(f"q is longer than {_LONGEST} characters")
    levels = frozenset(_LEVELS[name] for name in names if name)
    return Filter(levels, query.get("service", ""), tuple(search.casefold().split()))


def parse_number(query: MultiMapping[str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise QueryError(f"{name} must be a whole number from {least} to {most}")
    return int(text)


def parse_instant(query: MultiMapping[str], name: str, default_ms: int, now_ms: int) -> int:
    """Unix ms of an RFC 3339 instant, or of a length of time ago: `2026-11-22T03:00:00Z`, `24h`."""
    text = query.get(name)
    if text is None:
        return default_ms
    try:
        return max(0, now_ms - round(parse_duration(text) * 1000))
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return round(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise QueryError(
        f"{name} must be an instant with its offset, as in 2026-11-22T03:00:00Z (a + is written %2B), "
        "or a length of time ago, as in 24h"
    )
