"""Over a hundred services more, through Apprise: an extra. Each address is one of its URLs.

Apprise blocks, and may do so for long: it works in threads of its own, a few of them, which nothing else waits for.
It knows neither incidents nor what a refusal means, so that each notice is a message, and what fails is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from types import ModuleType
from typing import Any, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator

from checks.core.redact import Redactor
from checks.core.units import Duration, format_duration
from exporters.aside import Aside, BusyError
from exporters.base import Notice, NotifyError, Post, Trouble
from exporters.card import unmentioned
from exporters.message import Mood, body, headline, mood, one_line, tidy
from exporters.receiver import Receiver, hidden_parts

_log = logging.getLogger(__name__)
REMEDY = "make setup EXTRAS=apprise in the checkout, or pip install 'apprise>=2'"
_PLACE = "{to}"
_LONGEST = 25.0  # s: an attempt ends after 30
_TYPES = {Mood.DOWN: "failure", Mood.DEGRADED: "warning", Mood.TAKEN: "info", Mood.OVER: "success", Mood.NEWS: "info"}
_aside = Aside("apprise", most=8, each=2)


@cache
def _library() -> ModuleType:
    """Apprise with all its services, which takes a second; ValueError says how to install it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it looks for modules that Python has given up
            import apprise

            apprise.Apprise.instantiate("json://localhost")
    except ImportError:
        raise ValueError(f"needs Apprise, which is not installed: {REMEDY}") from None
    if not hasattr(apprise, "AppriseResult"):
        raise ValueError(f"needs Apprise 2, this is {apprise.__version__}: {REMEDY}")
    for name in ("apprise", "urllib3", "requests"):  # they write down addresses, which are secrets
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    return apprise


def _service(url: str) -> Any:
    """The service of an address; None where it is none."""
    library = _library()
    # No limit of its own: it would take threads that are shared by all, and that the end of the program waits for.
    asset = library.AppriseAsset(app_id="Probe", service_timeout=0, async_mode=False, allow_templates=False)
    return library.Apprise.instantiate(url, asset=asset)


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of a message at one address."""

    service: str
    status: str  # SUCCESS, FAILURE, TIMEOUT
    said: str


class Apprise(Receiver):
    """Services of Apprise."""

    urls: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="Addresses as Apprise writes them, gotify://host/token. Secrets: they are never shown. `{to}` is "
        "where the address of a person goes, if people are told through it.",
    )
    timeout: Duration = Field(default=20.0, description="How long all of them may take together, at most 25s.")

    @field_validator("urls", mode="after")
    @classmethod
    def _known(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        _library()
        plain = tuple(url.get_secret_value().strip() for url in urls)
        for number, url in enumerate(plain):
            if _PLACE not in url and _service(url) is None:
                raise ValueError(
                    f"address {number + 1} is none of Apprise's: its service is unknown, or a part is missing"
                )
        return tuple(map(SecretStr, plain))

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if not 0.1 <= self.timeout <= _LONGEST:
            raise ValueError(f"`timeout` must be between 100ms and {format_duration(_LONGEST)}")
        return self

    def addressed(self, to: str) -> Apprise:
        """The same services, for one person."""
        plain = [url.get_secret_value() for url in self.urls]
        if not any(_PLACE in url for url in plain):
            raise ValueError("no address of this receiver says where that of a person goes; write {to} in one of them")
        filled = [url.replace(_PLACE, quote(to, safe="+@")) for url in plain]
        if not to or any(_service(url) is None for url in filled):
            raise ValueError(f"{to!r} is no address that this service takes")
        return self.model_copy(update={"urls": tuple(map(SecretStr, filled))})

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when at least one service took it; those that did not are named in the log."""
        del post  # Apprise brings its own way
        urls = [url.get_secret_value() for url in self.urls]
        if any(_PLACE in url for url in urls):
            raise NotifyError(
                "apprise: reaches people alone: name users in the routes, not this receiver", permanent=True
            )
        fates = await self._told(tidy(notice), urls)
        failed = [fate for fate in fates if fate.status != "SUCCESS"]
        if len(failed) == len(fates):
            raise _error(failed)
        for fate in failed:
            # Sending again would tell the others twice.
            _log.warning("apprise: %s: %s; another service took it", fate.service, fate.said)

    async def _told(self, notice: Notice, urls: Sequence[str]) -> Sequence[_Fate]:
        key = sha256("\n".join(urls).encode()).hexdigest()
        title, text, kind = unmentioned(headline(notice)), unmentioned(body(notice)), _TYPES[mood(notice)]
        try:
            async with asyncio.timeout(self.timeout):
                return await _aside.run(key, lambda: [_tell(url, title, text, kind) for url in urls])
        except TimeoutError:
            waited = format_duration(self.timeout)
            raise NotifyError(f"apprise: not done within {waited}", kind=Trouble.TIMEOUT) from None
        except BusyError as error:
            raise NotifyError(f"apprise: {error}", kind=Trouble.TIMEOUT) from None


def _tell(url: str, title: str, text: str, kind: str) -> _Fate:
    """In a thread: send to one address. A bug of a service is its failure."""
    service = _service(url)
    if service is None:  # it was sound when the configuration was read
        return _Fate("?", "FAILURE", "the address is not taken any more")
    messenger = _library().Apprise()
    messenger.add(service)
    result = messenger.notify(text, title=title, notify_type=kind, body_format="text")
    said = [entry.message for each in result for entry in each.logs()]
    reason = one_line(Redactor(hidden_parts(url))(said[-1] if said else "no reason given"), 200)
    return _Fate(str(service.service_name), result.status.name, reason)


def _error(failed: Sequence[_Fate]) -> NotifyError:
    said = "; ".join(f"{fate.service}: {fate.said}" for fate in failed)
    timeout = all(fate.status == "TIMEOUT" for fate in failed)
    return NotifyError(f"apprise: {said}", kind=Trouble.TIMEOUT if timeout else Trouble.OTHER)


RECEIVER = Apprise
