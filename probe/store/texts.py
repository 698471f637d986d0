"""Text and JSON that every database takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_encoder = msgspec.json.Encoder()


def to_text(text: str) -> str:
    """Text that every database takes: a lone surrogate from somebody's header must not stop the store."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_json(value: object) -> str:
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        return _encoder.encode(_clean(msgspec.to_builtins(value))).decode()


def _clean(value: object) -> object:
    if isinstance(value, str):
        return to_text(value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value
