"""`probe heartbeat`: how jobs stand that report to a running service, what they would say, and by which addresses."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.cli.doors import NAME, RID, door
from probe.cli.loading import FILE, load

if TYPE_CHECKING:
    from probe.config.model import Config

_MOST_SAID = 100_000  # bytes of a message
_HIDDEN = "KEY"


@click.group(short_help="Jobs that report to the service: list, ping, addresses.")
def heartbeat() -> None:
    """Jobs that report to the service: how they stand, what they say, and by which addresses.

    Exit code 1 when the service does not answer or refuses, 2 when what was asked is wrong.
    """


@heartbeat.command("list", short_help="How every heartbeat of a running service stands.")
@click.option("-c", "--config", type=FILE, help="The service's configuration: its address.")
@click.option("--url", help="Where the service is; http://127.0.0.1:8080 unless -c or this says otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer of the service.")
def list_heartbeats(config: Path | None, url: str | None, *, as_json: bool) -> None:
    """How every heartbeat stands: when it was heard, when it is due, which runs are open, and what is wrong."""
    found = _asked(config, url)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found["heartbeats"]:
        click.echo("no heartbeats are configured")
    for one in found["heartbeats"]:
        click.echo(_line(one))
        for trouble in one["troubles"]:
            click.echo(f"    since {trouble['since']}: {trouble['reason']}")


def _asked(config: Path | None, url: str | None) -> Any:
    from probe.cli.asking import RefusedError, service
    from probe.cli.top import NoAnswerError

    try:
        asked = service(url, load(config, quiet=True) if config else None, None)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        return asked.ask("/api/v1/heartbeats")
    except (NoAnswerError, RefusedError) as error:
        click.echo(f"{asked}: {error}", err=True)
        sys.exit(1)


def _line(one: Any) -> str:
    level = "PAUSED" if one["paused"] else one["level"].upper()
    open_ = f", {len(one['open'])} open" if one["open"] else ""
    heard, due = one["heard"] or "never", one["due"] or "never again"
    return f"{level:<8} {one['name']}  {one['schedule']}  heard {heard}, due {due}{open_}"


@heartbeat.command(short_help="Say something to a heartbeat.")
@click.argument("name", required=False, default="")
@click.option("--start", "suffix", flag_value="start", help="A run begins.")
@click.option("--fail", "suffix", flag_value="fail", help="It failed.")
@click.option("--log", "suffix", flag_value="log", help="Keep the message, and that is all.")
@click.option("--running", "suffix", flag_value="running", help="It is still at work: its longest time begins anew.")
@click.option("--stage", metavar="STAGE", help="A key point is reached.")
@click.option("--exit", "code", type=click.IntRange(0, 255), help="It ended with this exit code.")
@click.option("--rid", help="The id of the run; that of `probe exec` around this unless given.")
@click.option("--patience", default="20s", show_default=True, metavar="LENGTH", help="How long to try.")
@click.option("--message", default="", help="Text to keep with it; - reads standard input.")
@click.option(
    "--url", help="Where the service is; PROBE_URL, or http://127.0.0.1:8080, unless -c or this says otherwise."
)
@click.option("--key-file", type=FILE, help="A file with the key; PROBE_PING_KEY holds it otherwise.")
@click.option("-c", "--config", type=FILE, help="The service's configuration: its address, and the key.")
def ping(
    name: str, suffix: str | None, stage: str | None, code: int | None, rid: str | None, message: str, **rest: Any
) -> None:
    """Say to the heartbeat NAME that a run succeeded, or what an option says.

    Under `probe exec` NAME and the run are known: `probe heartbeat ping --stage upload`.
    """
    from probe.cli.pinging import send

    name = name or os.environ.get(NAME, "")
    if not name:
        raise click.UsageError("name the heartbeat")
    said = [
        text for text in (suffix, f"stage/{stage}" if stage else None, str(code) if code is not None else None) if text
    ]
    if len(said) > 1:
        raise click.UsageError("say one thing: --start, --fail, --log, --running, --stage or --exit")
    try:
        way = door(name, rest["url"], rest["key_file"], rest["config"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    from checks.core.units import parse_duration

    try:
        within = parse_duration(rest["patience"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--patience") from None
    body = sys.stdin.buffer.read(_MOST_SAID) if message == "-" else message.encode(errors="replace")
    if why := send(way, said[0] if said else "", rid or os.environ.get(RID, ""), body, within=within):
        click.echo(f"not told: {why}", err=True)
        sys.exit(1)


@heartbeat.command(short_help="The addresses that jobs ping.")
@click.argument("config", type=FILE)
@click.option("--show-keys", is_flag=True, help="With the keys in them: whoever reads these can ping.")
def urls(config: Path, *, show_keys: bool) -> None:
    """The address of every heartbeat of CONFIG: one for each of its keys, with `KEY` in the place of the secret."""
    loaded = load(config, quiet=True)
    base = loaded.url or _place(loaded)
    for name, heart in _configured(loaded):
        for secret in heart.keys:
            key = secret.get_secret_value() if show_keys else _HIDDEN
            click.echo(f"{name}  {base}/ping/{key}/{name.replace('/', '-')}")


def _place(config: Config) -> str:
    from probe.cli.top import place

    try:
        return place(None, config)
    except ValueError:
        return "http://HOST:PORT"


def _configured(config: Config) -> list[tuple[str, Any]]:
    from checks.heartbeat import Heartbeat

    found = [(name, planned.spec.check) for name, planned in config.checks.items()]
    return [(name, check) for name, check in found if isinstance(check, Heartbeat)]
