"""One run in the terminal: where the time went, what was seen, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from checks.core.result import Failure
from checks.core.units import format_duration
from probe.cli.colours import COLOUR, PLATE, harmless
from probe.config.model import Planned
from probe.web import facts, shape
from probe.web.bars import Bar, bars
from thresholds.base import Level, Verdict

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDEST = 60  # cells of the bars
_LABEL = 12
_LENGTH = 10


def render(
    planned: Planned, verdict: Verdict, earlier: Sequence[Verdict] = (), hide: Callable[[str], str] = str
) -> RenderableType:
    """The run, after the `earlier` attempts whose failure it confirms or refutes."""
    attempts = (*earlier, verdict)
    parts: list[RenderableType] = [_title(planned, hide)]
    for attempt in attempts:
        if len(attempts) > 1:
            parts.append(Text(f"\nattempt {attempt.result.attempt} of {len(attempts)}", style="bold"))
        parts.append(Waterfall(attempt))
        if attempt.result.failure is not None:
            parts.append(_failed(attempt.result.failure))
    parts += _facts(verdict)
    parts.append(_judgement(verdict))
    return Group(*parts)


def to_json(verdict: Verdict, earlier: Sequence[Verdict] = ()) -> dict[str, Any]:
    """The run as the API shows it, with the check's name; `attempts` holds those before it, where there were any."""
    value = {"check": verdict.result.check, **shape.run(verdict.result, verdict.level, verdict.reason)}
    if earlier:
        value["attempts"] = [shape.run(one.result, one.level, one.reason) for one in earlier]
    return value


class Waterfall:
    """The phases of a run as bars, one below the other, on one scale."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        result = self._verdict.result
        drawn = bars(result)
        room = max(10, min(_WIDEST, options.max_width - _LABEL - _LENGTH - 4))
        scale = max(result.duration, sum(bar.lasts for bar in drawn), 1e-9)
        yield Text()
        for bar in drawn:
            yield self._line(bar, room, scale)
        total = format_duration(result.duration).rjust(_LENGTH)
        yield Text.assemble(f"  {'total':<{_LABEL}}", " " * room, (total, "bold"), no_wrap=True)

    def _line(self, bar: Bar, room: int, scale: float) -> Text:
        colour = COLOUR[Level.DOWN] if bar.failed else "blue"
        line = Text(f"  {harmless(bar.phase)[:_LABEL]:<{_LABEL}}", no_wrap=True)
        line.append(drawn_bar(bar.begins / scale, bar.lasts / scale, room), style=colour)
        line.append(format_duration(bar.lasts).rjust(_LENGTH))
        if bar.failed:
            line.append(" failed", style=f"bold {colour}")
        return line


def drawn_bar(begins: float, lasts: float, room: int) -> str:
    """A bar in `room` cells, both numbers from 0 to 1; to the eighth of a cell, and never invisible."""
    start = min(round(begins * room), room - 1)
    eighths = max(1, min(round(lasts * room * 8), (room - start) * 8))
    full, part = divmod(eighths, 8)
    body = "█" * full + (_EIGHTHS[part] if part else "")
    return (" " * start + body).ljust(room)


def _title(planned: Planned, hide: Callable[[str], str]) -> Text:
    target = harmless(hide(planned.spec.check.target))
    if planned.name == target:
        return Text(target, style="bold")
    return Text.assemble((harmless(planned.name), "bold"), "  ", (target, "dim"))


def _failed(failure: Failure) -> Text:
    where = f" in {harmless(failure.phase)}" if failure.phase not in ("", failure.kind) else ""
    return Text(f"  {failure.kind}{where}: {harmless(failure.message)}", style=COLOUR[Level.DOWN])


def _facts(verdict: Verdict) -> list[RenderableType]:
    found: list[RenderableType] = []
    for group, words in facts.grouped(verdict.result.facts).items():
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=_LABEL + 4, no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in words.items():
            table.add_row(Text(f"  {harmless(name)}", style="dim"), _value(name, value, verdict))
        found += [Text(f"\n{group}", style="bold"), table]
    return found


def _value(name: str, value: str, verdict: Verdict) -> Text:
    left = verdict.result.facts.get("tls.days_left")
    if name == "expires" and isinstance(left, (int, float)):
        return Text(value, style="red" if left < 3 else "yellow" if left < 21 else "green")
    return Text(value)


def _judgement(verdict: Verdict) -> Text:
    line = Text.assemble("\n", (f" {verdict.level.name} ", PLATE[verdict.level]), " ")
    line.append(f"in {format_duration(verdict.result.duration)}")
    if verdict.reason and verdict.result.failure is None:
        line.append(f": {harmless(verdict.reason)}")
    return line
