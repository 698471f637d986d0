"""What commands about a running service share: whom they ask, for which checks, from when to when, and by whom."""

from __future__ import annotations

import getpass
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


def grouped(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Options that stand together, as one decorator."""

    def decorated(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


where_options = grouped(
    click.option("-c", "--config", type=FILE, help="The service's configuration: its address, and its token."),
    click.option("--url", help="Where the service is; http://127.0.0.1:8080 unless -c or this says otherwise."),
    click.option("--token-file", type=FILE, help="A file with the token of the service, where it has one."),
)
whom_options = grouped(
    click.argument("patterns", metavar="[PATTERN]...", nargs=-1),
    click.option("--service", "services", multiple=True, metavar="PATTERN", help="Only checks of this service."),
    click.option("--label", "labels", multiple=True, metavar="K=V", help="Only checks with this label."),
    click.option("--even-if-none", is_flag=True, help="Take patterns that match no check yet."),
)
zone_option = click.option("--zone", help="Whose clock times are of, as in Europe/Berlin; this machine's unless given.")
by_option = click.option("--by", metavar="NAME", help="Who says so; your login name unless given.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer of the service.")


def service_of(rest: dict[str, Any]) -> Service:
    """The service that the options name."""
    from probe.cli.asking import service

    url, config = rest["url"], rest["config"]
    if url and config:
        raise click.UsageError("give --url or -c CONFIG, not both")
    try:
        return service(url, load(config, quiet=True) if config else None, rest["token_file"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def ask(service: Service, path: str, body: Any = None, *, post: bool = False) -> Any:
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


def body_of(rest: dict[str, Any]) -> dict[str, Any]:
    """What is asked for whom, why and by whom."""
    patterns, services, labels = list(rest["patterns"]), list(rest["services"]), labels_of(rest["labels"])
    if not (patterns or services or labels):
        raise click.UsageError("which checks? give patterns ('shop/*'), --service or --label; '*' are all")
    covers = {"checks": patterns, "services": services, "labels": labels, "even_if_none": rest["even_if_none"]}
    return covers | {"reason": rest["reason"], "author": author_of(rest["by"])}


def labels_of(texts: tuple[str, ...]) -> dict[str, str]:
    """`tier=1` and the like, by label."""
    pairs = [text.partition("=") for text in texts]
    for label, equals, value in pairs:
        if not (label and equals and value):
            raise click.BadParameter(f"{label!r} is no label with its value; write tier=1", param_hint="--label")
    labels = {label: value for label, _, value in pairs}
    if len(labels) < len(pairs):
        raise click.BadParameter("a label is given twice; a pattern names both values", param_hint="--label")
    return labels


def author_of(by: str | None) -> str:
    """Who says so: whoever is named, or whose login it is."""
    if by is not None:
        return by
    try:
        return getpass.getuser()[:_LONGEST_NAME]
    except (OSError, KeyError):  # a user id without a name, as in a container
        raise click.UsageError("this machine does not know your name; say it with --by") from None


def times_of(
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
