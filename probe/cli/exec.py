"""`probe exec`: a job with a heartbeat. The job comes first: no dead, slow or wrong monitor makes it wait or fail."""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import click

from probe.cli.doors import KEY_FILE, NAME, RID, URL, Door, door
from probe.cli.tolerant import Tolerant
from probe.cli.wrapped import Signals, Wrapped

_KILL_AFTER = 10.0  # s from SIGTERM to SIGKILL
_PATIENCE = 20.0  # s in which the end of a job is told
_LONGEST = 366 * 86400.0  # s: what is longer has no end that anybody waits for
_PLAIN = re.compile(r"\d+(?:\.\d+)?")  # seconds, as timeout(1) has them
_ANY_FILE = click.Path(path_type=Path)  # one that is none is told, and keeps no command from being run


@dataclass(frozen=True, slots=True)
class _Wish:
    """How a command is to be run."""

    command: tuple[str, ...]
    limit: float | None
    kill_after: float
    patience: float
    capture: bool
    quiet: bool

    def say(self, words: str) -> None:
        if not self.quiet:
            click.echo(f"probe exec: {words}", err=True)


@click.command("exec", cls=Tolerant, short_help="Run a command and tell its heartbeat.")
@click.argument("name")
@click.argument("command", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--url", help=f"Where the service is; {URL}, or http://127.0.0.1:8080, unless -c or this says otherwise.")
@click.option("--key-file", type=_ANY_FILE, help="A file with the key; PROBE_PING_KEY holds it otherwise.")
@click.option("-c", "--config", type=_ANY_FILE, help="The service's configuration: its address, and the key.")
@click.option("--rid", help="The id of the run; a new one unless given.")
@click.option("--timeout", "limit", metavar="LENGTH", help="End the command after so long: by SIGTERM, then SIGKILL.")
@click.option("--kill-after", help="From SIGTERM to SIGKILL; 10s unless given.")
@click.option("--patience", metavar="LENGTH", help="How long to try to tell how it ended; 20s unless given.")
@click.option("--every", metavar="LENGTH", help="Run it again and again, so often, until told to end.")
@click.option("--no-output", is_flag=True, help="Leave its outputs alone, and send nothing of them.")
@click.option("--quiet", is_flag=True, help="Say nothing of pings that are not taken.")
def exec_(
    name: str,
    command: tuple[str, ...],
    url: str | None,
    key_file: Path | None,
    config: Path | None,
    rid: str | None,
    limit: str | None,
    kill_after: str | None,
    patience: str | None,
    every: str | None,
    *,
    no_output: bool,
    quiet: bool,
) -> None:
    """Run COMMAND and tell the heartbeat NAME when it begins and how it ends: `probe exec backup/db -- pg_dump ...`.

    Output passes through as it is, signals are passed on, and the exit code is the command's: 127 where it is not
    found, 124 where --timeout ended it, 128 and its number where a signal did. Its last 10 kB of output go with the
    last ping. Pings that are not taken are tried again for a while; the command neither waits for them nor fails with
    them, and runs also where the key or the configuration is missing and where an option makes no sense: standard
    error says so. A length is 90s, 5m, or a plain number of seconds.
    """
    wish = _Wish(
        command,
        _length(limit, "--timeout"),
        _length(kill_after, "--kill-after") or _KILL_AFTER,
        _length(patience, "--patience") or _PATIENCE,
        not no_output,
        quiet,
    )
    pause = _length(every, "--every")
    way = _way(name, url, key_file, config)
    environment = {URL: way.url, NAME: name} if way else {NAME: name}
    if key_file is not None:
        environment[KEY_FILE] = str(key_file.absolute())
    signals = Signals()
    with signals.forwarded():
        while True:
            began = time.monotonic()
            code = _once(wish, way, environment, rid or str(uuid.uuid4()), signals)
            if pause is None or signals.asked_to_end.wait(max(0.0, began + pause - time.monotonic())):
                sys.exit(code)


def _way(name: str, url: str | None, key_file: Path | None, config: Path | None) -> Door | None:
    """Where pings go; None, and why, where nobody can be told."""
    if not name:
        return None  # it was said already
    try:
        return door(name, url, key_file, config)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with files of ours, the command is run
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        click.echo(f"probe exec: nobody is told: {why}", err=True)
        return None


def _once(wish: _Wish, way: Door | None, environment: dict[str, str], rid: str, signals: Signals) -> int:
    from probe.cli.pinging import Background, send

    wrapped = Wrapped(wish.command, {**os.environ, **environment, RID: rid}, signals, capture=wish.capture)
    failed = lambda why: wish.say(f"the start was not told: {why}")  # noqa: E731  # two words
    starting = Background(way, "start", rid, failed) if way is not None else None
    code = wrapped.run(wish.limit, wish.kill_after)
    if way is not None and starting is not None:
        starting.give_up()
        if why := send(way, str(code), rid, wrapped.tail.text(), within=wish.patience):
            wish.say(f"the end was not told: {why}")
    wrapped.drain()
    return code


def _length(text: str | None, option: str) -> float | None:
    """Seconds; None where none were given, or none that make sense: then that is told."""
    if text is None:
        return None
    from checks.core.units import parse_duration

    try:
        seconds = float(text) if _PLAIN.fullmatch(text) else parse_duration(text)
    except ValueError as error:
        click.echo(f"probe exec: {option}: {error}; it is left out", err=True)
        return None
    if seconds <= 0:
        click.echo(f"probe exec: {option} wants more than nothing; it is left out", err=True)
        return None
    return min(seconds, _LONGEST)
