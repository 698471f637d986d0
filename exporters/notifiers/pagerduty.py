"""PagerDuty, by its Events API v2: one alert per incident, opened by its key and resolved by the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field, SecretStr

from exporters.answer import accept
from exporters.base import Notice, NoticeKind, Post
from exporters.message import clip, facts, fitted, rfc3339, summary, tidy
from exporters.receiver import Address, Receiver, hidden_parts, host_of
from thresholds.base import Level

_EVENTS = "https://events.pagerduty.com/v2/enqueue"
# Source: PagerDuty's developer documentation, Events API v2, "Send an Alert Event" and "Size Limits".
_KEY, _SUMMARY, _LIMIT = 255, 1024, 500_000  # bytes, characters, bytes (512 KB)
_SEVERITY = {Level.DOWN: "critical", Level.DEGRADED: "warning"}


def _checked(key: SecretStr) -> SecretStr:
    plain = key.get_secret_value().strip()
    if len(plain) != 32 or not plain.isascii() or not plain.isalnum():
        raise ValueError(
            f"the routing key has {len(plain)} characters, it must have 32 letters and digits; "
            "PagerDuty shows it as the Integration Key of an Events API v2 integration"
        )
    return SecretStr(plain)


class Pagerduty(Receiver):
    """A service in PagerDuty."""

    routing_key: Annotated[SecretStr, AfterValidator(_checked)] = Field(
        description="Integration key of an Events API v2 integration: 32 characters. A secret: it is never shown."
    )
    url: Address = Field(
        default=SecretStr(_EVENTS),
        description="Where events go. In the EU service region: https://events.eu.pagerduty.com/v2/enqueue",
    )

    async def send(self, notice: Notice, post: Post) -> None:
        """Trigger or resolve; a PASSED notice does both, the one after the other.

        An alert that was never triggered cannot be resolved, and nothing but a trigger leaves a trace in PagerDuty. It
        goes out as `info`, which a service can be told to page nobody for.
        """
        notice = tidy(notice)
        for action in _actions(notice):
            await self._send(action, notice, post)

    async def _send(self, action: str, notice: Notice, post: Post) -> None:
        url, key = self.url.get_secret_value(), self.routing_key.get_secret_value()
        body = fitted(notice, _LIMIT, lambda shorter: msgspec.json.encode(event(action, shorter, key)))
        response = await post(url, body, {"Content-Type": "application/json"})
        accept(response, f"pagerduty {host_of(url)}", (key, *hidden_parts(url)))


def _actions(notice: Notice) -> tuple[str, ...]:
    match notice.kind:
        case NoticeKind.OPENED | NoticeKind.CHANGED:
            return ("trigger",)
        case NoticeKind.RESOLVED:
            return ("resolve",)
        case NoticeKind.PASSED:
            return ("trigger", "resolve")


def dedup_key(notice: Notice) -> str:
    """`<instance>/<incident>`: one alert per incident, also of two Probes. A long one ends in its digest."""
    key = f"{notice.instance}/{notice.incident}"
    if len(key.encode()) <= _KEY:
        return key
    digest = sha256(key.encode()).hexdigest()
    return f"{key.encode()[: _KEY - len(digest) - 1].decode(errors='ignore')}#{digest}"


def event(action: str, notice: Notice, routing_key: str) -> Mapping[str, object]:
    """An event as the API takes it. A resolve carries its payload too: it becomes the line in the alert's log."""
    links = [("Open in Probe", notice.link), ("Runbook", notice.runbook)]
    told = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(notice),
        "client": f"Probe {notice.instance}".strip(),
        "client_url": notice.link,
        "links": [{"href": url, "text": text} for text, url in links if url],
        "payload": _payload(notice),
    }
    return {name: value for name, value in told.items() if value}


def _payload(notice: Notice) -> Mapping[str, object]:
    told = {
        "summary": clip(summary(notice), _SUMMARY),
        "source": notice.target or notice.check,
        "severity": "info" if notice.kind is NoticeKind.PASSED else _SEVERITY.get(notice.level, "error"),
        "timestamp": rfc3339(notice.at_ms),
        "component": notice.check,
        "group": notice.service,
        "class": notice.level.name,
        "custom_details": _details(notice),
    }
    return {name: value for name, value in told.items() if value}


def _details(notice: Notice) -> Mapping[str, object]:
    named = {name.lower(): text for name, text in facts(replace(notice, labels={}))}
    return {**named, "labels": notice.labels, "evidence": notice.evidence}


RECEIVER = Pagerduty
