"""The commands. Heavy imports stand inside them: `probe --help` answers at once."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from probe.config.model import Config

_FILE = click.Path(path_type=Path, dir_okay=False)
_USAGE = 2  # exit code: the command line or the configuration is wrong


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
def check(target: str, config: Path | None, *, as_json: bool) -> None:
    """Run one check now and show where the time went: phases, certificate, facts, verdict.

    The target is an address (`https://shop.example/`, `tcp://cache.shop.example:6379`, `cache.shop.example:6379`),
    or the name of a check in the configuration. Exit code 0 when it is UP or DEGRADED, 1 when it is DOWN or cannot be
    judged.
    """
    from probe.cli.once import plan, run_now, show

    loaded = _load(config, quiet=as_json) if config else None
    try:
        planned = plan(target, loaded)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    verdict = run_now(planned, loaded)
    show(planned, verdict, as_json=as_json)
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


def _load(path: Path, *, quiet: bool = False) -> Config:
    """The configuration, its warnings printed; all its problems and the end of the program otherwise."""
    from probe.config import ConfigError, load

    try:
        config = load(path)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        count = len(error.problems)
        click.secho(f"{path}: {count} problem{'s' if count != 1 else ''}; not valid", fg="red", err=True)
        sys.exit(_USAGE)
    if not quiet:
        for warning in config.warnings:
            click.echo(f"{warning}", err=True)
    return config
