"""`probe maintenance` and `probe exclusion`: planned work and time that does not count, told to a running service."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import click

from probe.cli.loading import FILE, USAGE, load

if TYPE_CHECKING:
    from probe.cli.asking import Service

_LONGEST_NAME = 200
_DOUBTFUL_MS = 12 * 3_600_000  # from where on a time of day without its date may well be a slip
_MISTAKES = (400, 404, 409)  # of whoever asked; the rest is the service's trouble, or a missing token
_SPOKEN = (
    ('"even_if_none": true', "--even-if-none"),
    ("POST /api/v1/exclusions", "probe exclusion add"),
)
_Command = Callable[..., None]


def _options(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    def decorated(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


_where = _options(
    click.option("-c", "--config", type=FILE, help="The service's configuration: its address, and its token."),
    click.option("--url", help="Where the service is; http://127.0.0.1:8080 unless -c or this says otherwise."),
    click.option("--token-file", type=FILE, help="A file with the token of the service, where it has one."),
)
_whom = _options(
    click.argument("patterns", metavar="[PATTERN]...", nargs=-1),
    click.option("--service", "services", multiple=True, metavar="PATTERN", help="Only checks of this service."),
    click.option("--label", "labels", multiple=True, metavar="K=V", help="Only checks with this label."),
    click.option("--even-if-none", is_flag=True, help="Take patterns that match no check yet."),
)
_zone = click.option("--zone", help="Whose clock times are of, as in Europe/Berlin; this machine's unless given.")
_by = click.option("--by", metavar="NAME", help="Who says so; your login name unless given.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print the answer of the service.")


@click.group(short_help="Start, end and list maintenance of a running service.")
def maintenance() -> None:
    """Start, end and list maintenance of a running service.

    While it lasts nobody is told of the checks that it covers, or they do not run at all; its time does not count for
    availability unless it is --counted. Exit code 1 when the service does not answer or refuses, 2 when what was asked
    is wrong.
    """


@maintenance.command(short_help="Announce maintenance, from now on or ahead.")
@_whom
@click.option("--for", "lasts", metavar="LENGTH", help="How long: 90m, 2h. Without an end it lasts until it is ended.")
@click.option("--until", metavar="WHEN", help="When it ends: 04:00, 2026-11-22T04:00.")
@click.option("--from", "begins", metavar="WHEN", help="When it begins; now unless given.")
@click.option("--mode", type=click.Choice(["mute", "pause"]), default="mute", show_default=True, help="Run, or not.")
@click.option("--counted", is_flag=True, help="Its time counts for availability and objectives all the same.")
@click.option("--reason", required=True, help="What for, for whoever asks at night.")
@_zone
@_by
@_as_json
@_where
def start(
    lasts: str | None, until: str | None, begins: str | None, mode: str, *, counted: bool, as_json: bool, **rest: Any
) -> None:
    """Announce maintenance for the checks that match a PATTERN ('shop/*'), --service and --label, all that are given.

    It outlives a restart of the service.
    """
    body = _body(rest) | _times(begins, until, lasts, rest["zone"], ahead=True)
    body |= {"mode": mode, "slo": "counted" if counted else "excluded"}
    made = _asked(_service(rest), "/api/v1/maintenance", body, post=True)
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False))
        return
    from probe.cli.upkeep_words import announced

    click.echo(announced(made))


@maintenance.command(short_help="End announced maintenance now.")
@click.argument("wanted", metavar="ID")
@_by
@_where
def end(wanted: str, by: str | None, **rest: Any) -> None:
    """End announced maintenance now; what has not begun never will. Asking twice does no harm."""
    from probe.cli.asking import named
    from probe.cli.upkeep_words import ended

    path = named("/api/v1/maintenance/{}/end", wanted)
    click.echo(ended(_asked(_service(rest), path, {"author": _author(by)}, post=True)))


@maintenance.command("list", short_help="What is on, and what comes.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 31), help="How far ahead to look.")
@_as_json
@_where
def list_maintenance(days: int, *, as_json: bool, **rest: Any) -> None:
    """What is on, and what begins in the next days: announced, or of the configuration."""
    from probe.cli.upkeep_words import agenda

    found = _asked(_service(rest), f"/api/v1/maintenance?days={days}&limit=1000")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else agenda(found))


@click.group(short_help="Leave time out of availability and objectives, or take it back.")
def exclusion() -> None:
    """Leave time out of availability and objectives, with who decided it and why; or take it back.

    Exit code 1 when the service does not answer or refuses, 2 when what was asked is wrong.
    """


@exclusion.command(short_help="Leave time out.")
@_whom
@click.option("--from", "begins", metavar="WHEN", required=True, help="When it began: 02:00, 2026-11-22T02:00.")
@click.option("--to", "until", metavar="WHEN", help="When it ended.")
@click.option("--for", "lasts", metavar="LENGTH", help="How long it took, instead of --to.")
@click.option("--reason", required=True, help="Why it does not count, for whoever reads the report.")
@_zone
@_by
@_as_json
@_where
def add(begins: str, until: str | None, lasts: str | None, *, as_json: bool, **rest: Any) -> None:
    """Leave time out for the checks that match a PATTERN ('shop/*'), --service and --label, all that are given."""
    if not (until or lasts):
        raise click.UsageError("say when it ended with --to, or how long it took with --for")
    body = _body(rest) | _times(begins, until, lasts, rest["zone"], ahead=False)
    made = _asked(_service(rest), "/api/v1/exclusions", body, post=True)
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False))
        return
    from probe.cli.upkeep_words import excluded

    click.echo(excluded(made))


@exclusion.command(short_help="Let the time count again.")
@click.argument("wanted", metavar="ID")
@_by
@_where
def withdraw(wanted: str, by: str | None, **rest: Any) -> None:
    """Let the time count again. Asking twice does no harm."""
    from probe.cli.asking import named

    path = named("/api/v1/exclusions/{}/withdraw", wanted)
    _asked(_service(rest), path, {"author": _author(by)}, post=True)
    click.echo(f"{wanted} is withdrawn: its time counts")


@exclusion.command("list", short_help="What does not count.")
@click.option("--since", default="90d", show_default=True, help="How far to look back, or an instant in UTC.")
@_as_json
@_where
def list_exclusions(since: str, *, as_json: bool, **rest: Any) -> None:
    """What does not count, who decided it, and why."""
    from urllib.parse import urlencode

    from probe.cli.upkeep_words import exclusions

    found = _asked(_service(rest), f"/api/v1/exclusions?{urlencode({'since': since, 'limit': 1000})}")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else exclusions(found))


def _service(rest: dict[str, Any]) -> Service:
    from probe.cli.asking import service

    url, config = rest["url"], rest["config"]
    if url and config:
        raise click.UsageError("give --url or -c CONFIG, not both")
    try:
        return service(url, load(config, quiet=True) if config else None, rest["token_file"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _asked(service: Service, path: str, body: Any = None, *, post: bool = False) -> Any:
    """The answer of the service; or a line that says why there is none, and the end of the program."""
    from probe.cli.asking import RefusedError, SilentError
    from probe.cli.top import NoAnswerError

    try:
        return service.ask(path, body, post=post)
    except RefusedError as error:
        hint = "; -c CONFIG or --token-file brings it" if error.status == 401 else ""
        click.echo(f"{service}: {_as_typed(str(error))}{hint}", err=True)
        sys.exit(USAGE if error.status in _MISTAKES else 1)
    except NoAnswerError as error:
        doubt = "; whether it was done, `list` says once it answers" if post and isinstance(error, SilentError) else ""
        click.echo(f"no answer from {service}: {error}{doubt}", err=True)
        sys.exit(1)


def _as_typed(line: str) -> str:
    """What the API says of its keys and addresses, as the options and commands here."""
    for spoken, typed in _SPOKEN:
        line = line.replace(spoken, typed)
    return line


def _body(rest: dict[str, Any]) -> dict[str, Any]:
    """What is asked for whom, why and by whom."""
    patterns, services, labels = list(rest["patterns"]), list(rest["services"]), _labels(rest["labels"])
    if not (patterns or services or labels):
        raise click.UsageError("which checks? give patterns ('shop/*'), --service or --label; '*' are all")
    covers = {"checks": patterns, "services": services, "labels": labels, "even_if_none": rest["even_if_none"]}
    return covers | {"reason": rest["reason"], "author": _author(rest["by"])}


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for label, equals, value in pairs:
        if not (label and equals and value):
            raise click.BadParameter(f"{label!r} is no label with its value; write tier=1", param_hint="--label")
    labels = {label: value for label, _, value in pairs}
    if len(labels) < len(pairs):
        raise click.BadParameter("a label is given twice; a pattern names both values", param_hint="--label")
    return labels


def _author(by: str | None) -> str:
    if by is not None:
        return by
    try:
        return getpass.getuser()[:_LONGEST_NAME]
    except (OSError, KeyError):  # a user id without a name, as in a container
        raise click.UsageError("this machine does not know your name; say it with --by") from None


def _times(
    begins: str | None, until: str | None, lasts: str | None, zone: str | None, *, ahead: bool
) -> dict[str, Any]:
    """From when to when, for the service: instants in UTC, a length as it was given."""
    from probe.cli.instants import is_clock, read, zone_of
    from probe.web.shape import instant

    if until and lasts:
        raise click.UsageError(f"give --{'until' if ahead else 'to'} or --for, not both")
    times: dict[str, Any] = {"for": lasts} if lasts else {}
    try:
        clock, near_ms = zone_of(zone), round(time.time() * 1000)
        if begins:
            near_ms = read(begins, clock, near_ms, ahead=ahead)
            times["from"] = instant(near_ms)
        if until:
            until_ms = read(until, clock, near_ms, ahead=True, last=True)
            if is_clock(until):
                _check_length(until, (near_ms, until_ms), clock, ahead=ahead)
            times["to"] = instant(until_ms)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return times


def _check_length(until: str, span: tuple[int, int], clock: tzinfo, *, ahead: bool) -> None:
    """Ask back where the next `03:00` is half a day and more away: `--from 04:00 --until 03:00` is mostly a slip."""
    from checks.core.units import format_duration
    from thresholds.calendar import local

    began_ms, until_ms = span
    if until_ms - began_ms < _DOUBTFUL_MS:
        return
    end, length = "--until" if ahead else "--to", format_duration((until_ms - began_ms) // 60_000 * 60)
    began, day = local(began_ms, clock), local(until_ms, clock)
    raise click.UsageError(
        f"from {began:%Y-%m-%d %H:%M} the next {until} is {length} later; if that is meant, write {end} "
        f"{day:%Y-%m-%dT%H:%M}, or --for {length.replace(' ', '')}"
    )
