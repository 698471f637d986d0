"""What every benchmark prints: one markdown table, the words that it needs, and the machine that it was made on."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Table:
    """One table of figures. Every row has a cell for each column."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        lines = [f"**{self.title}**", "", _line(self.columns), _line(["---"] * len(self.columns))]
        lines += [_line(row) for row in self.rows]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is to be reached, beside what was seen. `reached` is None where that cannot be said."""

    figure: str
    wanted: str
    seen: str
    reached: bool | None

    def row(self) -> Sequence[str]:
        return [self.figure, self.wanted, self.seen, {True: "yes", False: "**no**", None: "-"}[self.reached]]


GOALS = ("figure", "to reach", "seen", "reached")


def show(tables: Sequence[Table], goals: Sequence[Goal]) -> None:
    """Print all that a benchmark has to say; run.py gathers the goals of all."""
    reached = [Table("To reach", GOALS, [goal.row() for goal in goals])] if goals else []
    print("\n\n".join(table.markdown() for table in (*tables, *reached)))


def at_most(figure: str, limit: float, values: Sequence[float], unit: str = "", digits: int = 2) -> Goal:
    """Whether the median of some rounds is at most `limit`."""
    if not values:
        return Goal(figure, f"at most {limit:.3g}{unit}", "not measured", None)
    return Goal(figure, f"at most {limit:.3g}{unit}", middle(values, digits) + unit, statistics.median(values) <= limit)


def none_of(figure: str, counts: Sequence[float]) -> Goal:
    """Whether something did not happen in any round."""
    if not counts:
        return Goal(figure, "none", "not measured", None)
    return Goal(figure, "none", middle(counts, 0), not any(counts))


def middle(values: Sequence[float], digits: int = 2) -> str:
    """The median, and how far the rounds lay apart: `0.41 (0.39-0.44)`."""
    median = statistics.median(values)
    if len(values) == 1:
        return f"{median:.{digits}f}"
    return f"{median:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank); NaN without any."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    """Where the figures come from, in one line."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {' '.join(ssl.OPENSSL_VERSION.split()[:2])}, "
        f"SQLite {sqlite3.sqlite_version}"
    )


def load() -> str:
    """How busy the machine is with other things: the load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def progress(text: str) -> None:
    """Say how far it is, beside the table."""
    print(text, file=sys.stderr, flush=True)
