"""How people write lengths, sizes and ratios: `500ms 30s 5m 2h 7d`, `64KiB`, `99.9%`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"B": 1, "kB": 1000, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9, "GiB": 1 << 30}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d|w))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KiB|MB|MiB|GB|GiB)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")


def parse_duration(value: object) -> float:
    """`1m30s` as 90.0 seconds. A bare number is refused: its unit would be a guess."""
    if isinstance(value, float):
        return value  # already parsed: a default, or a value handed over in code
    if isinstance(value, str) and (seconds := _seconds(value)) is not None:
        return seconds
    raise ValueError(f"{value!r} is no duration; write a number and its unit, as in 500ms, 30s, 5m, 2h, 7d")


@lru_cache(maxsize=1024)
def _seconds(text: str) -> float | None:
    if not _DURATION.fullmatch(text):
        return None
    return round(
        sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), 9
    )  # 0.7, not 0.7000000000000001


def parse_size(value: object) -> int:
    """`64KiB` as 65536 bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(float(match[1]) * _BYTES[match[2]])
    raise ValueError(f"{value!r} is no size; write bytes, or a number and its unit, as in 64KiB, 10MB")


def parse_rate(value: object) -> float:
    """`20/s` as 20.0 per second."""
    if isinstance(value, float):
        return value
    if isinstance(value, str) and (match := _RATE.fullmatch(value)) and float(match[1]) > 0:
        return float(match[1]) / _SECONDS[match[2]]
    raise ValueError(f"{value!r} is no rate; write a number per unit of time, as in 20/s or 30/m")


def format_duration(seconds: float) -> str:
    """For people: `0.4 ms`, `312 ms`, `2.41 s`, `3m 20s`, `2h 5m`, `4d 3h`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    whole = round(seconds)
    for large, small, big_unit, small_unit in ((86400, 3600, "d", "h"), (3600, 60, "h", "m"), (60, 1, "m", "s")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large}{big_unit}" + (f" {rest}{small_unit}" if rest else "")
    return f"{whole} s"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["500ms", "30s", "5m", "2h", "7d"]}
    ),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}], "examples": ["64KiB"]}
    ),
]
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    WithJsonSchema({"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["20/s", "30/m"]}),
]
