"""What a replay came to, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.core.units import format_duration
from probe.cli.colours import COLOUR, harmless
from probe.cli.replay.figures import NEW, STAYS, VANISHES, Figures, Line, Side, busiest, figures, lines
from probe.cli.replay.history import Question, Story
from thresholds.alerts import Noise

_STYLE = {STAYS: "", VANISHES: "green", NEW: "yellow"}
_MOST_LINES = 60  # alerts that are listed; --json has all
_MOST_CHECKS = 40
_REASON = 300


def show(console: Console, stories: Sequence[Story], absent: Sequence[str], question: Question) -> None:
    """Print it all: the sums, checks with something to tell, alerts that change, outages that would be missed."""
    sums = figures(stories)
    console.print(_head(stories, sums, question))
    console.print(_sides(sums))
    telling = [story for story in busiest(stories) if not story.quiet]
    if len(telling) > 1:
        console.print(_checks(telling))
    _alerts(console, [line for story in telling for line in lines(story)])
    _missed(console, telling)
    if absent:
        few = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        console.print(Text(f"Without stored runs in this time: {few}", style="dim"), soft_wrap=True)


def _head(stories: Sequence[Story], sums: Figures, question: Question) -> Text:
    since_ms, until_ms = question.period
    first = min((story.period[0] for story in stories), default=since_ms)
    text = Text(f"{sums.runs:,} runs of {len(stories)} check{'' if len(stories) == 1 else 's'} judged again, ")
    text.append(f"{stamp(first)} to {stamp(until_ms)} UTC")
    if first > since_ms + 60_000:
        text.append(f"; before {stamp(first)} no runs are stored", style="yellow")
    return text


def _sides(sums: Figures) -> Table:
    """Both configurations beside each other."""
    table = _table("", "TODAY", "WOULD BE")
    table.add_row("alerts", str(sums.today.alerts), _against(sums.would_be.alerts, sums.today.alerts))
    table.add_row("  noise", str(sums.today.noisy), _against(sums.would_be.noisy, sums.today.noisy))
    words = {Noise.SHORT: "short", Noise.NIGHT: "at night", Noise.MAINTENANCE: "in maintenance"}
    for kind, word in words.items():
        table.add_row(f"    {word}", str(sums.today.noise[kind]), str(sums.would_be.noise[kind]), style="dim")
    if sums.outages:
        table.add_row(f"of {sums.outages} real outages, told", _told(sums.today, sums), _told(sums.would_be, sums))
        table.add_row("  after, in the middle", _length(sums.today.to_detect), _length(sums.would_be.to_detect))
    table.add_section()
    table.add_row("stay", str(sums.stays), str(sums.kept))
    table.add_row("vanish", Text(str(sums.vanishes), style=_STYLE[VANISHES] if sums.vanishes else ""), "")
    table.add_row("new", "", Text(str(sums.new), style=_STYLE[NEW] if sums.new else ""))
    return table


def _against(count: int, before: int) -> Text:
    style = "green" if count < before else "yellow" if count > before else ""
    return Text(str(count), style=style)


def _told(side: Side, sums: Figures) -> Text:
    return Text(str(sums.outages - side.missed), style="red" if side.missed else "")


def _checks(stories: Sequence[Story]) -> Table:
    table = _table("CHECK", "TODAY", "WOULD BE", "STAY", "VANISH", "NEW", "NOISE", "OUTAGES", "TOLD AFTER")
    for story in stories[:_MOST_CHECKS]:
        sums = figures([story])
        table.add_row(
            Text(harmless(story.name), style="bold"),
            str(sums.today.alerts),
            _against(sums.would_be.alerts, sums.today.alerts),
            str(sums.stays),
            Text(str(sums.vanishes), style=_STYLE[VANISHES] if sums.vanishes else "dim"),
            Text(str(sums.new), style=_STYLE[NEW] if sums.new else "dim"),
            f"{sums.today.noisy} → {sums.would_be.noisy}",
            str(sums.outages) if sums.outages else Text("0", style="dim"),
            _change(sums) if sums.outages else "",
        )
    if len(stories) > _MOST_CHECKS:
        table.caption = f"and {len(stories) - _MOST_CHECKS} more checks; --json has all"
    return table


def _change(sums: Figures) -> Text:
    text = Text(f"{_length(sums.today.to_detect)} → {_length(sums.would_be.to_detect)}")
    if sums.would_be.missed:
        text.append(f", {sums.would_be.missed} missed", style="red")
    return text


def _alerts(console: Console, found: Sequence[Line]) -> None:
    """What changes; then, while there is room, what stays."""
    order = sorted(found, key=lambda line: (line.what == STAYS, line.told.alert.opened_ms))
    if not order:
        console.print("No alerts, neither today nor with this configuration.")
        return
    table = _table("", "CHECK", "OPENED (UTC)", "LASTED", "WORST", "NOISE", "REASON")
    table.columns[3].justify = "right"
    for line in order[:_MOST_LINES]:
        alert, until_ms = line.told.alert, line.story.period[1]
        table.add_row(
            Text(line.what, style=_STYLE[line.what]),
            harmless(alert.check),
            stamp(alert.opened_ms),
            "open" if alert.open else format_duration(alert.lasted(until_ms)),
            Text(alert.worst.name, style=COLOUR[alert.worst]),
            ", ".join(line.told.noise),
            Text(harmless(alert.reason)[:_REASON], overflow="ellipsis", no_wrap=True),
        )
    if len(order) > _MOST_LINES:
        table.caption = f"and {len(order) - _MOST_LINES} more; --json has all"
    console.print(table)


def _missed(console: Console, stories: Sequence[Story]) -> None:
    """Outages that nobody would be told of, and those told later than today."""
    for story in stories:
        for found in story.outages:
            if found.would_be is None:
                what = Text("missed: ", style="bold red")
            elif found.today is not None and found.would_be > found.today + 60:
                what = Text(f"told {format_duration(found.would_be - found.today)} later: ", style="yellow")
            else:
                continue
            outage = found.outage
            lasted = ((outage.first_good_ms or story.period[1]) - outage.first_bad_ms) / 1000
            what.append(
                f"{harmless(story.name)}, {stamp(outage.first_bad_ms)} UTC, {format_duration(lasted)}: ", style="none"
            )
            what.append(harmless(outage.reason), style="none")
            console.print(what, soft_wrap=True)


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        wordy = name in {"CHECK", "WORST", "NOISE", "REASON", "TOLD AFTER"} or name.startswith("OPENED")
        # Where a terminal is narrow, reasons give way.
        table.add_column(name, justify="left" if wordy else "right", no_wrap=name != "REASON")
    return table


def _length(seconds: float | None) -> str:
    return "—" if seconds is None else format_duration(seconds)


def exact(at_ms: int) -> str:
    """As `stamp`, to the second: alerts of one minute are told apart."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
