"""The table of processes in `probe top`: a row for each, and of the columns those that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from probe.cli.colours import fitted
from probe.cli.top_model import Pace, Process
from probe.cli.top_words import BAD, WARN, graded, per_second, percentile, size

LATE = (0.05, 0.5)  # s: yellow, red
LAG = (0.01, 0.1)  # s
FULL = (0.7, 0.9)  # of a limit
_BUSY = (0.8, 0.95)  # of a core: the most that one process can use
_SILENT = 5.0  # s
_NAME = 10  # cells


@dataclass(frozen=True, slots=True)
class Column:
    """What a process shows. `rank` is the order in which columns are taken while there is room."""

    title: str
    width: int
    rank: int
    cell: Callable[[Process, Pace], Text]


def _part(used: float, limit: float) -> float:
    return used / limit if limit > 0 else 0.0


def _counted(count: int, lately: int = 0) -> Text:
    """A counter since the start: yellow when it ever counted, red while it does."""
    return Text(f"{count:,}", style=BAD if lately else WARN if count else "")


def _files(process: Process) -> Text:
    limit = f"{process.fd_limit // 1000}k" if process.fd_limit >= 10_000 else str(process.fd_limit)
    return graded(f"{process.fds}/{limit}", _part(process.fds, process.fd_limit), *FULL)


COLUMNS = (
    Column("PID", 7, 12, lambda one, _: Text(str(one.pid))),
    Column("CPU", 5, 1, lambda _, pace: graded("—" if pace.cpu is None else f"{pace.cpu:.0%}", pace.cpu, *_BUSY)),
    Column("MEMORY", 8, 2, lambda one, _: Text(size(one.rss))),
    Column("CHECKS", 7, 9, lambda one, _: Text(f"{one.checks:,}")),
    Column("RUNS/S", 7, 3, lambda _, pace: Text(per_second(pace.runs))),
    Column("LATE p50", 8, 11, lambda _, pace: percentile(pace.late, 0.5, LATE)),
    Column("LATE p99", 8, 4, lambda _, pace: percentile(pace.late, 0.99, LATE)),
    Column("LAG p99", 8, 5, lambda _, pace: percentile(pace.lag, 0.99, LAG)),
    Column("MISSED", 7, 6, lambda one, pace: _counted(one.missed, pace.missed)),
    Column("RUNNING", 7, 7, lambda one, _: graded(f"{one.in_flight:,}", _part(one.in_flight, one.seats), *FULL)),
    Column("NAMES", 5, 10, lambda one, _: graded(f"{one.lookups:,}", one.lookups, 100, 1000)),
    Column("FILES", 11, 8, lambda one, _: _files(one)),
    Column("QUEUED", 6, 13, lambda one, _: graded(f"{one.queued:,}", one.queued, 1000, 10_000)),
    Column("DROPPED", 7, 14, lambda one, pace: _counted(sum(one.dropped.values()), pace.dropped)),
    Column("RESTARTS", 8, 15, lambda one, _: _counted(one.restarts)),
)  # fmt: skip


def columns_within(width: int) -> list[Column]:
    """The columns that fit beside the name, in their order."""
    room, taken = width - _NAME, set()
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        room -= column.width + 1
        if room < 0:
            break
        taken.add(column.title)
    return [column for column in COLUMNS if column.title in taken]


def rows(
    processes: Sequence[Process], paces: Mapping[str, Pace], silence: Callable[[Process], float], width: int, most: int
) -> list[Text]:
    """The table in at most `most` lines. `silence` is for how many seconds a process has said nothing."""
    processes = [one for one in processes if not one.ended]
    columns = columns_within(width)
    names = " ".join(f"{column.title:>{column.width}}" for column in columns)
    lines = [Text(f"{'PROCESS':<{_NAME}} {names}", style="dim")]
    shown = processes if len(processes) < most else processes[: max(1, most - 2)]
    lines += [_row(one, paces[one.process], columns, silence(one), width) for one in shown]
    if len(shown) < len(processes):
        lines.append(Text(f"and {len(processes) - len(shown)} more", style="dim"))
    return lines


def _row(process: Process, pace: Pace, columns: Sequence[Column], silent: float, width: int) -> Text:
    row = Text(fitted(process.process, _NAME))
    if not process.pid:
        return row.append(fitted(" ended; another one starts", width - _NAME).rstrip(), style=BAD)
    if silent >= _SILENT:
        return row.append(fitted(f" no word for {silent:.0f} s", width - _NAME).rstrip(), style=BAD)
    for column in columns:
        cell = column.cell(process, pace)
        row.append(" " * (1 + max(0, column.width - cell.cell_len)))
        row.append_text(cell)
    return row
