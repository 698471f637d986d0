"""Any HTTP endpoint, told in JSON and signed as Standard Webhooks 1.0.0 says. docs/alerts.md has the payload."""

from __future__ import annotations

import binascii
import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from exporters.answer import accept, answered
from exporters.base import Notice, NoticeKind, Post
from exporters.message import fitted, headline, lede, rfc3339, seconds_lasted, summary, tidy
from exporters.prom_alerts import webhook_body
from exporters.receiver import Address, Headers, Receiver, hidden_parts, host_of, plain_headers

_LIMIT = 20_000  # bytes of a body: the standard asks for less than 20 kB
_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a key, as the standard has them
# 410 is how an endpoint unsubscribes, says the standard. A 404 may be a proxy's, while what is behind it starts anew.
_GONE = answered(410)


def signing_key(secret: str) -> bytes:
    """The bytes to sign with: what follows `whsec_` in base64, or a plain string as it stands."""
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        try:
            key = b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError(f"the secret is not base64 after {_PREFIX}") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"the secret has {len(key)} bytes, it must have {_SHORTEST} to {_LONGEST}; "
            f'make one with: echo "{_PREFIX}$(openssl rand -base64 32)"'
        )
    return key


def _checked(secret: SecretStr) -> SecretStr:
    plain = secret.get_secret_value().strip()
    signing_key(plain)
    return SecretStr(plain)


Secret = Annotated[SecretStr, AfterValidator(_checked)]
_TEXT = {"type": "string", "format": "password", "writeOnly": True}
Secrets = Annotated[
    tuple[Secret, ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, (str, SecretStr)) else given),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
]


class Webhook(Receiver):
    """An HTTP endpoint that takes incidents as JSON."""

    url: Address = Field(description="Where to POST. A secret: it is never shown.")
    secret: Secrets = Field(
        default=(),
        description="Key that the deliveries are signed with, `whsec_` and base64 of 24 to 64 bytes; or a list of "
        "keys while one is being replaced by another. Without it deliveries are not signed.",
    )
    headers: Headers = Field(default_factory=dict, description="Headers to send along, for example Authorization.")
    format: Literal["probe", "alertmanager"] = Field(
        default="probe",
        description="What the body is: Probe's own JSON, or what Alertmanager sends to its webhooks (version 4), for "
        "programs that take that. Signed all the same.",
    )

    @property
    def lifecycle(self) -> bool:
        return self.format == "alertmanager"

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when it was taken. What is about no incident has no form of Alertmanager's, and is left out there."""
        if self.lifecycle and notice.kind is NoticeKind.BULLETIN:
            return
        url = self.url.get_secret_value()
        body = fitted(tidy(notice), _LIMIT, self._body)
        keys = [signing_key(secret.get_secret_value()) for secret in self.secret]
        headers = {
            **plain_headers(self.headers),
            "Content-Type": "application/json",
            **signed(keys, message_id(notice), int(time.time()), body),
        }
        hidden = (*hidden_parts(url), *(value.get_secret_value() for value in (*self.headers.values(), *self.secret)))
        accept(await post(url, body, headers), f"webhook {host_of(url)}", hidden, gone=_GONE)

    def _body(self, notice: Notice) -> bytes:
        return msgspec.json.encode(webhook_body(notice, self.name)) if self.lifecycle else payload(notice)


def message_id(notice: Notice) -> str:
    """The notice's id as a header can carry it. It stays the same when the delivery is tried again.

    The standard asks for an id without full stops: they separate what is signed.
    """
    return quote(notice.id, safe="/@:").replace(".", "%2E")


def signed(keys: Sequence[bytes], identity: str, at: int, body: bytes) -> Mapping[str, str]:
    """The headers of a delivery, with one signature for each key. `at` is the attempt in Unix seconds."""
    text = f"{identity}.{at}.".encode() + body
    signatures = ["v1," + b64encode(hmac.digest(key, text, "sha256")).decode() for key in keys]
    signature = {"webhook-signature": " ".join(signatures)} if signatures else {}
    return {"webhook-id": identity, "webhook-timestamp": str(at), **signature}


def payload(notice: Notice) -> bytes:
    """One notice as JSON: the event's type, when it was decided, and everything known about it."""
    bulletin = notice.kind is NoticeKind.BULLETIN
    return msgspec.json.encode(
        {
            "type": "bulletin" if bulletin else f"incident.{notice.kind.value}",
            "timestamp": rfc3339(notice.at_ms),
            "data": _bulletin(notice) if bulletin else {**_incident(notice), **_handling(notice)},
        }
    )


def _bulletin(notice: Notice) -> Mapping[str, object]:
    return {
        "id": notice.id,
        "instance": notice.instance,
        "title": headline(notice),
        "text": lede(notice)[1],
        "link": notice.link,
        "why": notice.why,
    }


def _incident(notice: Notice) -> Mapping[str, object]:
    name, prose = lede(notice)
    return {
        "id": notice.id,
        "incident": notice.incident,
        "number": notice.number,
        "instance": notice.instance,
        "subject": notice.subject,
        "check": notice.check,
        "target": notice.target,
        "level": notice.level.name.lower(),
        "was": notice.was.name.lower() if notice.was.bad else None,
        "severity": notice.severity,
        "firing": notice.firing,
        "since": rfc3339(notice.since_ms),
        "ended": rfc3339(notice.ended_ms) if notice.ended_ms else None,
        "seconds": seconds_lasted(notice),
        "summary": summary(notice),
        "reason": notice.reason,
        "text": "" if name else prose,
        "count": notice.count,
        "members": notice.members,
    }


def _handling(notice: Notice) -> Mapping[str, object]:
    return {
        "acknowledged_by": notice.acked_by,
        "snoozed_until": rfc3339(notice.snoozed_ms) if notice.snoozed_ms else None,
        "resolved_by": notice.resolved_by,
        "again": notice.again,
        "recurrence": notice.recurrence,
        "changes": notice.changes,
        "service": notice.service,
        "owner": notice.owner,
        "runbook": notice.runbook,
        "bridge": notice.bridge,
        "link": notice.link,
        "actions": notice.actions,
        "why": notice.why,
        "labels": notice.labels,
        "evidence": notice.evidence,
    }


RECEIVER = Webhook
