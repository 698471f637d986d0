"""`probe change` and `probe deploy`: what is being changed, told to a running service."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from probe.cli.remote import (
    ask,
    author_of,
    by_option,
    grouped,
    json_option,
    labels_of,
    service_of,
    times_of,
    where_options,
    zone_option,
)

_touched = grouped(
    click.option("--service", "services", multiple=True, metavar="PATTERN", help="The service that it touches."),
    click.option("--check", "checks", multiple=True, metavar="PATTERN", help="Only these checks: 'shop/*'."),
    click.option("--label", "labels", multiple=True, metavar="K=V", help="Only checks with this label."),
    click.option("--even-if-none", is_flag=True, help="Say nothing of patterns that match no check."),
)


@click.group(short_help="Tell a running service of changes: they stand beside alerts.")
def change() -> None:
    """Tell a running service of changes: what is in progress, or was a while ago, stands beside the alerts of what it
    touches. Nobody is muted by that, unless --mute asks for it.

    Exit code 1 when the service does not answer or refuses, 2 when what was asked is wrong.
    """


@change.command(short_help="A change begins.")
@click.argument("wanted", metavar="ID")
@_touched
@click.option("--title", required=True, help="What is changed, in a line for people.")
@click.option("--for", "lasts", metavar="LENGTH", help="How long it takes: 90m, 2h. Without an end until it is ended.")
@click.option("--until", metavar="WHEN", help="When it ends: 04:00, 2026-11-22T04:00.")
@click.option("--version", default="", help="What it brings.")
@click.option("--risk", type=click.Choice(["low", "medium", "high"]), help="How much may go wrong.")
@click.option("--mute", is_flag=True, help="Nobody is told of what it touches while it lasts: it is maintenance, too.")
@click.option("--see", "link", metavar="ADDRESS", default="", help="Where more is written of it.")
@zone_option
@by_option
@json_option
@where_options
def start(wanted: str, lasts: str | None, until: str | None, *, mute: bool, as_json: bool, **rest: Any) -> None:
    """The change ID begins now: `probe change start CHG123 --service shop --title "new cart"`.

    Asked again while it is in progress, what is said of it is changed. It outlives a restart of the service.
    """
    body = _scope(rest) | times_of(None, until, lasts, rest["zone"], ahead=True)
    body |= {"id": wanted, "title": rest["title"], "mute": mute, "version": rest["version"], "risk": rest["risk"]}
    _tell(rest, body, as_json=as_json)


@change.command(short_help="A change is over.")
@click.argument("wanted", metavar="ID")
@click.option("--failed", is_flag=True, help="It did not work, or was taken back.")
@json_option
@where_options
def end(wanted: str, *, failed: bool, as_json: bool, **rest: Any) -> None:
    """The change ID is over. Asking twice does no harm; that it failed can be said afterwards."""
    from probe.cli.asking import named
    from probe.cli.change_words import ended

    path = named("/api/v1/changes/{}/end", wanted)
    made = ask(service_of(rest), path, {"failed": failed}, post=True)
    click.echo(json.dumps(made, ensure_ascii=False) if as_json else ended(made))


@change.command("list", short_help="What is in progress, and what was.")
@click.option("--since", default="7d", show_default=True, help="How far to look back, or an instant in UTC.")
@json_option
@where_options
def list_changes(since: str, *, as_json: bool, **rest: Any) -> None:
    """What is in progress, and what was changed and deployed; the newest last."""
    from urllib.parse import urlencode

    from probe.cli.change_words import listing

    found = ask(service_of(rest), f"/api/v1/changes?{urlencode({'since': since, 'limit': 1000})}")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else listing(found))


@click.command(short_help="Something was deployed.")
@_touched
@click.option("--version", required=True, help="What was deployed.")
@click.option("--at", metavar="WHEN", help="When: 14:05, 2026-11-22T14:05; now unless given.")
@click.option("--title", default="", help="What is new in it, in a line for people.")
@click.option(
    "--see", "link", metavar="ADDRESS", default="", help="Where more is written of it, as the pipeline's run."
)
@zone_option
@by_option
@json_option
@where_options
def deploy(version: str, at: str | None, title: str, *, as_json: bool, **rest: Any) -> None:
    """Something was deployed: a mark of an instant, which stands beside the alerts that follow it.

    `probe deploy --service shop --version 1.2.3`, as the last step of a pipeline. The same deploy told of twice, with
    the same --at, is one.
    """
    body = _scope(rest) | {"version": version, "title": title} | _instant(at, rest["zone"])
    _tell(rest, body, as_json=as_json)


def _tell(rest: dict[str, Any], body: dict[str, Any], *, as_json: bool) -> None:
    """Send it, and say what the service made of it; its doubts go to standard error."""
    from probe.cli.change_words import told

    made = ask(service_of(rest), "/api/v1/changes", body, post=True)
    for warning in made["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(json.dumps(made, ensure_ascii=False) if as_json else told(made))


def _scope(rest: dict[str, Any]) -> dict[str, Any]:
    """What it touches, where more is written, and who says so."""
    found = {"services": list(rest["services"]), "checks": list(rest["checks"]), "labels": labels_of(rest["labels"])}
    if not any(found.values()):
        raise click.UsageError("what does it touch? give --service, --check or --label; --check '*' are all")
    return found | {"even_if_none": rest["even_if_none"], "url": rest["link"], "author": author_of(rest["by"])}


def _instant(at: str | None, zone: str | None) -> dict[str, Any]:
    from probe.cli.instants import read, zone_of
    from probe.web.shape import instant

    now_ms = round(time.time() * 1000)
    try:
        at_ms = read(at, zone_of(zone), now_ms, ahead=False) if at else now_ms
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return {"at": instant(at_ms)}
