"""What a receiver's answer means: taken, not now, never, or never anything again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime

from checks.core.redact import Redactor
from exporters.base import NotifyError, Response, Trouble
from exporters.message import one_line

# RFC 9110 and RFC 8470: come again later, RFC 6585: too many requests. All others below 500 need a change first.
_LATER = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600.0  # s; a receiver that asks for more is asked again all the same
_SAID = 160  # characters of an answer that go into an error
_TAG = re.compile(r"<[^>]*>")


Gone = Callable[[Response], bool]  # whether an answer means that the receiver takes nothing any more


def answered(*statuses: int) -> Gone:
    """The receiver is gone when it answers one of these."""
    return lambda response: response.status in statuses


_NEVER = answered()


def accept(response: Response, receiver: str, hidden: Iterable[str] = (), *, gone: Gone = _NEVER) -> None:
    """Return when the receiver took it; raise NotifyError with what it said otherwise.

    `receiver` names it for people; `hidden` is masked in case that its answer repeats it. `gone` is what the channel
    knows of answers that mean a dead address or a revoked key.
    """
    if 200 <= response.status < 300:
        return
    dead = gone(response)
    permanent = dead or (response.status < 500 and response.status not in _LATER)
    raise NotifyError(
        f"{receiver} {_words(response, hidden)}",
        permanent=permanent,
        retry_after=None if permanent else retry_after(response, time.time()),
        gone=dead,
        kind=Trouble.GONE if dead else trouble(response.status),
    )


_TROUBLES = {
    401: Trouble.AUTH,
    403: Trouble.AUTH,
    404: Trouble.GONE,
    408: Trouble.TIMEOUT,
    410: Trouble.GONE,
    429: Trouble.RATE,
}


def trouble(status: int) -> Trouble:
    """What metrics count a refusal as."""
    return _TROUBLES.get(status) or (Trouble.SERVER if status >= 500 else Trouble.REFUSED)


def _words(response: Response, hidden: Iterable[str]) -> str:
    if 300 <= response.status < 400:
        return f"answered {response.status}: redirects are not followed, configure the address that it leads to"
    said = one_line(_TAG.sub(" ", Redactor(hidden)(response.text)), _SAID)
    return f"answered {response.status}" + (f": {said}" if said else "")


def retry_after(response: Response, now: float) -> float | None:
    """Seconds to wait before the next attempt, at most an hour; None where nothing (readable) was said.

    `now` in Unix seconds. Source: RFC 9110 section 10.2.3, seconds or a date.
    """
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
