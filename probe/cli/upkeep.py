"""`probe maintenance` and `probe exclusion`: planned work and time that does not count, told to a running service."""

from __future__ import annotations

import json
from typing import Any

import click

from probe.cli.remote import (
    ask,
    author_of,
    body_of,
    by_option,
    json_option,
    service_of,
    times_of,
    where_options,
    whom_options,
    zone_option,
)


@click.group(short_help="Start, end and list maintenance of a running service.")
def maintenance() -> None:
    """Start, end and list maintenance of a running service.

    While it lasts nobody is told of the checks that it covers, or they do not run at all; its time does not count for
    availability unless it is --counted. Exit code 1 when the service does not answer or refuses, 2 when what was asked
    is wrong.
    """


@maintenance.command(short_help="Announce maintenance, from now on or ahead.")
@whom_options
@click.option("--for", "lasts", metavar="LENGTH", help="How long: 90m, 2h. Without an end it lasts until it is ended.")
@click.option("--until", metavar="WHEN", help="When it ends: 04:00, 2026-11-22T04:00.")
@click.option("--from", "begins", metavar="WHEN", help="When it begins; now unless given.")
@click.option("--mode", type=click.Choice(["mute", "pause"]), default="mute", show_default=True, help="Run, or not.")
@click.option("--counted", is_flag=True, help="Its time counts for availability and objectives all the same.")
@click.option("--reason", required=True, help="What for, for whoever asks at night.")
@zone_option
@by_option
@json_option
@where_options
def start(
    lasts: str | None, until: str | None, begins: str | None, mode: str, *, counted: bool, as_json: bool, **rest: Any
) -> None:
    """Announce maintenance for the checks that match a PATTERN ('shop/*'), --service and --label, all that are given.

    It outlives a restart of the service.
    """
    body = body_of(rest) | times_of(begins, until, lasts, rest["zone"], ahead=True)
    body |= {"mode": mode, "slo": "counted" if counted else "excluded"}
    made = ask(service_of(rest), "/api/v1/maintenance", body, post=True)
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False))
        return
    from probe.cli.upkeep_words import announced

    click.echo(announced(made))


@maintenance.command(short_help="End announced maintenance now.")
@click.argument("wanted", metavar="ID")
@by_option
@where_options
def end(wanted: str, by: str | None, **rest: Any) -> None:
    """End announced maintenance now; what has not begun never will. Asking twice does no harm."""
    from probe.cli.asking import named
    from probe.cli.upkeep_words import ended

    path = named("/api/v1/maintenance/{}/end", wanted)
    click.echo(ended(ask(service_of(rest), path, {"author": author_of(by)}, post=True)))


@maintenance.command("list", short_help="What is on, and what comes.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 31), help="How far ahead to look.")
@json_option
@where_options
def list_maintenance(days: int, *, as_json: bool, **rest: Any) -> None:
    """What is on, and what begins in the next days: announced, or of the configuration.

    What comes more than three times is one line, with its next times and how often it comes; --json has each.
    """
    from probe.cli.upkeep_words import EACH, agenda

    each = "" if as_json else f"&each={EACH}"
    found = ask(service_of(rest), f"/api/v1/maintenance?days={days}&limit=1000{each}")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else agenda(found))


@click.group(short_help="Leave time out of availability and objectives, or take it back.")
def exclusion() -> None:
    """Leave time out of availability and objectives, with who decided it and why; or take it back.

    Exit code 1 when the service does not answer or refuses, 2 when what was asked is wrong.
    """


@exclusion.command(short_help="Leave time out.")
@whom_options
@click.option("--from", "begins", metavar="WHEN", required=True, help="When it began: 02:00, 2026-11-22T02:00.")
@click.option("--to", "until", metavar="WHEN", help="When it ended.")
@click.option("--for", "lasts", metavar="LENGTH", help="How long it took, instead of --to.")
@click.option("--reason", required=True, help="Why it does not count, for whoever reads the report.")
@zone_option
@by_option
@json_option
@where_options
def add(begins: str, until: str | None, lasts: str | None, *, as_json: bool, **rest: Any) -> None:
    """Leave time out for the checks that match a PATTERN ('shop/*'), --service and --label, all that are given."""
    if not (until or lasts):
        raise click.UsageError("say when it ended with --to, or how long it took with --for")
    body = body_of(rest) | times_of(begins, until, lasts, rest["zone"], ahead=False)
    made = ask(service_of(rest), "/api/v1/exclusions", body, post=True)
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False))
        return
    from probe.cli.upkeep_words import excluded

    click.echo(excluded(made))


@exclusion.command(short_help="Let the time count again.")
@click.argument("wanted", metavar="ID")
@by_option
@where_options
def withdraw(wanted: str, by: str | None, **rest: Any) -> None:
    """Let the time count again. Asking twice does no harm."""
    from probe.cli.asking import named

    path = named("/api/v1/exclusions/{}/withdraw", wanted)
    ask(service_of(rest), path, {"author": author_of(by)}, post=True)
    click.echo(f"{wanted} is withdrawn: its time counts")


@exclusion.command("list", short_help="What does not count.")
@click.option("--since", default="90d", show_default=True, help="How far to look back, or an instant in UTC.")
@json_option
@where_options
def list_exclusions(since: str, *, as_json: bool, **rest: Any) -> None:
    """What does not count, who decided it, and why."""
    from urllib.parse import urlencode

    from probe.cli.upkeep_words import exclusions

    found = ask(service_of(rest), f"/api/v1/exclusions?{urlencode({'since': since, 'limit': 1000})}")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else exclusions(found))
