"""What web APIs say in JSON, and what of it means that a receiver is gone. Bounded, and not upset by a cut answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from checks.core.redact import Redactor
from exporters.base import NotifyError, Response, Trouble
from exporters.message import one_line

_PAIR = re.compile(r'"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|true|false|null|-?\d+(?:\.\d+)?)')
_LONGEST_WAIT = 3600.0  # s
_SAID = 160  # characters of an answer that go into an error
Scalars = Mapping[str, str | int | float | bool | None]


def scalars(response: Response) -> Scalars:
    """The first value of every name in the answer, however deep it stands; empty where it is no JSON.

    The answers that are read so say what matters first, and then repeat the message. They may end anywhere, because
    no more than their beginning is kept: so nothing is parsed as a whole.
    """
    told: dict[str, str | int | float | bool | None] = {}
    if response.text.lstrip().startswith("{"):
        for name, value in _PAIR.findall(response.text):
            with suppress(ValueError):
                told.setdefault(name, json.loads(value))
    return told


def word(told: Scalars, name: str) -> str:
    """A value that is text, or nothing."""
    value = told.get(name)
    return value if isinstance(value, str) else ""


def wait(told: Scalars, name: str = "retry_after") -> float | None:
    """Seconds to wait, where the answer says so; at most an hour."""
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return min(float(value), _LONGEST_WAIT)


def dead(receiver: str, said: str, hidden: Iterable[str], kind: Trouble = Trouble.GONE) -> NotifyError:
    """The error of a receiver that will take nothing any more, with what it said of that."""
    return NotifyError(f"{receiver}: {short(said, hidden)}", gone=True, kind=kind)


def short(said: str, hidden: Iterable[str]) -> str:
    """What was said, as it can stand in an error."""
    return one_line(Redactor(hidden)(said), _SAID)
