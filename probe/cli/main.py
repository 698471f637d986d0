"""The commands. Heavy imports stand inside them: `probe --help` answers at once."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from probe.cli.change import change, deploy
from probe.cli.exec import exec_
from probe.cli.heartbeat import heartbeat
from probe.cli.incident import incident, silence
from probe.cli.loading import FILE as _FILE
from probe.cli.loading import load as _load
from probe.cli.notify import notify
from probe.cli.oncall import oncall
from probe.cli.route import route
from probe.cli.upkeep import exclusion, maintenance


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="probe", prog_name="probe", message="%(prog)s %(version)s")
def main() -> None:
    """Synthetic monitoring and uptime: checks, thresholds, history, metrics and alerts from one YAML file.

    \b
    probe demo                     see it at work, on targets of its own
    probe check https://x.example  one run now, phase by phase
    probe validate probe.yml       every mistake at once, with its place
    probe run probe.yml            the service
    """  # noqa: D301  # \b keeps click from joining the lines


@main.command(short_help="Run the service until it is told to end.")
@click.argument("config", type=_FILE)
@click.option("--plain", is_flag=True, help="Log lines instead of the live table, also on a terminal.")
def run(config: Path, *, plain: bool) -> None:
    """Run the service that CONFIG describes, until SIGTERM or Ctrl-C. SIGHUP reads CONFIG again.

    On a terminal a live table shows every check, worst first. Exit code 0 after a clean end, 2 for a configuration that
    cannot be used, 1 for anything else.
    """
    with _no_garbage():
        loaded = _load(config)
        from probe.cli.operate import operate
    sys.exit(operate(loaded, plain=plain))


@main.command(short_help="Show the service at work, on targets of its own.")
@click.option(
    "--listen", default="127.0.0.1:8080", show_default=True, help="Where the pages are; a taken port is replaced."
)
@click.option("--plain", is_flag=True, help="Log lines instead of the live table, also on a terminal.")
def demo(listen: str, *, plain: bool) -> None:
    """Show the service at work on targets of its own, on loopback: a healthy site, a slow one, a flaky one, and worse.

    Keeps nothing: its configuration and its database are in a temporary folder that is removed at the end.
    """
    from probe.cli.demo.play import play

    sys.exit(play(listen, plain=plain))


@main.command(short_help="Say everything that is wrong with a configuration.")
@click.argument("config", type=_FILE)
def validate(config: Path) -> None:
    """Say everything that is wrong with CONFIG, at once: `file:line:column: key: what is wrong`.

    Exit code 0 when the service would run it (warnings do not count), 2 when it would not.
    """
    from probe.config.machine import cores
    from probe.engine.capacity import objection

    loaded = _load(config)
    receivers = f", {len(loaded.receivers)} receivers" if loaded.receivers else ""
    checks = f"{len(loaded.checks)} check{'' if len(loaded.checks) == 1 else 's'}"
    if lack := objection(loaded, cores()):
        click.echo(f"{config}: on this machine: {lack}", err=True)
    click.echo(f"{config}: {checks}{receivers}: valid")


@main.command(short_help="Run one check now, phase by phase.")
@click.argument("target", metavar="URL-or-NAME")
@click.option("-c", "--config", type=_FILE, help="The configuration that NAME, limits and network policy come from.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON.")
@click.option("--evidence", is_flag=True, help="Print all that a failing run saw, and a line to see it again by hand.")
def check(target: str, config: Path | None, *, as_json: bool, evidence: bool) -> None:
    """Run one check now and show where the time went: phases, certificate, facts, verdict.

    The target is an address (`https://shop.example/`, `tcp://cache.shop.example:6379`, `cache.shop.example:6379`),
    or the name of a check in the configuration. Exit code 0 when it is UP or DEGRADED, 1 when it is DOWN or cannot be
    judged.
    """
    from probe.cli.once import plan, redactor, run_now, show

    loaded = _load(config, quiet=as_json) if config else None
    try:
        planned = plan(target, loaded)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    verdict = run_now(planned, loaded)
    show(planned, verdict, redactor(planned, loaded), as_json=as_json, evidence=evidence)
    sys.exit(0 if verdict.level.name in {"UP", "DEGRADED"} else 1)


@main.command(short_help="Show how a running service does, live.")
@click.argument("url", required=False)
@click.option("-c", "--config", type=_FILE, help="The configuration of the service: its `listen` says where it is.")
@click.option("--once", is_flag=True, help="Print one picture and end.")
@click.option("--every", default="2s", show_default=True, help="How often the service is asked.")
def top(url: str | None, config: Path | None, every: str, *, once: bool) -> None:
    """Show how the service at URL (http://127.0.0.1:8080 unless given) does: whether it keeps up, and what fails.

    Runs per second, lateness, missed runs, queues, processor, memory and files of each process, what is wrong with
    Probe itself, failing checks and the slowest ones; in colour what deserves a look. Where standard output is no
    terminal one picture is printed. Exit code 1 when that gets no answer, 2 for a wrong command line.
    """
    from probe.cli.top import interval, place
    from probe.cli.top import top as show

    if url and config:
        raise click.UsageError("give a URL or -c CONFIG, not both")
    try:
        address, seconds = place(url, _load(config, quiet=True) if config else None), interval(every)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(show(address, single=once, every=seconds))


@main.command(short_help="Judge stored history by a changed configuration.")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration to try.")
@click.option("--old", type=_FILE, help="The configuration in force: its thresholds are drawn beside the new ones.")
@click.option(
    "--store", metavar="URL", help="The history, as in sqlite:/var/lib/probe/probe.db; the file's own unless given."
)
@click.option("--since", default="30d", show_default=True, help="From when: how long ago, or an instant in UTC.")
@click.option("--until", default="now", show_default=True, help="Until when.")
@click.option(
    "--check", "checks", multiple=True, metavar="PATTERN", help="Only checks like this: 'shop/*'. May be repeated."
)
@click.option(
    "--night", default="22:00-07:00", show_default=True, help="When alerts wake people, in the zone of each check."
)
@click.option("--outage", default="5m", show_default=True, help="How long an outage lasts at least to be a real one.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--html", type=_FILE, help="Write a page with charts into this file.")
def replay(config: Path, old: Path | None, as_json: bool, html: Path | None, **rest: Any) -> None:
    """Judge stored runs again by a changed configuration, and say what would have been told.

    Which of today's alerts would stay and which would vanish, which would be new, what of them is noise, and how soon
    real outages would have been known. The database is only read; a service that uses it goes on. Exit code 1 when the
    history cannot be read or has no runs of that time, 2 when the command line or a configuration is wrong.
    """
    from probe.cli.replay.command import replay as judge_again
    from probe.cli.replay.command import wish_of

    loaded, before = _load(config, quiet=as_json), _load(old, quiet=True) if old else None
    try:
        wish = wish_of(loaded, as_json=as_json, html=html, now_ms=round(time.time() * 1000), **rest)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(judge_again(loaded, wish, before))


@main.command(short_help="Propose thresholds for a check from its history.")
@click.argument("check")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration with the check.")
@click.option("--metric", default="total", show_default=True, help="The latency: total, or a phase as in ttfb.")
@click.option("--alarms", default="1/week", show_default=True, help="How many false alarms are all right: 2/month.")
@click.option("--since", default="30d", show_default=True, help="From when on: how long ago, or an instant in UTC.")
@click.option("--store", metavar="URL", help="The history, as in sqlite:/path/probe.db; the file's own unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def tune(config: Path, check: str, as_json: bool, **rest: Any) -> None:
    """Propose a threshold on a latency of CHECK from its stored runs, for a wanted rate of false alarms.

    Shows how many alerts a week each candidate would make, how many of them false, and how soon outages and slow times
    would be known; then the lines to paste. The database is only read. Exit code 1 when the history cannot be read or
    says too little, 2 when the command line or CONFIG is wrong.
    """
    from probe.cli.tune import command

    loaded = _load(config, quiet=as_json)
    try:
        code = command(loaded, check, as_json=as_json, now_ms=round(time.time() * 1000), **rest)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(code)


@main.command(short_help="Probe one part of the checks; results are lines of JSON.")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration with the checks.")
@click.option("--shard", default="1/1", show_default=True, help="Which part: 2/8 is the second of eight.")
def worker(config: Path, shard: str) -> None:
    """Probe one part of the checks of CONFIG as a worker process does, in the foreground, for debugging.

    Every run is a line of JSON on standard output, as workers send it to the service; nothing is judged, kept or told.
    It ends on SIGTERM, on Ctrl-C, and when nobody reads the lines any more: `probe worker -c probe.yml | head`.
    """
    from probe.cli.worker import probe
    from probe.engine.shard import parse_shard

    try:
        part = parse_shard(shard)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--shard") from None
    probe(_load(config), part)


@main.command(short_help="Availability, outages, objectives and series from the history.")
@click.argument(
    "what",
    type=click.Choice(["availability", "outages", "measures", "reasons", "flow", "objectives", "series"]),
    metavar="WHAT",
)
@click.argument("name", required=False, default="", metavar="[SERVICE-or-CHECK]")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration of the service.")
@click.option("--since", show_default="30d", help="A length of time ago, an instant, month or last-month.")
@click.option("--until", default="", help="Until when; now unless given.")
@click.option("--checks", is_flag=True, help="Every check by itself, or every check of the service named.")
@click.option("--step", default="", help="Of a series: 5m, 1h, 1d; chosen by the length of time unless given.")
@click.option("--metric", multiple=True, default=("total",), help="Of a series: total, a phase, or all.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--store", metavar="URL", help="The history, as in sqlite:/path/probe.db; the file's own unless given.")
def query(
    config: Path, form: str, store: str | None, metric: tuple[str, ...], since: str | None, until: str, **rest: Any
) -> None:
    """Say what was.

    \b
    availability  the share of time, at worst and at best, what was lost, and the share of runs
    outages       when each began and ended, and why
    measures      mean times: MTTF, MTBF, MTTR, MTTD, MTTA
    reasons       why things failed, what cost most first
    flow          outages opened, resolved and open, day by day
    objectives    what is left of error budgets, and how fast it goes
    series        of one check: runs and latencies over time

    Of one service or check; or of all services, and of the checks that belong to none. The database is only read; a
    service that uses it goes on. Exit code 1 when the history cannot be read, 2 when the question makes no sense.
    """  # noqa: D301  # \b keeps click from joining the lines
    import asyncio

    from probe.cli.query import Asked, ask, show
    from probe.store.base import StoreError

    loaded = _load(config, quiet=True)
    asked = Asked(metrics=metric, since=since or "30d", until=until, dated=bool(since or until), **rest)
    try:
        found = asyncio.run(ask(loaded, store or loaded.store, asked))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except StoreError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    show(found, form)


@main.command(short_help="Print objectives as rules for Prometheus.")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration with the objectives.")
@click.option("--interval", default="15s", show_default=True, help="How often Prometheus scrapes Probe.")
def rules(config: Path, interval: str) -> None:
    """Print the objectives of CONFIG as recording and alerting rules for Prometheus.

    They alert when Probe itself would: `probe rules -c probe.yml > probe-slo.yml`. Exit code 1 where there are none.
    """
    import yaml

    from checks.core.units import parse_duration
    from probe.engine.objectives import promises
    from probe.engine.rules import lengthened, rules_file

    class Plain(yaml.SafeDumper):
        """Writes what is there twice twice: people read the file, and change it."""

        def ignore_aliases(self, _: object) -> bool:
            return True

    loaded = _load(config, quiet=True)
    try:
        seconds = parse_duration(interval)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--interval") from None
    if not (found := list(promises(loaded))):
        click.echo(f"{config}: no service and no check has an slo", err=True)
        sys.exit(1)
    for line in lengthened(found, seconds):
        click.echo(line, err=True)
    click.echo(yaml.dump(rules_file(found, seconds), Dumper=Plain, sort_keys=False, width=1000), nl=False)


main.add_command(maintenance)
main.add_command(exclusion)
main.add_command(change)
main.add_command(deploy)
main.add_command(exec_)
main.add_command(heartbeat)
main.add_command(incident)
main.add_command(silence)
main.add_command(route)
main.add_command(notify)
main.add_command(oncall)


@main.command(short_help="Print the JSON Schema of the configuration.")
def schema() -> None:
    """Print the JSON Schema of the configuration: editors complete and check it as you type."""
    from probe.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@main.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    click.echo(f"probe {installed('probe')}")


@contextmanager
def _no_garbage() -> Iterator[None]:
    """What a service is made of is no garbage: looking for some took a tenth of a start, and would again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if collecting:
            gc.enable()
