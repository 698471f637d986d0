"""Prometheus Alertmanager, API v2: it forgets what it is not told again, so open incidents are sent every minute.

An alert there *is* its labels: exporters/prom_alerts.py makes them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Self

import msgspec
from pydantic import AfterValidator, Field, SecretStr, model_validator

from checks.core.units import Duration, format_duration
from exporters.answer import accept
from exporters.base import Notice, NotifyError, Post, Trouble
from exporters.message import rfc3339, tidy
from exporters.prom_alerts import PromAlert, prom_alerts
from exporters.receiver import Headers, Receiver, host_of, plain_headers, public_url

_log = logging.getLogger(__name__)
_PATH = "/api/v2/alerts"
_BATCH = 64  # alerts in one request, as Prometheus sends them
_LIFETIMES = 4  # refreshes that may fail before Alertmanager ends an alert by itself: Prometheus's own margin

Url = Annotated[str, AfterValidator(lambda url: public_url(url).removesuffix(_PATH))]


class Alert(msgspec.Struct, frozen=True, rename={"starts": "startsAt", "ends": "endsAt", "link": "generatorURL"}):
    """One alert as the API takes it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts: str
    ends: str
    link: str | msgspec.UnsetType = msgspec.UNSET


class Alertmanager(Receiver):
    """All peers of one Alertmanager cluster."""

    urls: tuple[Url, ...] = Field(
        min_length=1,
        description="Addresses of all peers, as http://alertmanager-1.example:9093. Each is told; one that takes it is "
        "enough. Not the address of a load balancer: peers do not pass alerts on.",
    )
    username: str = Field(default="", description="User name for basic authentication.")
    password: SecretStr | None = Field(default=None, description="Password for basic authentication.")
    bearer: SecretStr | None = Field(default=None, description="Token for bearer authentication.")
    headers: Headers = Field(default_factory=dict, description="Headers to send along, for example X-Scope-OrgID.")
    refresh_every: Duration = Field(
        default=60.0, description="How often open incidents are told again. They end by themselves after four times."
    )
    keep_resolved: Duration = Field(default=900.0, description="How long the end of an incident is told again.")
    timeout: Duration = Field(default=5.0, description="How long one peer may take to answer.")

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        if bool(self.username) is not (self.password is not None):
            raise ValueError("basic authentication needs both `username` and `password`")
        named = {name.lower() for name in self.headers}
        if (self.password is not None) + (self.bearer is not None) + ("authorization" in named) > 1:
            raise ValueError("choose one of `username` and `password`, `bearer`, and a header Authorization")
        if self.refresh_every < 1 or self.timeout <= 0:
            raise ValueError("`refresh_every` must be at least 1s, and `timeout` more than 0s")
        return self

    @property
    def lifecycle(self) -> bool:
        return True

    async def send(self, notice: Notice, post: Post) -> None:
        await self.refresh([notice], time.time_ns() // 1_000_000, post)

    async def refresh(self, notices: Sequence[Notice], now_ms: int, post: Post) -> None:
        """Tell all peers; return when at least one took everything. The others are named in the log."""
        told = alerts(notices, now_ms, self.refresh_every)
        if not told:
            return
        bodies = [msgspec.json.encode(told[at : at + _BATCH]) for at in range(0, len(told), _BATCH)]
        answers = await asyncio.gather(*(self._tell(url, bodies, post) for url in self.urls))
        failures = [answer for answer in answers if answer is not None]
        if len(failures) == len(self.urls):
            raise _all(failures)
        for failure in failures:
            _log.warning("%s; another peer took it", failure)

    async def _tell(self, url: str, bodies: Sequence[bytes], post: Post) -> NotifyError | None:
        """What kept one peer from taking everything; None when it did."""
        name = f"alertmanager {host_of(url)}"
        try:
            for content in bodies:
                # A silent peer must not use up the time of the others.
                async with asyncio.timeout(self.timeout):
                    response = await post(url + _PATH, content, self._headers())
                accept(response, name, self._hidden())
        except TimeoutError:
            return NotifyError(f"{name}: no answer within {format_duration(self.timeout)}", kind=Trouble.TIMEOUT)
        except NotifyError as error:
            return error
        return None

    def _headers(self) -> dict[str, str]:
        headers = {**plain_headers(self.headers), "Content-Type": "application/json"}
        if self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer.get_secret_value()}"
        return headers

    def _hidden(self) -> list[str]:
        own = [secret.get_secret_value() for secret in (self.password, self.bearer) if secret is not None]
        return [*own, *plain_headers(self.headers).values()]


def _all(failures: Sequence[NotifyError]) -> NotifyError:
    """What all peers said, as one error: worth another try when one of them is, as soon as the first of them says."""
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return NotifyError(
        "; ".join(map(str, failures)),
        permanent=all(failure.permanent for failure in failures),
        retry_after=min(waits) if len(waits) == len(failures) else None,
        kind=failures[0].kind,
    )


def alerts(notices: Sequence[Notice], now_ms: int, refresh_every: float) -> list[Alert]:
    """The alerts that these notices make, each label set once.

    A check that failed again has two incidents and one label set: the end of the first must not end the second.
    """
    ends_ms = now_ms + round(_LIFETIMES * refresh_every * 1000)
    told: dict[tuple[tuple[str, str], ...], Alert] = {}
    for notice in notices:
        for one in prom_alerts(tidy(notice)):
            alert, identity = _alert(one, ends_ms), tuple(sorted(one.labels.items()))
            if identity not in told or alert.ends > told[identity].ends:
                told[identity] = alert
    return list(told.values())


def _alert(one: PromAlert, ends_ms: int) -> Alert:
    return Alert(
        labels=one.labels,
        annotations=one.annotations,
        starts=rfc3339(one.began_ms),
        ends=rfc3339(max(one.ended_ms or ends_ms, one.began_ms)),
        link=one.link or msgspec.UNSET,
    )


RECEIVER = Alertmanager
