"""`probe incident` and `probe silence`: what is wrong, and what to do about it, told to a running service."""

from __future__ import annotations

import json
from typing import Any

import click

from probe.cli.loading import USAGE
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


@click.group(short_help="Look at incidents of a running service, and act on them.")
def incident() -> None:
    """Look at incidents of a running service, and act on them.

    Exit code 1 when the service does not answer or refuses, 2 when what was asked is wrong.
    """


@incident.command("list", short_help="What is wrong now.")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3660), help="How far back, with --all.")
@json_option
@where_options
def list_incidents(days: int, *, everything: bool, as_json: bool, **rest: Any) -> None:
    """What is wrong now, oldest first."""
    from probe.cli.incident_words import listed, plain

    status = "all" if everything else "open"
    found = ask(service_of(rest), f"/api/v1/incidents?status={status}&days={days}&limit=1000")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else listed(plain(found)))


@incident.command(short_help="One incident, with all that happened.")
@click.argument("number", type=click.IntRange(1))
@json_option
@where_options
def show(number: int, *, as_json: bool, **rest: Any) -> None:
    """One incident: its checks, its timeline, who was told, and what is known of its cause."""
    from probe.cli.incident_words import plain, shown

    found = ask(service_of(rest), f"/api/v1/incidents/{number}")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else shown(plain(found)))


def _act(number: int, deed: str, rest: dict[str, Any], more: dict[str, Any] | None = None) -> None:
    from probe.cli.incident_words import line, plain

    asked = {"author": author_of(rest["by"]), **(more or {})}
    click.echo(line(plain(ask(service_of(rest), f"/api/v1/incidents/{number}/{deed}", asked, post=True))))


@incident.command(short_help="Take care of it, or of several: nobody else is told.")
@click.argument("numbers", metavar="NUMBER...", type=click.IntRange(1), nargs=-1, required=True)
@by_option
@where_options
def ack(numbers: tuple[int, ...], **rest: Any) -> None:
    """Acknowledge: you take care of it, and escalation stops. Of several, those that are still open.

    Exit code 2 where any of them is over or is none; the others are acknowledged all the same.
    """
    if len(numbers) == 1:
        _act(numbers[0], "acknowledge", rest)
        return
    from probe.cli.incident_words import fate, plain

    asked = {"author": author_of(rest["by"]), "numbers": numbers}
    found = plain(ask(service_of(rest), "/api/v1/incidents/acknowledge", asked, post=True))["incidents"]
    failed = [one for one in found if one["outcome"] != "acknowledged"]
    for one in found:
        click.echo(fate(one), err=one in failed)
    if failed:
        raise click.exceptions.Exit(USAGE)


@incident.command(short_help="Take an acknowledgement back.")
@click.argument("number", type=click.IntRange(1))
@by_option
@where_options
def unack(number: int, **rest: Any) -> None:
    """Take an acknowledgement back: escalation begins anew."""
    _act(number, "unacknowledge", rest)


@incident.command(short_help="Put it off for a while.")
@click.argument("number", type=click.IntRange(1))
@click.option("--for", "lasts", metavar="LENGTH", required=True, help="How long: 30m, 2h.")
@by_option
@where_options
def snooze(number: int, lasts: str, **rest: Any) -> None:
    """Put it off: after that it is as if nobody had acknowledged."""
    _act(number, "snooze", rest, {"for": lasts})


@incident.command(short_help="Say that it is over.")
@click.argument("number", type=click.IntRange(1))
@by_option
@where_options
def resolve(number: int, **rest: Any) -> None:
    """Say that it is over. If its checks still fail after `alerts.reopen_within`, it opens again."""
    _act(number, "resolve", rest)


@incident.command(short_help="Tell the next in line now.")
@click.argument("number", type=click.IntRange(1))
@by_option
@where_options
def escalate(number: int, **rest: Any) -> None:
    """Take the next step of its escalation now."""
    _act(number, "escalate", rest)


@incident.command(short_help="Write a line into its timeline.")
@click.argument("number", type=click.IntRange(1))
@click.argument("text")
@by_option
@where_options
def note(number: int, text: str, **rest: Any) -> None:
    """Write a line into its timeline."""
    _act(number, "notes", rest, {"text": text})


@incident.command(short_help="Say why it was, and how it was mended.")
@click.argument("number", type=click.IntRange(1))
@click.option("--category", help="Of the cause, in a word: deploy, capacity, vendor, network.")
@click.option("--cause", help="Why it was.")
@click.option("--fix", help="How it was mended.")
@click.option("--impact", help="Who was affected.")
@by_option
@where_options
def describe(number: int, **rest: Any) -> None:
    """Say why it was, how it was mended, and whom it affected; of one that is over, too."""
    texts = {key: rest[key] for key in ("category", "cause", "fix", "impact") if rest[key] is not None}
    if not texts:
        raise click.UsageError("say at least one of --category, --cause, --fix and --impact")
    _act(number, "describe", rest, texts)


@incident.group(short_help="What is to be done so that it does not happen again.")
def action() -> None:
    """What is to be done so that it does not happen again."""


@action.command("add", short_help="Add something to be done.")
@click.argument("number", type=click.IntRange(1))
@click.argument("text")
@click.option("--owner", help="Who does it.")
@click.option("--due", metavar="DATE", help="By when: 2026-12-01.")
@click.option("--link", help="Where it is tracked.")
@by_option
@where_options
def add_action(number: int, text: str, **rest: Any) -> None:
    """Add something to be done."""
    more = {key: rest[key] for key in ("owner", "due", "link") if rest[key] is not None}
    _act(number, "actions", rest, {"text": text, **more})


@action.command("done", short_help="It is done.")
@click.argument("number", type=click.IntRange(1))
@click.argument("item", type=click.IntRange(1))
@by_option
@where_options
def finish(number: int, item: int, **rest: Any) -> None:
    """Action item ITEM of incident NUMBER is done."""
    _act(number, f"actions/{item}/done", rest)


@click.group(short_help="Have nobody told of something for a while.")
def silence() -> None:
    """Have nobody told of something for a while. Checks run, incidents are kept, and time counts for objectives.

    Exit code 1 when the service does not answer or refuses, 2 when what was asked is wrong.
    """


@silence.command("add", short_help="Silence checks, services or labels.")
@whom_options
@click.option("--for", "lasts", metavar="LENGTH", help="How long: 90m, 2h.")
@click.option("--until", metavar="WHEN", help="When it ends: 04:00, 2026-11-22T04:00.")
@click.option("--from", "begins", metavar="WHEN", help="When it begins; now unless given.")
@click.option("--reason", required=True, help="Why, for whoever asks at night.")
@zone_option
@by_option
@json_option
@where_options
def add_silence(lasts: str | None, until: str | None, begins: str | None, *, as_json: bool, **rest: Any) -> None:
    """Silence what matches a PATTERN ('shop/*'), --service and --label, all that are given."""
    from probe.cli.incident_words import plain, silenced

    if not (lasts or until):
        raise click.UsageError("a silence must end: say --for or --until")
    body = body_of(rest) | times_of(begins, until, lasts, rest["zone"], ahead=True)
    made = ask(service_of(rest), "/api/v1/silences", body, post=True)
    click.echo(json.dumps(made, ensure_ascii=False) if as_json else silenced(plain(made)))


@silence.command("end", short_help="End a silence now.")
@click.argument("wanted", metavar="ID")
@by_option
@where_options
def end_silence(wanted: str, by: str | None, **rest: Any) -> None:
    """End a silence now. Asking twice does no harm."""
    from probe.cli.asking import named
    from probe.cli.incident_words import plain, unsilenced

    path = named("/api/v1/silences/{}/end", wanted)
    click.echo(unsilenced(plain(ask(service_of(rest), path, {"author": author_of(by)}, post=True))))


@silence.command("list", short_help="What is silenced.")
@json_option
@where_options
def list_silences(*, as_json: bool, **rest: Any) -> None:
    """What is silenced, by whom, until when and why."""
    from probe.cli.incident_words import plain, silences

    found = ask(service_of(rest), "/api/v1/silences")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else silences(plain(found)))
