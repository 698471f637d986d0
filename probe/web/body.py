"""What the body of a request asks for, or one line that names the key which is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from checks.core.units import format_duration, parse_duration
from exporters.message import one_line

_NAME = 200  # characters of a pattern, a label, an author
_TEXT = 500  # of a reason
_MOST = 100  # patterns under one key
_HIGHEST = 10**12  # of a number
_SHOWN = 60
JSON = "application/json"
# What any page in a browser sends to any other site without asking it first.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class BodyError(web.HTTPBadRequest):
    """A body that asks for nothing that can be done; the line says why."""

    def __init__(self, line: str) -> None:
        super().__init__(text=line)


async def read(request: web.Request, known: Collection[str], *, optional: bool = False) -> Body:
    """The JSON object that was sent, with none but known keys. `optional`: nothing may be sent as well."""
    raw = await request.read()
    if not raw and optional and request.content_type not in _FORMS:
        return Body({})
    if request.content_type != JSON:
        raise web.HTTPUnsupportedMediaType(text=f"the body must be JSON, sent as Content-Type: {JSON}")
    try:
        value = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyError(f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BodyError("the body must be a JSON object, {...}")
    for key in value:
        if key not in known:
            raise BodyError(f"unknown key {key[:_SHOWN]!r}; known are {', '.join(sorted(known))}")
    return Body(value)


class Body:
    """A JSON object. Each method gives what a key says, checked; null is as if the key were not there."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, key: str, *, required: str = "", limit: int = _TEXT) -> str:
        """One line. `required` is an example for whoever left it out."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise BodyError(f"{key}: must be a text, not {_shown(value)}")
        if len(value or "") > limit:
            raise BodyError(f"{key}: is longer than {limit} characters")
        line = one_line(value or "", limit)
        if required and not line:
            raise BodyError(f"{key}: is missing; say {required}")
        return line

    def author(self, *, required: str = "") -> str:
        return self.text("author", required=required, limit=_NAME)

    def patterns(self, key: str) -> tuple[str, ...]:
        """Names or patterns: a list of them, or one."""
        value = self._values.get(key)
        items = [value] if isinstance(value, str) else value if value is not None else []
        if not isinstance(items, list):
            raise BodyError(f"{key}: must be a list of names or patterns, not {_shown(value)}")
        if len(items) > _MOST:
            raise BodyError(f"{key}: has {len(items)} patterns, at most {_MOST}")
        for item in items:
            _check_pattern(key, item)
        return tuple(dict.fromkeys(items))

    def labels(self, key: str) -> Mapping[str, str]:
        value = self._values.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise BodyError(f'{key}: must be an object of label and value, {{"tier": "1"}}, not {_shown(value)}')
        if len(value) > _MOST:
            raise BodyError(f"{key}: has {len(value)} labels, at most {_MOST}")
        for label, pattern in value.items():
            _check_pattern(f"{key} names", label)
            _check_pattern(f"{key}.{label[:_SHOWN]}", pattern)
        return value

    def numbers(self, key: str, most: int, *, example: str) -> tuple[int, ...]:
        """Whole numbers from 1 on, each once; there must be some."""
        value = self._values.get(key)
        if not isinstance(value, list) or not value:
            raise BodyError(f"{key}: must be a list of numbers; say {example}")
        if len(value) > most:
            raise BodyError(f"{key}: has {len(value)} numbers, at most {most}")
        for item in value:
            if type(item) is not int or not 0 < item < _HIGHEST:
                raise BodyError(f"{key}: must be whole numbers from 1 on, not {_shown(item)}")
        return tuple(dict.fromkeys(value))

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or value not in choices:
            raise BodyError(f"{key}: must be {' or '.join(choices)}, not {_shown(value)}")
        return value

    def flag(self, key: str) -> bool:
        value = self._values.get(key)
        if value is not None and not isinstance(value, bool):
            raise BodyError(f"{key}: must be true or false, not {_shown(value)}")
        return bool(value)

    def instant(self, key: str) -> int | None:
        """Unix ms; None where the key is not there."""
        value = self._values.get(key)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None:
                return round(at.timestamp() * 1000)
        except (TypeError, ValueError, OverflowError):
            pass
        raise BodyError(
            f"{key}: must be an instant with its offset from UTC, as in 2026-11-22T03:00:00Z, not {_shown(value)}"
        )

    def length(self, key: str, most: float) -> float | None:
        """Seconds; None where the key is not there."""
        value = self._values.get(key)
        if value is None:
            return None
        try:
            seconds = parse_duration(value if isinstance(value, str) else None)
        except (ValueError, OverflowError):
            raise BodyError(f"{key}: must be a length of time, as in 30m, 2h or 1d, not {_shown(value)}") from None
        if not 0.001 <= seconds <= most:
            raise BodyError(f"{key}: must be more than nothing, and {format_duration(most)} at most")
        return seconds


def _check_pattern(key: str, item: object) -> None:
    if not isinstance(item, str) or not item or len(item) > _NAME or not item.isprintable():
        raise BodyError(f"{key}: must be names or patterns of 1 to {_NAME} characters, not {_shown(item)}")


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
