"""Figures of `probe top` as words, in the colour of how bad they are: none, yellow or red."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from checks.core.units import format_duration
from probe.cli.colours import fitted, harmless
from probe.cli.top_model import Histogram

WARN, BAD = "yellow", "bold red"


def graded(words: str, value: float | None, warn: float, bad: float = math.inf) -> Text:
    """The words, coloured from `warn` on, and louder from `bad` on."""
    if value is None or value < warn:
        return Text(words)
    return Text(words, style=BAD if value >= bad else WARN)


def percentile(times: Histogram, share: float, limits: tuple[float, float], label: str = "") -> Text:
    """What a share of the times does not exceed: `p99 12 ms`."""
    found = times.quantile(share)
    if found is None:
        return Text(f"{label}—")
    words = f"> {format_duration(times.bounds[-1])}" if math.isinf(found) else format_duration(found)
    return graded(f"{label}{words}", found, *limits)


def per_second(rate: float | None) -> str:
    if rate is None:
        return "—"
    return f"{rate:.1f}" if rate < 1000 else f"{rate:,.0f}"


def size(count: int) -> str:
    """`850 KiB`, `85 MiB`, `1.2 GiB`."""
    for unit, of in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= of:
            return f"{count / of:.1f} {unit}" if count < 10 * of else f"{count / of:.0f} {unit}"
    return f"{count} B"


def many(count: int, noun: str) -> str:
    """`1 incident`, `1,200 incidents`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def line(label: str, pieces: Sequence[Text], width: int) -> Text:
    """`label  one · two · three`; what does not fit goes, last first, but never before something that is fine."""
    kept = list(pieces)
    while True:
        made = Text.assemble((f"{label:<7}", "dim")).append_text(Text(" · ").join(kept))
        if made.cell_len <= width or len(kept) <= 1:
            return made
        fine = [index for index, piece in enumerate(kept) if not piece.style]
        del kept[fine[-1] if fine else -1]


def shortened(name: str, width: int) -> str:
    """The name in exactly `width` cells, cut in the middle: names of one folder differ at their end."""
    name = harmless(name)
    if cell_len(name) <= width or width < 3:
        return fitted(name, width)
    head = set_cell_size(name, (width - 1) // 3).rstrip()
    tail = name[-(width - 1) :]
    while cell_len(head) + 1 + cell_len(tail) > width:
        tail = tail[1:]
    return fitted(f"{head}…{tail}", width)


def plain(text: str, style: str = "") -> Text:
    """A text from the service, as it can be shown."""
    return Text(harmless(text), style=style)
