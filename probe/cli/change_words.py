"""Changes and deploys in words, from what the service answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exporters.message import one_line
from probe.cli.upkeep_words import moment

Json = Mapping[str, Any]
_TEXT = 300  # characters
_PATTERNS = 60


def told(made: Json) -> str:
    """What the service knows now, and how it ends."""
    count = f"{made['covers']['count']} check{'' if made['covers']['count'] == 1 else 's'}"
    if made["kind"] == "deploy":
        return f"{made['name']} deployed at {moment(made['from'])}, beside the alerts of {count}"
    if made["state"] != "in_progress":
        return f"{made['id']} is over since {moment(made['to'])}"
    until = f"until {moment(made['to'])}" if made["to"] else "until it is ended"
    does = "mutes" if made["mute"] else "is told beside the alerts of"
    line = f"{made['id']} in progress {until}, {does} {count}{_title(made)}"
    return f"{line}\nended by: probe change end {made['id']}"


def ended(made: Json) -> str:
    how = "failed" if made["state"] == "failed" else "ended"
    return f"{made['id']} {how} at {moment(made['to'])}{_title(made)}"


def listing(found: Json) -> str:
    rows = [_row(one) for one in found["changes"]]
    if not rows:
        return "nothing was changed"
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*columns, strict=True))


def _row(one: Json) -> Sequence[str]:
    until = f"until {moment(one['to'])}" if one["to"] and one["to"] != one["from"] else ""
    state = one["state"].replace("_", " ") + (", muted" if one["mute"] and one["state"] == "in_progress" else "")
    author = f" ({_text(one['author'])})" if one["author"] else ""
    what = f"{_text(one['title'])}{author}".strip()
    return (_text(one["id"]), state, moment(one["from"]), until, _touched(one), _text(one["version"]), what)


def _touched(one: Json) -> str:
    labels = (f"{label}={value}" for label, value in one["labels"].items())
    return one_line(" ".join((*one["services"], *one["checks"], *labels)), _PATTERNS)


def _title(one: Json) -> str:
    return f": {_text(one['title'])}" if one["title"] else ""


def _text(text: str) -> str:
    return one_line(text, _TEXT)
