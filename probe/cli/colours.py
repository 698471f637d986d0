"""Levels on a terminal: the word always, its colour where there are colours. Texts from outside made harmless."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from exporters.message import one_line
from thresholds.base import Level

COLOUR = {Level.DOWN: "red", Level.DEGRADED: "yellow", Level.UNKNOWN: "magenta", Level.UP: "green"}
PLATE = {
    Level.DOWN: "bold white on red",
    Level.DEGRADED: "bold black on yellow",
    Level.UNKNOWN: "bold magenta",
    Level.UP: "green",
}
_LONGEST = 600


def harmless(text: str) -> str:
    """One line without control characters: a server's words must not move our cursor or retitle the window."""
    if text.isascii() and text.isprintable():
        return text[:_LONGEST]  # nearly always, and fifty times as fast
    return one_line(text, _LONGEST)


def fitted(text: str, width: int) -> str:
    """The text in exactly `width` cells, with an ellipsis where it was cut; wide characters count as two."""
    text = harmless(text)
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    return f"{set_cell_size(text, width - 1)}…" if width > 0 else ""


def counted(counts: dict[Level, int]) -> Text:
    """`2 DOWN  1 DEGRADED  497 UP`; what is zero is left out, but for UP."""
    parts = [
        Text(f"{count} {level.name}", style=f"bold {COLOUR[level]}")
        for level, count in counts.items()
        if count or level is Level.UP
    ]
    return Text("  ").join(parts)
