"""Prometheus Alertmanager, API v2: it forgets what it is not told again, so open incidents are sent every minute.

An alert there *is* its labels. What changes within an incident must not be one, so that DOWN and DEGRADED are two
alerts, CheckDown and CheckDegraded: when one begins, the other ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

import msgspec
from pydantic import AfterValidator, Field, SecretStr, model_validator

from checks.core.units import Duration, format_duration
from exporters.answer import accept
from exporters.base import Notice, NoticeKind, NotifyError, Post
from exporters.message import body, rfc3339, summary, tidy
from exporters.prometheus import label_name
from exporters.receiver import Headers, Receiver, host_of, plain_headers, public_url
from thresholds.base import Level

_log = logging.getLogger(__name__)
_PATH = "/api/v2/alerts"
_BATCH = 64  # alerts in one request, as Prometheus sends them
_LIFETIMES = 4  # refreshes that may fail before Alertmanager ends an alert by itself: Prometheus's own margin
_NAMES = {Level.DOWN: ("CheckDown", "critical"), Level.DEGRADED: ("CheckDegraded", "warning")}
_OTHER = {Level.DOWN: Level.DEGRADED, Level.DEGRADED: Level.DOWN}

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

    async def send(self, notice: Notice, post: Post) -> None:
        await self.refresh([notice], time.time_ns() // 1_000_000, post)

    async def refresh(self, notices: Sequence[Notice], now_ms: int, post: Post) -> None:
        """Tell all peers; return when at least one took everything. The others are named in the log."""
        if not notices:
            return
        told = alerts(notices, now_ms, self.refresh_every)
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
            return NotifyError(f"{name}: no answer within {format_duration(self.timeout)}")
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
    )


def alerts(notices: Sequence[Notice], now_ms: int, refresh_every: float) -> list[Alert]:
    """The alerts that these notices make, each label set once.

    A check that failed again has two incidents and one label set: the end of the first must not end the second.
    """
    told: dict[tuple[tuple[str, str], ...], Alert] = {}
    for notice in notices:
        for alert in _of(tidy(notice), now_ms + round(_LIFETIMES * refresh_every * 1000)):
            identity = tuple(sorted(alert.labels.items()))
            if identity not in told or alert.ends > told[identity].ends:
                told[identity] = alert
    return list(told.values())


def _of(notice: Notice, ends_ms: int) -> Iterator[Alert]:
    """The alert of a notice; and the end of that of the other level, which may have been taken before.

    That holds for a PASSED notice too: a peer can have taken an alert though its answer did not reach us.
    """
    level = notice.level if notice.level in _NAMES else Level.DOWN
    yield _alert(notice, level, ends_ms if notice.firing else notice.ended_ms)
    if notice.kind is not NoticeKind.OPENED:
        yield _alert(notice, _OTHER[level], notice.at_ms if notice.firing else notice.ended_ms)


def _alert(notice: Notice, level: Level, ends_ms: int) -> Alert:
    return Alert(
        labels=labels(notice, level),
        annotations=_annotations(notice),
        starts=rfc3339(notice.since_ms),
        ends=rfc3339(max(ends_ms, notice.since_ms)),
        link=notice.link or msgspec.UNSET,
    )


def labels(notice: Notice, level: Level) -> dict[str, str]:
    """What an alert is known by. A configured `severity` wins over ours; other clashes are kept as `exported_...`."""
    name, severity = _NAMES[level]
    ours = {
        "alertname": name,
        "check": notice.check,
        "service": notice.service,
        "owner": notice.owner,
        "probe": notice.instance,
    }
    named = {key: text for key, text in ours.items() if text}
    for key, text in sorted(notice.labels.items()):
        if text:
            named[_free_name(key, ours, named)] = text
    named.setdefault("severity", severity)
    return named


def _free_name(key: str, ours: Mapping[str, str], taken: Mapping[str, str]) -> str:
    """The name that a configured label has in our metrics as well, so that people can join the two."""
    name = label_name(key)
    if name in ours:
        name = f"exported_{name}"
    while name in taken:  # "a-b" and "a.b" are both a_b
        name += "_"
    return name


def _annotations(notice: Notice) -> dict[str, str]:
    told = {
        "summary": summary(notice),
        "description": body(notice),
        "runbook_url": notice.runbook,
        "target": notice.target,
        "reason": notice.reason,
        "incident": notice.incident,
    }
    return {name: text for name, text in told.items() if text}


RECEIVER = Alertmanager
