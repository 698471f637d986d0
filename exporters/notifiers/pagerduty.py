"""PagerDuty, by its Events API v2: one alert per incident, opened by its key and resolved by the same.

What is about no incident is a change event: it stands in the service's timeline and notifies nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field, SecretStr

from exporters.answer import accept
from exporters.base import Notice, NoticeKind, Post, Response
from exporters.message import clip, facts, fitted, headline, lede, links, members, rfc3339, summary, tidy
from exporters.receiver import Address, Receiver, hidden_parts, host_of
from thresholds.base import Level

_EVENTS = "https://events.pagerduty.com/v2/enqueue"
# Source: PagerDuty's developer documentation, Events API v2, "Send an Alert Event" and "Size Limits".
_KEY, _SUMMARY, _LIMIT = 255, 1024, 500_000  # bytes, characters, bytes (512 KB)
_SEVERITY = {Level.DOWN: "critical", Level.DEGRADED: "warning"}
# By default PagerDuty notifies with high urgency for the first two of its four severities, and low for the others.
_URGENT = {Level.DOWN: "critical", Level.DEGRADED: "error"}
_CALM = {"ticket": "warning", "log": "info"}
Event = Mapping[str, object]
_ALERTS, _CHANGES = "/enqueue", "/change/enqueue"


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
        """Trigger, acknowledge or resolve; a PASSED notice triggers and resolves, the one after the other.

        An alert that was never triggered cannot be resolved, and nothing but a trigger leaves a trace in PagerDuty. It
        goes out as `info`, which a service can be told to page nobody for.
        """
        notice = tidy(notice)
        url, key = self.url.get_secret_value(), self.routing_key.get_secret_value()
        if notice.kind is NoticeKind.BULLETIN:
            await self._post(changes_url(url), notice, lambda shorter: change_event(shorter, key), post)
            return
        for action in _actions(notice):
            await self._post(url, notice, partial(event, action, routing_key=key), post)

    async def _post(self, url: str, notice: Notice, make: Callable[[Notice], Event], post: Post) -> None:
        key = self.routing_key.get_secret_value()
        body = fitted(notice, _LIMIT, lambda shorter: msgspec.json.encode(make(shorter)))
        response = await post(url, body, {"Content-Type": "application/json"})
        accept(response, f"pagerduty {host_of(url)}", (key, *hidden_parts(url)), gone=_key_is_dead)


def _key_is_dead(response: Response) -> bool:
    """How a well-formed key is refused whose integration was deleted, or never was."""
    return response.status == 400 and "invalid routing key" in response.text.lower()


def changes_url(url: str) -> str:
    """Where change events go, beside the events that alert."""
    return url.removesuffix(_ALERTS).rstrip("/") + _CHANGES


def _actions(notice: Notice) -> tuple[str, ...]:
    match notice.kind:
        case NoticeKind.RESOLVED:
            return ("resolve",)
        case NoticeKind.PASSED:
            return ("trigger", "resolve")
        case NoticeKind.ACKNOWLEDGED:
            return ("acknowledge",)
        case _ if notice.acked_by:  # told of both at once: without the trigger there is nothing to acknowledge
            return ("trigger", "acknowledge")
        case _:
            return ("trigger",)


def dedup_key(notice: Notice) -> str:
    """`<instance>/<incident>`: one alert per incident, also of two Probes. A long one ends in its digest."""
    key = f"{notice.instance}/{notice.incident}"
    if len(key.encode()) <= _KEY:
        return key
    digest = sha256(key.encode()).hexdigest()
    return f"{key.encode()[: _KEY - len(digest) - 1].decode(errors='ignore')}#{digest}"


def event(action: str, notice: Notice, routing_key: str) -> Event:
    """An event as the API takes it. A resolve carries its payload too: it becomes the line in the alert's log."""
    told = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(notice),
        "client": f"Probe {notice.instance}".strip(),
        "client_url": notice.link,
        "links": _links(notice),
        "payload": _payload(notice),
    }
    return {name: value for name, value in told.items() if value}


def change_event(notice: Notice, routing_key: str) -> Event:
    """What the service's timeline shows of a bulletin. Source: the same documentation, "Send a Change Event"."""
    told = {
        "summary": clip(headline(notice), _SUMMARY),
        "source": f"Probe {notice.instance}".strip(),
        "timestamp": rfc3339(notice.at_ms),
        "custom_details": _details(notice),
    }
    return {"routing_key": routing_key, "payload": told, "links": _links(notice)}


def _links(notice: Notice) -> list[Mapping[str, str]]:
    return [{"href": url, "text": words} for words, url in links(notice)]


def _severity(notice: Notice) -> str:
    if notice.kind is NoticeKind.PASSED:
        return "info"
    if notice.severity == "page":
        return _URGENT.get(notice.level, "error")
    return _CALM.get(notice.severity) or _SEVERITY.get(notice.level, "error")


def _payload(notice: Notice) -> Mapping[str, object]:
    told = {
        "summary": clip(summary(notice), _SUMMARY),
        "source": notice.target or notice.check or f"Probe {notice.instance}".strip(),
        "severity": _severity(notice),
        "timestamp": rfc3339(notice.at_ms),
        "component": notice.check,
        "group": notice.service,
        "class": notice.level.name,
        "custom_details": _details(notice),
    }
    return {name: value for name, value in told.items() if value}


def _details(notice: Notice) -> Mapping[str, object]:
    named = {name.lower(): text for name, text in facts(replace(notice, labels={}))}
    name, prose = lede(notice)
    listed = {
        "text": "" if name else prose,
        "members": members(notice),
        "labels": notice.labels,
        "evidence": notice.evidence,
    }
    return {**named, **{name: told for name, told in listed.items() if told}}


RECEIVER = Pagerduty
