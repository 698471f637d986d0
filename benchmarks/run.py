"""Runs every benchmark, prints a table of each; in their short form unless told otherwise.

    python benchmarks/run.py [--full] [--write] [name ...]

`--write` puts the tables, the date and the machine into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from benchmarks.processes import end, end_on_sigterm
from benchmarks.report import GOALS, Table, load, machine, progress

HERE = Path(__file__).parent
README = HERE / "README.md"
BENCHMARKS = (
    "cpu_per_check",
    "whole_system",
    "truth",
    "stalls",
    "disturbed",
    "five_thousand_per_second",
    "fleet",
    "start",
    "exposition",
    "store",
    "slices",
    "cost",
    "replay",
    "rollups",
    "baseline",
    "burn",
)
_MARKED = re.compile(r"(?<=<!-- figures: begin -->\n).*?(?=<!-- figures: end -->)", re.DOTALL)


def output(name: str, *options: str) -> str:
    """What a benchmark prints, "" where it failed. A process of its own: none inherits another's memory or caches."""
    command = [sys.executable, str(HERE / f"{name}.py"), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        printed, _ = process.communicate()
    finally:
        end(process)
    return "" if process.returncode else printed.strip()


def goals(parts: Sequence[str]) -> Table:
    """The rows of all tables of goals in what benchmarks have printed."""
    head, rows = f"| {' | '.join(GOALS)} |", []
    for part in parts:
        below = part.partition(f"{head}\n")[2].splitlines()[1:]
        rows += [line.strip("| ").split(" | ") for line in takewhile(lambda line: line.startswith("|"), below)]
    return Table("Figures to reach", GOALS, rows)


def without_goals(part: str) -> str:
    """What a benchmark has printed before its goals, which stand at the top together with those of all others."""
    return part.partition("\n\n**To reach**")[0]


def heading(form: str) -> str:
    today = dt.datetime.now(dt.UTC).date()
    return f"{form} of {today}, on {machine()}; load before: {load()}."


def with_figures(readme: str, figures: str) -> str:
    """The README with its marked part replaced."""
    if not _MARKED.search(readme):
        raise SystemExit(f"{README} has no marked part: <!-- figures: begin --> ... <!-- figures: end -->")
    return _MARKED.sub(lambda _: f"\n{figures}\n\n", readme)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"which of {', '.join(BENCHMARKS)}; all unless given")
    parser.add_argument("--full", action="store_true", help="in their long form: an hour and a half")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/README.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if options.write:
        with_figures(README.read_text(encoding="utf-8"), "")  # before minutes are spent
    end_on_sigterm()
    parts = [heading("Full run" if options.full else "Short run")]
    failed: list[str] = []
    print(parts[0], flush=True)
    for name in options.names or BENCHMARKS:
        progress(f"--- {name}")
        began = time.monotonic()
        if printed := output(name, *([] if options.full else ["--short"])):
            parts.append(printed)
            print(f"\n{without_goals(printed)}", flush=True)
        else:
            failed.append(name)
        progress(f"--- {name}{' failed' * (name in failed)}: {time.monotonic() - began:.0f} s")
    reached = goals(parts).markdown()
    print(f"\n{reached}", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    if options.write:
        figures = "\n\n".join([parts[0], reached, *map(without_goals, parts[1:])])
        README.write_text(with_figures(README.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
