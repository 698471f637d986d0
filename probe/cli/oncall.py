"""`probe oncall`: who is on call, who is next, what is missing, and who takes over for a while."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from probe.cli.loading import FILE
from probe.cli.remote import ask, author_of, by_option, grouped, json_option, service_of, where_options, zone_option

_source = grouped(
    click.option("-c", "--config", type=FILE, help="Ask the service of this configuration; or go by it alone."),
    click.option("--url", help="Where the service is; http://127.0.0.1:8080 unless -c or this says otherwise."),
    click.option("--offline", is_flag=True, help="Go by CONFIG alone, and ask no service."),
)
_days = click.option(
    "--days", default=90, show_default=True, type=click.IntRange(1, 365), help="How far ahead to look."
)


@click.group(short_help="Who is on call, who is next, and who takes over for a while.")
def oncall() -> None:
    """Who is on call, who is next, and who takes over for a while.

    The running service is asked, which knows overrides and calendars: at --url, or where -c CONFIG says that it is.
    With -c and no answer it is by CONFIG alone, and standard error says so; --offline asks nobody.
    """


@oncall.command(short_help="Who is on call now, or at another time.")
@click.argument("schedule", required=False)
@click.option("--at", "when", metavar="WHEN", help="When: 'Sat 03:00', 03:00, 2026-11-22T03:00; now unless given.")
@zone_option
@json_option
@_source
def who(schedule: str | None, when: str | None, zone: str | None, *, as_json: bool, **rest: Any) -> None:
    """Who is on call in every schedule, or in SCHEDULE; until when, and who is next.

    Exit code 1 when the service does not answer, 2 when what was asked is wrong.
    """
    from urllib.parse import urlencode

    from probe.cli.oncall_asked import named, source_of
    from probe.cli.oncall_words import who as in_words
    from probe.web import oncall_shape
    from probe.web.shape import instant

    at_ms = _instant(when, zone)
    asked = ({"at": instant(at_ms)} if when else {}) | ({"schedule": schedule} if schedule else {})

    def local(rota: Any, config: Any) -> Any:
        names = list(rota.roster.schedules)
        wanted = [named(schedule, names, "schedule")] if schedule else names
        found = oncall_shape.now(rota, at_ms, wanted)
        return {"instance": config.instance, "at": instant(at_ms), "schedules": found}

    found = source_of(**rest).found(f"/api/v1/oncall?{urlencode(asked)}", local)
    _print(found, in_words, as_json=as_json)


@oncall.command("next", short_help="When a user is on call.")
@click.argument("user")
@_days
@json_option
@_source
def next_shifts(user: str, days: int, *, as_json: bool, **rest: Any) -> None:
    """When USER is on call, from now on, in all schedules."""
    from probe.cli.oncall_asked import escaped, named, source_of
    from probe.cli.oncall_words import coming
    from probe.web import oncall_shape

    def local(rota: Any, _: Any) -> Any:
        return oncall_shape.own(rota, named(user, list(rota.roster.users), "user"), _now_ms(), days)

    found = source_of(**rest).found(f"/api/v1/oncall/users/{escaped(user)}/shifts?days={days}", local)
    _print(found, coming, as_json=as_json)


@oncall.command(short_help="When nobody is on call.")
@click.argument("schedule", required=False)
@_days
@json_option
@_source
def gaps(schedule: str | None, days: int, *, as_json: bool, **rest: Any) -> None:
    """When nobody is on call although somebody has to be (`covers`), in every schedule, or in SCHEDULE.

    Exit code 1 where there are gaps, and when the service does not answer; 2 when what was asked is wrong.
    """
    from dataclasses import replace

    from probe.cli.oncall_asked import escaped, named, source_of
    from probe.cli.oncall_words import gaps as in_words
    from probe.web import oncall_shape

    source, now_ms = source_of(**rest), _now_ms()
    listed = source.found("/api/v1/oncall", lambda rota, _: {"schedules": _names(rota.roster.schedules)})
    if listed["source"] == "configuration":
        source = replace(source, service=None)  # it has not answered, and need not be asked again
    found: list[Any] = []
    for name in [schedule] if schedule else [one["schedule"] for one in listed["schedules"]]:

        def local(rota: Any, _: Any, name: str = name) -> Any:
            known = named(name, list(rota.roster.schedules), "schedule")
            return oncall_shape.shifts(rota, known, (now_ms, now_ms + days * 86_400_000))

        shown = source.found(f"/api/v1/oncall/{escaped(name)}/shifts?days={days}", local)
        found += [{"schedule": name, "zone": shown["zone"], **gap} for gap in shown["gaps"]]
    _print({"days": days, "gaps": found, "source": listed["source"]}, in_words, as_json=as_json)
    sys.exit(1 if found else 0)


@oncall.command(short_help="Shifts as a calendar file.")
@click.argument("schedule", required=False)
@click.option("--user", help="The shifts of one user, in all schedules, in place of a schedule.")
@click.option("-o", "--output", type=FILE, help="Write it into this file.")
@_source
def ics(schedule: str | None, user: str | None, output: Path | None, **rest: Any) -> None:
    """The shifts of SCHEDULE, or of a user, as an iCalendar file of the next 180 days."""
    from probe.cli.oncall_asked import escaped, named, source_of
    from probe.web import oncall_shape

    if bool(schedule) is bool(user):
        raise click.UsageError("name a schedule, or a user with --user")

    def local(rota: Any, config: Any) -> str:
        if user:
            named(user, list(rota.roster.users), "user")
        else:
            named(schedule or "", list(rota.roster.schedules), "schedule")
        return oncall_shape.calendar(rota, _now_ms(), config.instance, schedule=schedule or "", user=user or "")

    path = f"/oncall/user/{escaped(user)}.ics" if user else f"/oncall/{escaped(schedule or '')}.ics"
    text = source_of(**rest).text(path, local)
    if output is None:
        sys.stdout.buffer.write(text.encode())
        return
    try:
        output.write_bytes(text.encode())
    except OSError as error:
        click.echo(f"{output} cannot be written: {error.strerror}", err=True)
        sys.exit(1)


@oncall.command(short_help="What will not do.")
@json_option
@_source
def lint(*, as_json: bool, **rest: Any) -> None:
    """What will not do in the next 90 days: gaps, people whom nothing reaches, titles that name nobody.

    Exit code 1 where there is something, and when the service does not answer; 2 when what was asked is wrong.
    """
    from probe.cli.oncall_asked import source_of
    from probe.cli.oncall_words import findings
    from probe.web import oncall_shape

    def local(rota: Any, config: Any) -> Any:
        return {"findings": oncall_shape.findings(rota, _now_ms(), config.receivers)}

    found = source_of(**rest).found("/api/v1/oncall/lint", local)
    _print(found, findings, as_json=as_json)
    sys.exit(1 if found["findings"] else 0)


@oncall.group(invoke_without_command=True, short_help="Put somebody else on call for a while.")
@click.option("--schedule", help="In which schedule; in every one unless given.")
@click.option(
    "--from", "begins", metavar="WHEN", help="When it begins: 'Sat 18:00', 2026-11-22T18:00; now unless given."
)
@click.option("--to", "until", metavar="WHEN", help="When it ends.")
@click.option("--for", "lasts", metavar="LENGTH", help="How long: 12h, 2d, in place of --to.")
@click.option("--replace", "replaced", multiple=True, metavar="ANA=BO", help="Bo takes over from ana. May be repeated.")
@click.option("--add", "added", multiple=True, metavar="USER", help="On call beside the others. May be repeated.")
@click.option("--remove", "removed", multiple=True, metavar="USER", help="Not on call. May be repeated.")
@click.option("--reason", help="What for, for whoever asks.")
@zone_option
@by_option
@json_option
@where_options
@click.pass_context
def override(context: click.Context, /, **rest: Any) -> None:
    """Put somebody else on call for a while, or `end` that, or `list` what is on and to come.

    It outlives a restart of the service. Exit code 1 when the service does not answer or refuses, 2 when what was asked
    is wrong.
    """
    if context.invoked_subcommand is None:
        _override(**rest)


def _override(**rest: Any) -> None:
    from probe.cli.oncall_words import overridden

    if not rest["reason"]:
        raise click.UsageError("say what for with --reason")
    body = {
        "schedule": rest["schedule"],
        "replace": _pairs(rest["replaced"]),
        "add": list(rest["added"]),
        "remove": list(rest["removed"]),
        "reason": rest["reason"],
        "author": author_of(rest["by"]),
        **_span(rest["begins"], rest["until"], rest["lasts"], rest["zone"]),
    }
    made = ask(service_of(rest), "/api/v1/overrides", body, post=True)
    for doubt in made["warnings"]:
        click.echo(f"warning: {doubt}", err=True)
    _print(made, overridden, as_json=rest["as_json"])


@override.command("end", short_help="End an override now.")
@click.argument("wanted", metavar="ID")
@by_option
@where_options
def end_override(wanted: str, by: str | None, **rest: Any) -> None:
    """End an override now; what has not begun never will. Asking twice does no harm."""
    from probe.cli.asking import named
    from probe.cli.oncall_words import ended

    path = named("/api/v1/overrides/{}/end", wanted)
    click.echo(ended(ask(service_of(rest), path, {"author": author_of(by)}, post=True)))


@override.command("list", short_help="What is on, and what comes.")
@json_option
@where_options
def list_overrides(*, as_json: bool, **rest: Any) -> None:
    """What people said while the service ran. Overrides of the configuration stand there."""
    from probe.cli.oncall_words import overrides

    _print(ask(service_of(rest), "/api/v1/overrides"), overrides, as_json=as_json)


def _print(found: Any, words: Any, *, as_json: bool) -> None:
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else words(found))


def _names(names: Any) -> list[dict[str, str]]:
    return [{"schedule": name} for name in names]


def _now_ms() -> int:
    return round(time.time() * 1000)


def _instant(when: str | None, zone: str | None) -> int:
    from probe.cli.instants import weekly, zone_of

    try:
        return weekly(when, zone_of(zone), _now_ms()) if when else _now_ms()
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        before, equals, after = text.partition("=")
        if not (before and equals and after):
            raise click.BadParameter(f"{text!r} names nobody who takes over; write ana=bo", param_hint="--replace")
        if before in found:
            raise click.BadParameter(f"{before} is replaced twice", param_hint="--replace")
        found[before] = after
    return found


def _span(begins: str | None, until: str | None, lasts: str | None, zone: str | None) -> dict[str, Any]:
    """From when to when, for the service: instants in UTC, a length as it was given."""
    from probe.cli.instants import weekly, zone_of
    from probe.web.shape import instant

    if bool(until) is bool(lasts):
        raise click.UsageError("give --to or --for, not both" if until else "an override must end: say --to or --for")
    span: dict[str, Any] = {"for": lasts} if lasts else {}
    try:
        clock, near_ms = zone_of(zone), _now_ms()
        if begins:
            near_ms = weekly(begins, clock, near_ms)
            span["from"] = instant(near_ms)
        if until:
            span["to"] = instant(weekly(until, clock, near_ms))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return span
