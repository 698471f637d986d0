"""A Result as one line of JSON: for pipes, the store, and fixtures in tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from checks.core.evidence import clean
from checks.core.result import Result

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Result)


def encode(result: Result) -> bytes:
    """One line, without its line end, that `decode` takes, whatever a server made us write down: never raises.

    Of a float that is no number, or infinite, it says null.
    """
    try:
        return _encoder.encode(result)
    except (ValueError, TypeError):  # half a character, or no JSON at all: looked for only now
        return _encoder.encode(_plain(result))


def decode(line: bytes) -> Result:
    """The Result of a line, without what was no number in it; raises msgspec.ValidationError on anything else."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        return msgspec.convert(_without_nulls(msgspec.json.decode(line)), Result)


def _plain(result: Result) -> Result:
    """What can be said of a result in JSON."""
    failure = result.failure
    return replace(
        result,
        check=_text(result.check),
        phases=_said(result.phases),
        facts=_said(result.facts),
        failure=failure and replace(failure, phase=_text(failure.phase), message=_text(failure.message)),
        evidence=result.evidence and clean(result.evidence),
    )


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what JSON has no word for."""
    texts = {_text(name): _text(value) if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in texts.items() if _sayable(value)}


def _sayable(value: object) -> bool:
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _text(text: str) -> str:
    """With a question mark for each half of a character that stands alone."""
    return text.encode(errors="replace").decode()


def _without_nulls(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    kept = {name: _numbers(value) if name in ("phases", "facts") else value for name, value in said.items()}
    if kept.get("evidence") is not None:
        kept["evidence"] = _without_nulls(kept["evidence"])
    for length in ("duration", "opened"):
        if kept.get(length, 0.0) is None:
            kept[length] = 0.0
    return kept


def _numbers(values: Any) -> Any:
    return {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values
