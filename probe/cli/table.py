"""The live table of the running service: every check, worst first, as many as the terminal has lines for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.text import Text

from checks.core.units import format_duration
from probe.cli.colours import COLOUR, PLATE, counted, fitted, harmless
from probe.cli.screen import Screen
from probe.clock import Clock, SystemClock
from probe.web import spark
from probe.web.base import Board, CheckView
from probe.web.facts import lasted
from probe.web.order import counts, worst
from probe.web.when import age

_FRAMES = 2.0  # a second: what changes is read by people
_AROUND = 4  # lines that are no check: two of a header, column names, footer
_LEVEL, _SINCE, _LATENCY = 9, 8, 8
_LAG = 0.01  # s that are worth a word
_NOTES = 3
_TALL = 16  # lines from which on there is room for notes


class Figures(Protocol):
    """What the header says of the service. Counts are since its start."""

    @property
    def instance(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def alerts_sent(self) -> int: ...
    @property
    def alerts_failed(self) -> int: ...
    @property
    def runs(self) -> int: ...
    @property
    def missed(self) -> int: ...
    @property
    def lag(self) -> float:
        """How late our own loop woke lately, in seconds."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide each column is. What a narrow terminal has no room for is 0 and left out."""

    check: int
    target: int
    runs: int
    reason: int
    gap: str

    @classmethod
    def within(cls, width: int, longest: int) -> Columns:
        """The check's name first, `longest` at most, then the reason; target and last runs where there is room."""
        gap = 1 if width < 100 else 2
        runs = 8 if width < 100 else 20
        room = width - _LEVEL - _SINCE - _LATENCY - runs - 5 * gap
        check = max(8, min(longest, room * 52 // 100, 48))
        target = max(0, (room - check) * 4 // 10) if width >= 130 else 0
        reason = room - check - (target + gap if target else 0)
        return cls(check, target, max(0, runs + min(0, reason)), max(0, reason), " " * gap)


def render(
    board: Board,
    figures: Figures,
    now_ms: int,
    width: int,
    height: int,
    *,
    rate: float | None = None,
    notes: Sequence[str] = (),
) -> RenderableType:
    """The picture of one moment in `width` x `height` cells.

    `rate` is in runs per second. Of `notes`, lines that were printed meanwhile, the last ones stand at the bottom.
    """
    views = list(board.views())
    notes = notes[-_NOTES:] if height >= _TALL else ()
    room = max(1, height - _AROUND - len(notes))
    shown = worst(views, room)
    columns = Columns.within(width, max((len(view.planned.name) for view in shown), default=0))
    lines: list[Text] = [_header(figures, views), _service(figures, rate), _names(columns)]
    lines += [_row(view, columns, now_ms) for view in shown]
    lines.append(_footer(views, shown))
    lines += [Text(harmless(note), style="dim") for note in notes]
    for line in lines:
        line.no_wrap, line.overflow = True, "crop"
    return Group(*lines)


def _header(figures: Figures, views: Sequence[CheckView]) -> Text:
    name = Text.assemble(("Probe ", "dim"), (harmless(figures.instance), "bold"), "  ")
    return name.append_text(counted(counts(views)))


def _service(figures: Figures, rate: float | None) -> Text:
    """How the service itself does; what is wrong with it stands out."""
    parts = [Text(harmless(figures.address)), Text(f"{figures.alerts_sent} alerts sent")]
    if figures.alerts_failed:
        parts.append(Text(f"{figures.alerts_failed} failed", style="yellow"))
    if rate is not None:
        parts.append(Text(f"{rate:.1f} runs/s"))
    if figures.missed:
        parts.append(Text(f"{figures.missed} runs missed", style="yellow"))
    if figures.lag >= _LAG:
        parts.append(Text(f"our own loop lags {format_duration(figures.lag)}", style="yellow"))
    return Text(" · ").join(parts)


def _names(columns: Columns) -> Text:
    cells = [
        ("STATE", _LEVEL),
        ("CHECK", columns.check),
        ("TARGET", columns.target),
        ("FOR", _SINCE),
        ("LATENCY".rjust(_LATENCY), _LATENCY),
        ("RUNS", columns.runs),
        ("REASON", columns.reason),
    ]
    return Text(columns.gap.join(name[:width].ljust(width) for name, width in cells if width), style="dim")


def _row(view: CheckView, columns: Columns, now_ms: int) -> Text:
    state, last, gap = view.state, view.last, columns.gap
    level = state.level
    line = Text(no_wrap=True)
    line.append(f" {level.name}".ljust(_LEVEL), style=PLATE[level])
    line.append(gap + fitted(view.planned.name, columns.check) + gap, style="bold" if level.bad else "")
    if columns.target:
        line.append(fitted(view.planned.spec.check.target, columns.target) + gap, style="dim")
    since = age((now_ms - state.since_ms) / 1000) if state.since_ms else "—"
    line.append(since.ljust(_SINCE) + gap)
    latency = lasted(last.result) if last is not None else "—"
    line.append(latency.rjust(_LATENCY) + gap)
    line.append_text(_spark(view, columns.runs))
    if columns.reason:
        line.append(gap + fitted(state.reason, columns.reason).rstrip(), style=COLOUR[level] if level.bad else "dim")
    return line


def _spark(view: CheckView, width: int) -> Text:
    drawn = spark.blocks(view.history, width)
    text = Text(" " * (width - len(drawn)))
    for level, run in groupby(drawn, key=itemgetter(1)):
        text.append("".join(block for block, _ in run), style=COLOUR[level])
    return text


def _footer(views: Sequence[CheckView], shown: Sequence[CheckView]) -> Text:
    hidden = len(views) - len(shown)
    if not hidden:
        return Text("Ctrl-C ends", style="dim")
    rest = counts(views)
    for level, count in counts(shown).items():
        rest[level] -= count
    left = counted({level: count for level, count in rest.items() if count})
    return Text.assemble(f"and {hidden} more: ", left, (" · Ctrl-C ends", "dim"))


async def show(board: Board, figures: Figures, console: Console, clock: Clock | None = None) -> None:
    """Draw the table until cancelled; the last picture stays behind. Never waits for the terminal."""
    clock = clock or SystemClock()
    rate = Rate()
    with Screen(console) as screen:
        try:
            while True:
                width, height = screen.size()
                notes, taken = tuple(screen.notes.lines), rate.taken(figures.runs)
                screen.offer(render(board, figures, clock.now_ms(), width, height, rate=taken, notes=notes))
                await asyncio.sleep(1 / _FRAMES)
        finally:
            width, height = screen.size()
            screen.leave(render(board, figures, clock.now_ms(), width, height - 1, rate=rate.last))


class Rate:
    """Runs per second, smoothed over some ten seconds."""

    def __init__(self) -> None:
        self.last: float | None = None
        self._seen: list[tuple[float, int]] = []

    def taken(self, runs: int, at: float | None = None) -> float | None:
        """The rate up to now; None until there is a second to look back on."""
        now = time.monotonic() if at is None else at
        self._seen = [*(seen for seen in self._seen if now - seen[0] <= 10), (now, runs)]
        began, before = self._seen[0]
        self.last = (runs - before) / (now - began) if now - began >= 1 else None
        return self.last
