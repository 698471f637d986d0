"""The filters of templates. Each takes and gives at most so much, whatever it is asked for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from checks.core.units import format_duration
from exporters.harmless import clip
from thresholds.calendar import named_zone

_MOST = 8000  # characters
_DIRECTIVES = re.compile(r"(?:[^%]|%-?[aAbBdeHIjmMpSuyYzZ%])*")


def _text(value: object) -> str:
    return str(value)[:_MOST]


def _truncate(value: object, length: int = 100) -> str:
    return clip(_text(value), max(1, int(length)))


def _replace(value: object, old: str, new: str) -> str:
    if not old:
        return _text(value)
    told = _text(value)
    room = _MOST // max(1, len(new)) + 1
    return told.replace(_text(old), _text(new), room)[:_MOST]


def _default(value: object, instead: object = "") -> object:
    return instead if value is None or value == "" else value


def _join(value: Iterable[object], between: str = ", ") -> str:
    return _text(between)[:100].join(_text(one) for one in _listed(value))[:_MOST]


def _listed(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    raise TypeError(f"wants a list, not {_text(value)[:40]!r}")


def _items(value: object) -> list[tuple[object, object]]:
    if not isinstance(value, Mapping):
        raise TypeError("items wants labels, evidence or actions")
    return list(value.items())


def _time(value: object, form: str = "%Y-%m-%d %H:%M", zone: str = "UTC") -> str:
    """An instant by the clock of a zone; nothing where there is none."""
    if not _text(value):
        return ""
    if len(form) > 100 or not _DIRECTIVES.fullmatch(form):
        raise ValueError(f"{form[:40]!r} is no form of a time; write one as in %H:%M")
    return datetime.fromisoformat(_text(value)).astimezone(named_zone(zone)).strftime(form)


def _indent(value: object, width: int = 2) -> str:
    space = " " * min(max(0, int(width)), 20)
    return "\n".join(space + line for line in _text(value).splitlines())[:_MOST]


def _duration(value: object) -> str:
    return format_duration(float(_text(value)))


def _first(value: object) -> object:
    return next(iter(_listed(value)), "")


def _last(value: object) -> object:
    return next(reversed(_listed(value)), "")


def _length(value: object) -> int:
    return len(value) if isinstance(value, (str, list, tuple, Mapping)) else len(_text(value))


FILTERS: Mapping[str, Callable[..., Any]] = {
    "capitalize": lambda value: _text(value).capitalize(),
    "default": _default,
    "duration": _duration,
    "first": _first,
    "indent": _indent,
    "items": _items,
    "join": _join,
    "json": lambda value: json.dumps(value, ensure_ascii=False, default=str)[:_MOST],
    "last": _last,
    "length": _length,
    "lower": lambda value: _text(value).lower(),
    "replace": _replace,
    "time": _time,
    "trim": lambda value: _text(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: _text(value).upper(),
    "urlencode": lambda value: quote(_text(value), safe="")[:_MOST],
}
