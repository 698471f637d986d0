"""Runs every benchmark, prints a table of each; in their short form, within ten minutes.

    python benchmarks/run.py [--full] [--write] [name ...]

`--write` puts the tables, the date and the machine into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import end, end_on_sigterm
from benchmarks.report import load, machine, progress

HERE = Path(__file__).parent
README = HERE / "README.md"
BENCHMARKS = ("cpu_per_check", "store", "start", "exposition")
_MARKED = re.compile(r"(?<=<!-- figures: begin -->\n).*?(?=<!-- figures: end -->)", re.DOTALL)


def output(name: str, *options: str) -> str:
    """What a benchmark prints. It is a process of its own: none inherits another's memory or caches."""
    command = [sys.executable, str(HERE / f"{name}.py"), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        printed, _ = process.communicate()
    finally:
        end(process)
    if process.returncode:
        sys.exit(f"{name} failed: exit code {process.returncode}")
    return printed.strip()


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
    parser.add_argument("--full", action="store_true", help="in their long form: half an hour or more")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/README.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if options.write:
        with_figures(README.read_text(encoding="utf-8"), "")  # before minutes are spent
    end_on_sigterm()
    parts = [heading("Full run" if options.full else "Short run")]
    print(parts[0], flush=True)
    for name in options.names or BENCHMARKS:
        progress(f"--- {name}")
        parts.append(output(name, *([] if options.full else ["--short"])))
        print(f"\n{parts[-1]}", flush=True)
    if options.write:
        README.write_text(with_figures(README.read_text(encoding="utf-8"), "\n\n".join(parts)), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
