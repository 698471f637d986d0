"""Links in messages that act: signed, for one person and one deed, until an instant. That they act once is the store's.

A link says nothing by itself: what it would do is in it, and a signature that only this service can make. Pure.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from exporters.alerting.incident import Incident, Status
from exporters.base import Notice, NoticeKind

LASTS_MS = 24 * 3_600_000
SNOOZE = 3600.0  # s
DEEDS: Mapping[str, str] = {"acknowledge": "Acknowledge", "snooze": "Snooze for 1 h", "resolve": "Resolve"}
ALL = "acknowledge all"  # the deed for the incidents of a message about several: `number` is 0, the notice says which
ALL_WORDS = "Acknowledge all"
_SIGNED = 24  # bytes of a signature
_LONGEST = 1500


@dataclass(frozen=True, slots=True)
class Link:
    """What a link does, for whom, and until when."""

    deed: str
    number: int  # of the incident; 0 where it is about all of a message
    who: str
    expires_ms: int
    nonce: str  # of the notice that it stands in: each message has links of its own
    via: str = ""  # the channel that many read, where nobody knows who follows it; "" where `who` is a person

    @property
    def digest(self) -> bytes:
        """What it is remembered by once it was used."""
        return sha256(msgspec.json.encode(self)).digest()


def _somebody(channel: str) -> str:
    return f"somebody in {channel}"


def taker(link: Link, incident: Incident) -> str:
    """Who takes an incident by a link. Where no name is said in a channel it is confirmed for whoever took it there."""
    theirs = incident.status is Status.ACKNOWLEDGED and link.via != "" and incident.acked_via == link.via
    return incident.acked_by if theirs and link.who == _somebody(link.via) else link.who


def by(link: Link, name: str) -> Link:
    """The link as somebody follows it who says a name: nobody can tell whether it is theirs, so it says how it came."""
    return replace(link, who=f"{name}, by a link of {link.via}") if name and link.via else link


class LinkError(Exception):
    """The link is none of ours, or too old. One line."""


def signed(link: Link, key: bytes) -> str:
    """The text of a link: letters, digits, - and _ and a dot."""
    body = msgspec.json.encode(link)
    return f"{_text(body)}.{_text(_signature(body, key))}"


def read(text: str, key: bytes, now_ms: int) -> Link:
    """What a link is for. Raises LinkError."""
    body, signature = _parts(text)
    if not key or not hmac.compare_digest(signature, _signature(body, key)):
        raise LinkError("this link was not made here, or is not whole")
    try:
        link = msgspec.json.decode(body, type=Link)
    except msgspec.MsgspecError:
        raise LinkError("this link was made by another version") from None
    if now_ms >= link.expires_ms:
        raise LinkError("this link has expired")
    return link


def _parts(text: str) -> tuple[bytes, bytes]:
    body, _, signature = text[:_LONGEST].partition(".")
    try:
        return _bytes(body), _bytes(signature)
    except (binascii.Error, ValueError):
        raise LinkError("this link was not made here, or is not whole") from None


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"link\n" + body, "sha256")[:_SIGNED]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def actions(notice: Notice, receiver: str, url: str, key: bytes) -> dict[str, str]:
    """The links of a notice for one receiver, by their words; none where nothing is to be done."""
    if not url or not notice.firing or notice.kind is NoticeKind.BULLETIN:
        return {}
    person, _, contact = receiver.partition("/")
    who, via = (person, "") if contact else (_somebody(receiver), receiver)
    if not notice.number:
        several = Link(ALL, 0, who, notice.at_ms + LASTS_MS, notice.id, via)
        return {ALL_WORDS: f"{url}/act/{signed(several, key)}"} if notice.numbers else {}
    # Whoever acknowledged is reminded by a message like any other that it lasts: there it can be confirmed.
    taken = notice.acked_by and notice.kind is not NoticeKind.REPEATED
    deeds = [deed for deed in DEEDS if not (taken and deed == "acknowledge")]
    return {
        DEEDS[deed]: f"{url}/act/{signed(Link(deed, notice.number, who, notice.at_ms + LASTS_MS, notice.id, via), key)}"
        for deed in deeds
    }
