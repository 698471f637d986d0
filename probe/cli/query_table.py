"""Answers about the past on paper: as a table that a terminal has room for, as CSV, as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.core.units import format_duration
from probe.cli.colours import harmless
from thresholds.calendar import local, named_zone

Row = Mapping[str, Any]
Cells = Mapping[str, str]

NOTHING = "-"
# Texts, which stand left and may be folded where there is no room, down to so many cells. The rest are figures.
_FOLDED = {"of": 12, "measure": 14, "metric": 8, "reason": 18, "objective": 16, "budget": 14, "zone": 14, "alert": 6}
_LEFT = {*_FOLDED, "began", "ended", "at", "day", "first", "last"}


@dataclass(frozen=True, slots=True)
class Found:
    """An answer: all of it as JSON, its rows as CSV in full precision, and cells for people."""

    value: Any
    rows: Sequence[Row]
    cells: Sequence[Cells]
    title: str
    note: str = ""
    spare: tuple[str, ...] = ()  # columns that a narrow terminal does without, the most dispensable one first


def percent(share: float | None, digits: int = 4) -> str:
    """Cut, never rounded up: 99.9996 % is not 100 %."""
    if share is None:
        return NOTHING
    whole = 100 * 10**digits
    shown = min(int(share * whole + 1e-6), whole - 1)  # 0.9994 is a hair less in binary
    return "100%" if share >= 1 else f"{100 * shown / whole:.{digits}f}%"


def spent(seconds: float) -> str:
    return format_duration(seconds) if seconds else NOTHING


def length(seconds: float | None) -> str:
    return NOTHING if seconds is None else format_duration(seconds)


def stamp(at_ms: int, zone: str, now_ms: int, form: str = "%m-%d %H:%M") -> str:
    """`11-22 10:25` on a zone's clock; with the year where it is not this one. 0 is no instant."""
    if not at_ms:
        return NOTHING
    at, now = local(at_ms, named_zone(zone)), local(now_ms, named_zone(zone))
    return at.strftime(form if at.year == now.year else f"%Y-{form}")


def show(found: Found, form: str) -> None:
    """Print an answer as a table, as CSV or as JSON."""
    if form == "json":
        click.echo(json.dumps(found.value, indent=2))
    elif form == "csv":
        click.echo(_csv(found.rows), nl=False)
    else:
        table(found, Console())


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), restval="")
    if rows:
        writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _safe(value: object) -> object:
    """A spreadsheet takes a text that begins so for a formula: what servers say must not become one."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def table(found: Found, console: Console) -> None:
    """Print an answer as wide as the console; columns for which there is no room are named below it."""
    console.print(Text(harmless(found.title), style="bold"))
    if not found.cells:
        console.print("nothing", style="dim")
        return
    rows = [{name: harmless(value) for name, value in row.items()} for row in found.cells]
    widths, left_out = _fitted(rows, found.spare, console.width)
    grid = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for name, width in widths.items():
        left = name in _LEFT
        grid.add_column(name, justify="left" if left else "right", width=width, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(row.get(name, "")) for name in widths))
    console.print(grid)
    lack = f"No room for: {', '.join(left_out)}. A wider terminal or --format csv has it." if left_out else ""
    for note in filter(None, (lack, found.note)):
        console.print(Text(note, style="dim"))


def _fitted(rows: Sequence[Cells], spare: Sequence[str], room: int) -> tuple[dict[str, int], list[str]]:
    """Widths of columns that fit side by side, and the columns for which there is no room. Empty ones are left out."""
    widths = {name: _width(name, rows) for name in _columns(rows) if not _empty(name, rows, spare)}
    left_out: list[str] = []
    for name in (*spare, ""):
        while _sum(widths) > room and (wide := _widest(widths)):
            widths[wide] -= 1
        if _sum(widths) <= room or not name:
            break
        if widths.pop(name, None) is not None:
            left_out.append(name)
            widths |= {one: _width(one, rows) for one in widths if one in _FOLDED}
    return widths, left_out


def _sum(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(widths) - 1


def _width(name: str, rows: Sequence[Cells]) -> int:
    """As wide as its widest cell; a header of several words stands on several lines."""
    return max([len(word) for word in name.split()] + [cell_len(row.get(name, "")) for row in rows])


def _empty(name: str, rows: Sequence[Cells], spare: Sequence[str]) -> bool:
    return name in spare and all(row.get(name, "") in {"", NOTHING, "0"} for row in rows)


def _widest(widths: Mapping[str, int]) -> str:
    """The column that can best do with one cell less; "" where none can."""
    able = [name for name in widths if widths[name] > _FOLDED.get(name, 1 << 30)]
    return max(able, key=lambda name: widths[name] - _FOLDED[name], default="")
