"""The two text formats that Prometheus reads: 0.0.4 and OpenMetrics 1.0. Knows nothing of checks.

Sources: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

T = TypeVar("T")
Number = int | float | str  # a str is a number as the formats write it: "NaN"

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version={}; charset=utf-8"
EOF = b"# EOF\n"

LINES = 64  # made at a time
_CHUNK = 64 << 10  # characters: some 600 lines, made in a fifth of a millisecond
_LONGEST = 1024  # characters of a label value: a certificate may carry a thousand names
_UNSAFE = re.compile(
    "[\x00\ud800-\udfff]"
)  # Prometheus takes NUL for the end of the text; half a surrogate has no UTF-8
_encode = msgspec.json.Encoder().encode
_UNITS = ("seconds", "bytes", "ratio")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name as samples carry it, so with `_total` and `_info`, and its lines' heads.

    A head is all that stands before a check's labels: `probe_http_duration_seconds{phase="tls",`.
    """

    name: str
    type: str  # gauge, counter, info, histogram
    help: str
    heads: tuple[str, ...] = ()

    def header(self, *, openmetrics: bool) -> str:
        """HELP and TYPE, and UNIT where OpenMetrics has one."""
        text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        if not openmetrics:
            kind = "gauge" if self.type == "info" else self.type
            return f"# HELP {self.name} {text}\n# TYPE {self.name} {kind}\n"
        # OpenMetrics names the family, and the suffix belongs to its samples.
        name = self.name.removesuffix({"counter": "_total", "info": "_info"}.get(self.type, ""))
        text = text.replace('"', r"\"")
        unit = next((f"# UNIT {name} {unit}\n" for unit in _UNITS if name.endswith(f"_{unit}")), "")
        return f"# HELP {name} {text}\n# TYPE {name} {self.type}\n{unit}"


def family(name: str, kind: str, text: str, label: str = "", values: Iterable[str] = ()) -> Family:
    """A family whose lines differ by the check alone, or also by one label of known values."""
    heads = tuple(head(name, {label: value}) for value in values) or (head(name, {}),)
    return Family(name, kind, text, heads)


def head(name: str, labels: Mapping[str, str]) -> str:
    """The start of a line, up to where a check's own labels go on: `name{phase="tls",`."""
    return f"{name}{{" + "".join(f'{label}="{escaped(value)}",' for label, value in labels.items() if value)


def tail(labels: Mapping[str, str]) -> str:
    """The rest of a line's labels, closed: `check="shop/home",service="shop"} `. An empty value is no label."""
    return ",".join(f'{label}="{escaped(value)}"' for label, value in labels.items() if value) + "} "


def escaped(value: str) -> str:
    """A label's value, between quotes: what would break the line, or the whole scrape, is escaped or replaced."""
    if value.isprintable() and len(value) <= _LONGEST and '"' not in value and "\\" not in value:
        return value
    if len(value) > _LONGEST:
        value = value[: _LONGEST - 1] + "…"
    value = _UNSAFE.sub("\ufffd", value)
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> Number:
    """A number that formats as both formats write it; a bool as 1 or 0."""
    if value - value == 0:  # not so of the infinite ones and NaN
        return value + 0
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def written(values: Sequence[float]) -> str:
    """Numbers as both formats write them, with commas between: many at once, for a sixth of what one by one takes."""
    text = _encode(values).decode()
    if "null" in text:  # JSON has no word for NaN and the infinite ones
        return ",".join([str(number(value)) for value in values])
    return text[1:-1]


def lines(starts: Sequence[str], labels: Sequence[str], numbers: str) -> str:
    """A line of each number: a head, the labels of its check, the number. Faster than a line at a time by far."""
    if not labels:
        return ""
    cells = [""] * (4 * len(labels))
    cells[0::4] = starts
    cells[1::4] = labels
    cells[2::4] = numbers.split(",")
    cells[3::4] = ["\n"] * len(labels)
    return "".join(cells)


def packed(parts: Iterable[str]) -> Iterator[bytes]:
    """Lines as chunks of about 64 KiB, however small the parts they come in."""
    ready: list[str] = []
    size = 0
    for part in parts:
        ready.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield "".join(ready).encode()
            ready, size = [], 0
    if ready:
        yield "".join(ready).encode()


def slices(items: list[T], size: int = LINES) -> Iterator[list[T]]:
    """Items in runs of at most so many."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def negotiate(accept: str | None) -> tuple[str, bool]:
    """The content type to answer with, and whether it is OpenMetrics: where that is asked for and not outranked."""
    openmetrics = text = 0.0
    version = "1.0.0"
    for media, fields in _accepted(accept or ""):
        quality = _quality(fields.get("q", "1"))
        if media == "application/openmetrics-text" and fields.get("version", "1.0.0") in {"1.0.0", "0.0.1"}:
            if quality > openmetrics:
                openmetrics, version = quality, fields.get("version", "1.0.0")
        elif media in {"text/plain", "text/*", "*/*"}:
            text = max(text, quality)
    if openmetrics > 0 and openmetrics >= text:
        return OPENMETRICS.format(version), True
    return TEXT, False


def _accepted(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    for item in accept.split(","):
        media, *parameters = (word.strip().lower() for word in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield media, {name.strip(): value.strip(' "') for name, _, value in pairs}


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
