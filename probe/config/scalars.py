"""What a plain word of YAML means: the core schema of YAML 1.2, not the guesses of 1.1.

`no`, `on` and `12:30:00` are texts, `0123` keeps its zero; only `true`, `null` and plain numbers are more than text.
Source: https://yaml.org/spec/1.2.2/#1032-tag-resolution
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
# Two ways off the core schema: a leading zero keeps a number a text (0123 is an identifier, not 123), and so do numbers
# that no JSON can carry (.inf, .nan, more than 18 digits).
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_BASED = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ZEROS = re.compile(r"[-+]?0[0-9]")
_LONGEST = 64  # characters of a number
_TAG = "tag:yaml.org,2002:"


def plain(text: str) -> Scalar:
    """The value of a scalar without quotes and without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-." or len(text) > _LONGEST or _ZEROS.match(text):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not text.strip("+-").isdigit() and math.isfinite(number := float(text)):
        return number
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag (`!!str 5`). Raises ValueError for what it cannot be."""
    if tag in {"!", _TAG + "str"}:
        return text
    value = plain(text)
    wanted = _KINDS.get(tag.removeprefix(_TAG))
    if wanted is None:
        raise ValueError(f"tag {tag.replace(_TAG, '!!')} is not known here")
    if not wanted(value):
        raise ValueError(f"this is no {tag.replace(_TAG, '!!')}")
    return value


_KINDS: dict[str, Callable[[Scalar], bool]] = {
    "int": lambda value: type(value) is int,
    "float": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
