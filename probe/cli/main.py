"""The commands. Heavy imports stand inside them: `probe --help` answers at once."""

from __future__ import annotations

import json
import sys
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
    from probe.cli.operate import operate

    sys.exit(operate(_load(config), plain=plain))


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
    loaded = _load(config)
    receivers = f", {len(loaded.receivers)} receivers" if loaded.receivers else ""
    checks = f"{len(loaded.checks)} check{'' if len(loaded.checks) == 1 else 's'}"
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
