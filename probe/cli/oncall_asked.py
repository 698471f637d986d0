"""Whom the commands of on-call go by: the running service, or a configuration alone where none answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import aiohttp
import click

from probe.cli.asking import _PATIENCE, RefusedError, Service, _bounded, _why, service
from probe.cli.loading import USAGE, load
from probe.cli.top import NoAnswerError
from probe.config.model import Config
from probe.config.problems import suggestion
from probe.web.oncall_shape import Rota

_MISTAKES = (400, 404)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A service, or a configuration, or the one where the other does not answer."""

    service: Service | None
    config: Config | None

    def found(self, path: str, local: Callable[[Rota, Config], Json]) -> Json:
        """What the service answers, or what the configuration alone comes to; `source` says which it was."""
        if self.service is not None:
            try:
                return {**self.service.ask(path), "source": "service"}
            except RefusedError as error:
                _end(f"{self.service}: {error}", USAGE if error.status in _MISTAKES else 1)
            except NoAnswerError as error:
                self._alone(error)
        return {**self._locally(local), "source": "configuration"}

    def text(self, path: str, local: Callable[[Rota, Config], str]) -> str:
        """As `found`, of what is no JSON."""
        if self.service is not None:
            try:
                return asyncio.run(_text(self.service, path))
            except RefusedError as error:
                _end(f"{self.service}: {error}", USAGE if error.status in _MISTAKES else 1)
            except NoAnswerError as error:
                self._alone(error)
        text: str = self._locally(local)
        return text

    def _locally(self, local: Callable[[Rota, Config], Any]) -> Any:
        assert self.config is not None
        try:
            return local(Rota(self.config.roster), self.config)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    def _alone(self, error: NoAnswerError) -> None:
        if self.config is None:
            _end(f"no answer from {self.service}: {error}; -c CONFIG goes by a configuration alone", 1)
        what = "overrides that people told it, and calendars from elsewhere, are left out"
        click.echo(f"no answer from {self.service}: {error}; by {self.config.path} alone: {what}", err=True)


def source_of(url: str | None, config: Path | None, *, offline: bool) -> Source:
    """Whom to ask. With a configuration it is the service at its `listen`, or it alone."""
    if url and config:
        raise click.UsageError("give --url or -c CONFIG, not both")
    if offline and not config:
        raise click.UsageError("--offline goes by a configuration: name it with -c CONFIG")
    loaded = load(config, quiet=True) if config else None
    if offline:
        return Source(None, loaded)
    try:
        return Source(service(url, loaded, None), loaded)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def named(name: str, names: Sequence[str], what: str) -> str:
    """A name that the configuration has."""
    if name not in names:
        raise click.UsageError(f"there is no {what} {name}; {suggestion(name, list(names), f'{what}s')}")
    return name


def escaped(name: str) -> str:
    return quote(name, safe="")


async def _text(asked: Service, path: str) -> str:
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE) as session,
            session.get(f"{asked.url}{path}", allow_redirects=False) as answer,
        ):
            body = (await _bounded(answer)).decode(errors="replace")
            if answer.status == 404:
                raise RefusedError(404, "it knows nobody and nothing of that name")
            if answer.status != 200 or not body.startswith("BEGIN:VCALENDAR"):
                raise NoAnswerError(f"it answers {answer.status} and no calendar; is it Probe, and this version?")
            return body
    except TimeoutError:
        raise NoAnswerError(f"nothing within {_PATIENCE.total:g} s") from None
    except aiohttp.ClientError as error:
        raise NoAnswerError(_why(error)) from None


def _end(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)
