"""A Result as one line of JSON: for pipes, the store, and fixtures in tests."""

from __future__ import annotations

import msgspec

from checks.core.result import Result

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Result)


def encode(result: Result) -> bytes:
    """One line, without its line end."""
    return _encoder.encode(result)


def decode(line: bytes) -> Result:
    """The Result of a line; raises msgspec.ValidationError on anything else."""
    return _decoder.decode(line)
