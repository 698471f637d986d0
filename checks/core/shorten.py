"""Evidence made to fit: what can be longest is shortened first, until all of it is small enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import msgspec

from checks.core.evidence import BEGINNING, CUT, LARGEST, Evidence, Form, Presented, Sample, clean, to_json

# Bytes as JSON, of which a share is left at each step.
_RECEIVED = 2 * BEGINNING
_SENT = 2048
_LINES = 6144
_AGAIN = 3072
_TEXT = 512
_SHARES = (1.0, 0.6, 0.3, 0.1, 0.02)

T = TypeVar("T")


def fitted(evidence: Evidence) -> Evidence:
    """In at most LARGEST bytes of JSON."""
    evidence = clean(evidence)
    for share in _SHARES:
        if len(to_json(evidence)) <= LARGEST:
            break
        evidence = _shortened(evidence, share)
    return evidence


def _shortened(evidence: Evidence, share: float) -> Evidence:
    return replace(
        evidence,
        target=_text(evidence.target, _TEXT),
        message=_text(evidence.message, _TEXT),
        phases=dict(list(evidence.phases.items())[:20]),
        hops=_first(evidence.hops, round(10 * share)),
        request=_lines(evidence.request, round(_LINES * share)),
        sent=_sample(evidence.sent, round(_SENT * share)),
        answer=_lines(evidence.answer, round(_LINES * share)),
        received=_sample(evidence.received, round(_RECEIVED * share)),
        addresses=_first(evidence.addresses, max(1, round(16 * share))),
        chain=tuple(_presented(one, share) for one in _first(evidence.chain, max(1, round(6 * share)))),
        again=evidence.again if _size(evidence.again) <= _AGAIN * share else "",
        cut=True,
    )


def _first(values: tuple[T, ...], count: int) -> tuple[T, ...]:
    return values[:count]


def _presented(one: Presented, share: float) -> Presented:
    return replace(one, names=_first(one.names, max(1, round(10 * share))))


def _lines(lines: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The first lines, and how many more there were."""
    kept: list[str] = []
    for line in lines:
        limit -= _size(line)
        if limit < 0:
            return (*kept, f"{CUT} {len(lines) - len(kept)} more lines")
        kept.append(line)
    return lines


def _sample(sample: Sample | None, limit: int) -> Sample | None:
    if sample is None or _size(sample.content) <= limit:
        return sample
    if sample.form is Form.BASE64:
        return replace(sample, content=sample.content[: limit // 4 * 4], cut=True)
    return replace(sample, content=_text(sample.content, limit), cut=True)


def _text(text: str, limit: int) -> str:
    """The beginning of a text, in so many bytes as JSON."""
    while (size := _size(text)) > limit:
        text = text[: max(0, len(text) * limit // size - 4)] + CUT
    return text


def _size(text: str) -> int:
    return len(msgspec.json.encode(text)) + 1
