"""`probe notify`: try a receiver for real, list them all, enable one that was disabled."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.cli.loading import FILE, load
from probe.cli.remote import ask, author_of, by_option, json_option, service_of, where_options

if TYPE_CHECKING:
    from probe.config.model import Config

_FILE = click.option("-c", "--config", type=FILE, required=True, help="The configuration that has the receivers.")


@click.group(short_help="Try receivers, list them, enable one that was disabled.")
def notify() -> None:
    """Try receivers, list them, enable one that was disabled.

    Exit code 1 when a receiver did not take it or the service does not answer, 2 when what was asked is wrong.
    """


@notify.command(short_help="Send a test to a receiver.")
@click.argument("receiver")
@_FILE
@click.option("--user", metavar="NAME", help="To this person by that receiver, as ana's `contacts` say.")
@click.option("--incident", is_flag=True, help="Open an incident and end it, instead of a plain message.")
@by_option
def test(receiver: str, config: Path, user: str | None, by: str | None, *, incident: bool) -> None:
    """Send a message to RECEIVER that says that it is a test, and say what came of it. Nothing is tried twice.

    No service need run. A receiver that is disabled in a service that does is enabled there when it takes the test.
    """
    import asyncio

    from probe.cli.notify_test import Trial, tried

    loaded = load(config, quiet=True)
    name = _named(loaded, f"{user}/{receiver}" if user else receiver)
    if not incident and getattr(loaded.receivers[name], "lifecycle", False):
        raise click.UsageError(f"{name} takes nothing but incidents; --incident opens one and ends it")
    outcome = asyncio.run(tried(loaded, Trial(name, author_of(by), incident)))
    click.echo(outcome.line, err=not outcome.taken)
    if not outcome.taken:
        sys.exit(1)
    _enable_if_disabled(loaded, name)


def _named(config: Config, name: str) -> str:
    from probe.config.problems import suggestion

    if name not in config.receivers:
        hint = suggestion(name, sorted(config.receivers), "receivers")
        raise click.UsageError(f"no receiver is called {name}; {hint}")
    return name


def _enable_if_disabled(config: Config, name: str) -> None:
    """Tell a running service that the receiver takes messages again; where none runs there is nothing to say."""
    from probe.cli.asking import RefusedError, named, service
    from probe.cli.top import NoAnswerError

    try:
        there = service(None, config, None)
        known = there.ask("/api/v1/receivers")["receivers"]
        if not any(one["name"] == name and one["disabled"] for one in known):
            return
        there.ask(named("/api/v1/receivers/{}/enable", name), {}, post=True)
        click.echo(f"{name} was disabled in {there}; it is enabled again")
    except RefusedError as error:
        click.echo(f"{name} may be disabled in {there}, which does not say: {error}", err=True)
    except (NoAnswerError, ValueError, KeyError, TypeError):
        return


@notify.command("list", short_help="Who can be told, and who is disabled.")
@json_option
@where_options
def list_receivers(*, as_json: bool, **rest: Any) -> None:
    """Every receiver of a running service: what waits for it, and whether and why it is disabled."""
    from probe.cli.notify_words import listed

    found = ask(service_of(rest), "/api/v1/receivers")
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else listed(found))


@notify.command(short_help="Tell a receiver again that was disabled.")
@click.argument("receiver")
@by_option
@where_options
def enable(receiver: str, by: str | None, **rest: Any) -> None:
    """Tell RECEIVER again that was disabled because it took nothing any more. Asking twice does no harm."""
    from probe.cli.asking import named

    asked = {"author": author_of(by)}
    ask(service_of(rest), named("/api/v1/receivers/{}/enable", receiver), asked, post=True)
    click.echo(f"{receiver} is enabled")
