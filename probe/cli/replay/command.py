"""`probe replay`: what it is asked, how far it is, what it prints."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time
from fnmatch import fnmatchcase
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from checks.core.units import parse_duration
from probe.cli.replay.figures import to_json
from probe.cli.replay.history import Historian, Question, Story
from probe.cli.replay.table import show
from probe.config.model import Config, Planned
from probe.config.problems import nearest
from probe.store.base import StoreError
from probe.store.reader import Reader
from thresholds.alerts import DAY
from thresholds.calendar import parse_instant

POINTS = 460  # columns of a chart
_NIGHT = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)")
_NICE = 10  # the service and its probes come first
_LONGEST = 3660 * 86400.0
_WIDE = 160  # columns, where there is no terminal
_SELDOM = (100_000, 20, 1_000)  # new objects, and collections of a generation, after which garbage is looked for


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    question: Question
    checks: Sequence[Planned]
    store: str
    as_json: bool = False
    html: Path | None = None


def instant(text: str, now_ms: int) -> int:
    """`30d` ago, or an instant as in `2026-11-01T08:00` UTC, in Unix ms. Raises ValueError."""
    if text == "now":
        return now_ms
    try:
        seconds = parse_duration(text)
    except ValueError:
        try:
            return parse_instant(text, "UTC")
        except ValueError:
            raise ValueError(f"{text!r} is no time; write how long ago, as in 30d, or 2026-11-01T08:00 (UTC)") from None
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer ago than ten years")
    return now_ms - round(seconds * 1000)


def period(since: str, until: str, now_ms: int) -> tuple[int, int]:
    """The time to replay. Raises ValueError."""
    start, end = instant(since, now_ms), min(instant(until, now_ms), now_ms)
    if start >= end:
        raise ValueError("--since must be before --until, and before now")
    return start, end


def waking(night: str) -> tuple[time, time]:
    """The hours of the day, from those of the night as in `22:00-07:00`. Raises ValueError."""
    match = _NIGHT.fullmatch(night.strip())
    try:
        if match is None:
            raise ValueError
        begins, ends = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    except ValueError:
        raise ValueError(f"{night!r} is no night; write it as in 22:00-07:00") from None
    if begins == ends:
        raise ValueError("a night from an instant to the same is a whole day, or none")
    return ends, begins


def chosen(config: Config, patterns: Sequence[str]) -> list[Planned]:
    """The checks that patterns name; all without any. Raises ValueError."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in config.checks):
            near = nearest(pattern, list(config.checks))
            raise ValueError(f"no check is called {pattern}{f'; did you mean {near}?' if near else ''}")
    wanted = patterns or ["*"]
    return [check for name, check in config.checks.items() if any(fnmatchcase(name, one) for one in wanted)]


def replay(config: Config, wish: Wish, old: Config | None = None) -> int:
    """Replay, and print or write what came of it; the exit code."""
    be_nice()
    try:
        with Reader.at(wish.store) as reader, seldom_collecting():
            stories, absent = _told(Historian(reader, wish.question, config.maintenance), wish.checks)
    except StoreError as error:
        click.echo(str(error), err=True)
        return 1
    if wish.html is not None:
        _write(wish.html, stories, absent, wish.question, config, old)
    if wish.as_json:
        click.echo(json.dumps(to_json(stories, absent, wish.question), indent=2))
    elif stories:
        show(Console(width=None if sys.stdout.isatty() else _WIDE), stories, absent, wish.question)
    if not stories:
        click.echo("no runs of these checks are stored in this time", err=True)
    return 0 if stories else 1


def _told(historian: Historian, checks: Sequence[Planned]) -> tuple[list[Story], list[str]]:
    """What there is to tell of each check, and the names of those without runs."""
    stories: list[Story] = []
    absent: list[str] = []
    with progress(len(checks)) as (begin, advance):
        for check in checks:
            begin(check.name)
            story = historian.story(check, advance)
            if story is None:
                absent.append(check.name)
            else:
                stories.append(story)
    return stories, absent


Begin = Callable[[str], None]
Advance = Callable[[float], None]


@contextmanager
def progress(count: int) -> Iterator[tuple[Begin, Advance]]:
    """Shows how far it is on standard error, if that is a terminal: a check begins, a share of it is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("", total=count)
        begun = 0

        def begin(name: str) -> None:
            nonlocal begun
            bar.update(task, completed=begun, description=f"{begun + 1} of {count}  {name[:40]}")
            begun += 1

        def advance(share: float) -> None:
            bar.update(task, completed=begun - 1 + min(max(share, 0.0), 1.0))

        yield begin, advance


def be_nice() -> None:
    """A replay takes what the service leaves of the processor."""
    if os.getpriority(os.PRIO_PROCESS, 0) < _NICE:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Runs come and go by the thousand, and none is part of a circle: to look for those took a tenth of a replay."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _write(
    path: Path, stories: Sequence[Story], absent: Sequence[str], question: Question, config: Config, old: Config | None
) -> None:
    from probe.cli.replay.page import page

    try:
        path.write_text(page(stories, absent, question, config, old), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: not written: {error.strerror}") from None
    click.echo(f"{path}: written", err=True)


def wish_of(
    config: Config,
    *,
    since: str,
    until: str,
    checks: Sequence[str],
    night: str,
    outage: str,
    store: str | None,
    as_json: bool,
    html: Path | None,
    now_ms: int,
) -> Wish:
    """The command line, understood. Raises ValueError."""
    day = waking(night) if night else DAY
    question = Question(period(since, until, now_ms), day, parse_duration(outage), POINTS if html else 0)
    return Wish(question, chosen(config, checks), store or config.store, as_json, html)
