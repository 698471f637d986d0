"""`probe route`: who would hear of a failure, when and why."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from probe.cli.loading import FILE, load


@click.command(short_help="Who would hear of a failure, when and why.")
@click.option("-c", "--config", type=FILE, default="probe.yml", show_default=True, help="The configuration to go by.")
@click.option("--check", "name", required=True, help="The check that would fail, as in shop/home.")
@click.option("--level", type=click.Choice(["down", "degraded"]), default="down", show_default=True)
@click.option("--at", "when", metavar="WHEN", help="When: 'Sat 03:00', 03:00, 2026-11-22T03:00; now unless given.")
@click.option("--zone", help="Whose clock times are of; this machine's unless given.")
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="NAME=LEVEL",
    help="How a check or a service stands then: gateway=down, degraded or up; as often as wanted. UP unless said.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def route(
    config: Any, name: str, level: str, when: str | None, zone: str | None, others: tuple[str, ...], *, as_json: bool
) -> None:
    """Play a failure that nobody acknowledges through all that decides who hears of it, and when.

    Those are routes, groups, dependencies, inhibition, storms, maintenance, quiet hours, schedules and escalations. It
    goes by the configuration alone: what a running service knows of silences, maintenance, overrides and calendars is
    in `GET /api/v1/route`. Exit code 1 when nobody would hear of it, 2 when there is no such check.
    """
    from probe.cli.incident_words import plain
    from probe.cli.instants import weekly, zone_of
    from probe.cli.route_words import routed
    from probe.config.problems import nearest
    from probe.config.supposed import supposed
    from probe.engine.duty import Duty
    from probe.engine.foresight import foretold
    from probe.engine.played import Question
    from probe.web.incident_shape import explanation
    from thresholds.base import Level

    loaded = load(config, quiet=True)
    if name not in loaded.checks:
        near = nearest(name, [*loaded.checks])
        raise click.UsageError(f"{config}: there is no check {name}{f'; did you mean {near}?' if near else ''}")
    try:
        now_ms = round(time.time() * 1000)
        at_ms = weekly(when, zone_of(zone), now_ms) if when else now_ms
        question = Question(name, Level[level.upper()], at_ms, supposed(loaded, name, others))
        found = explanation(foretold(loaded, Duty(loaded.roster), question, windows=loaded.maintenance))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else routed(plain(found)))
    if not found["hears"]:
        sys.exit(1)
