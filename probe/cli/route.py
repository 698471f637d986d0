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
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def route(config: Any, name: str, level: str, when: str | None, zone: str | None, *, as_json: bool) -> None:
    """Play a failure that nobody acknowledges through routes, quiet hours, schedules and escalations.

    By the configuration alone: silences, overrides and calendars that a running service knows are in
    `GET /api/v1/route`. Exit code 1 when nobody would hear of it, 2 when there is no such check.
    """
    from probe.cli.incident_words import plain, routed
    from probe.cli.instants import weekly, zone_of
    from probe.config.problems import nearest
    from probe.engine.duty import Duty
    from probe.engine.response import foretold
    from probe.web.incident_shape import explanation
    from thresholds.base import Level

    loaded = load(config, quiet=True)
    if name not in loaded.checks:
        near = nearest(name, [*loaded.checks])
        raise click.UsageError(f"{config}: there is no check {name}{f'; did you mean {near}?' if near else ''}")
    try:
        now_ms = round(time.time() * 1000)
        at_ms = weekly(when, zone_of(zone), now_ms) if when else now_ms
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    found = explanation(foretold(loaded, Duty(loaded.roster), name, Level[level.upper()], at_ms))
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else routed(plain(found)))
    if not found["hears"]:
        sys.exit(1)
