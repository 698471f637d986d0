"""What a failing run saw, as people need it to see the failure again. Values; bounded, and without secrets.

It is put together by checks.core.gather, and only once a run has failed.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec

LARGEST = 16384  # bytes of all of it, as JSON
BEGINNING = 4096  # bytes of a body
CUT = "…"  # what was cut off ends with it: the Redactor then looks for the beginning of a secret there


class Form(StrEnum):
    """How bytes are written down."""

    TEXT = "text"
    BASE64 = "base64"
    HIDDEN = "hidden"  # they are not: the content says why


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of bytes that went over the wire: as text where they are some."""

    form: Form
    content: str
    type: str = ""  # what they are, as far as that was said
    size: int = 0  # bytes, as far as they came
    cut: bool = False  # there was more


@dataclass(frozen=True, slots=True)
class Tried:
    """An address that the target's name stands for, and what came of it."""

    address: str
    outcome: str  # "connected", "not tried", "connection refused by 192.0.2.1:443"


@dataclass(frozen=True, slots=True)
class Presented:
    """A certificate as the server sent it. Its names are the first of those that it is for."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    fingerprint: str  # SHA-256, hex
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Redirected:
    """A request that was answered before the last one: with a redirect, mostly."""

    request: str  # "GET https://shop.example/"
    status: int
    location: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One failing run. Lines are as they went over the wire, but for secrets."""

    target: str = ""  # where the run ended: the last URL, or host:port
    kind: str = ""
    phase: str = ""  # that failed
    message: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)  # s, of those that ended
    opened: float = 0.0  # s for which the one that failed had lasted
    hops: tuple[Redirected, ...] = ()
    request: tuple[str, ...] = ()  # the request line and the headers
    sent: Sample | None = None  # the body, or what a check without requests sent
    answer: tuple[str, ...] = ()  # the status line and the headers
    received: Sample | None = None
    addresses: tuple[Tried, ...] = ()
    peer: str = ""  # who was reached, with the port
    local: str = ""  # from where
    tls: str = ""  # version, cipher, ALPN
    chain: tuple[Presented, ...] = ()  # leaf first
    again: str = ""  # a line for a shell that asks the same
    cut: bool = False  # something was shortened to keep all of it small


def to_json(evidence: Evidence) -> bytes:
    """What `of_json` reads. Never raises: half a character is a question mark."""
    try:
        return msgspec.json.encode(evidence)
    except UnicodeEncodeError:
        return msgspec.json.encode(clean(evidence))


def of_json(body: bytes) -> Evidence:
    """Raises msgspec.MsgspecError."""
    return _decoder.decode(body)


_decoder = msgspec.json.Decoder(Evidence)
_Plain = dict[str, Any]


def clean(evidence: Evidence) -> Evidence:
    """Fit to be encoded: with a question mark for each half of a character that stands alone."""
    phases = {_whole(name): seconds for name, seconds in evidence.phases.items()}
    return _mapped(replace(evidence, phases=phases), _whole, lambda sample: sample)


def _whole(text: str) -> str:
    return text.encode(errors="replace").decode()


def redacted(evidence: Evidence, redact: Callable[[str], str]) -> Evidence:
    """The same without secrets; the very same where there are none."""
    # Joined so that each is looked at as one that may have been cut off.
    together = CUT.join(_texts(msgspec.to_builtins(evidence))) + CUT
    if redact(together) == together and not _binary(evidence):
        return evidence
    return _mapped(evidence, redact, lambda sample: _without_secrets(sample, redact))


def _binary(evidence: Evidence) -> bool:
    return any(sample is not None and sample.form is Form.BASE64 for sample in (evidence.sent, evidence.received))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [text for part in parts for text in _texts(part)]


def _mapped(evidence: Evidence, change: Callable[[str], str], binary: Callable[[_Plain], _Plain]) -> Evidence:
    """With every text changed; `binary` changes a sample in base64."""
    return msgspec.convert(_changed(msgspec.to_builtins(evidence), change, binary), Evidence)


def _changed(value: Any, change: Callable[[str], str], binary: Callable[[_Plain], _Plain]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, (list, tuple)):
        return [_changed(part, change, binary) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("form") == Form.BASE64:
        return binary(value)
    return {key: part if key == "form" else _changed(part, change, binary) for key, part in value.items()}


def _without_secrets(sample: _Plain, redact: Callable[[str], str]) -> _Plain:
    form, content = of_bytes(b64decode(sample["content"]), redact)
    return sample | {"form": form.value, "content": content, "type": redact(sample["type"])}


def of_bytes(data: bytes, change: Callable[[str], str]) -> tuple[Form, str]:
    """Bytes that are no text, with the texts in them changed; hidden where that cannot be done."""
    text = data.decode("utf-8", "surrogateescape")
    found = change(text)
    dense = found.replace("\0", "")  # UTF-16 has its secrets with gaps
    if dense != found and change(dense) != dense:
        return Form.HIDDEN, "binary, with a secret in it"
    return Form.BASE64, b64encode(found.encode("utf-8", "surrogateescape")).decode()
