"""What scanners send to a port that is open: told in a line now and then, never as a mistake of ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aiohttp.http_exceptions import HttpProcessingError

from exporters.message import one_line

_EVERY = 60.0  # s between two lines
_LONGEST = 120  # characters of what was wrong


class Scanners(logging.Filter):
    """One line a minute about requests that are none, with how many there were; broken connections are no news."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._next = monotonic()
        self._untold = 0

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError):
            return False
        if not isinstance(error, HttpProcessingError):
            return True
        self._untold += 1
        if (now := self._monotonic()) < self._next:
            return False
        more = f" ({self._untold} such since the last line)" if self._untold > 1 else ""
        said = one_line(_reason(error), _LONGEST)
        record.msg, record.args = "%s%s: %s", (record.getMessage(), more, said)
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.exc_info, record.exc_text = None, None
        self._untold, self._next = 0, now + _EVERY
        return True


def _reason(error: HttpProcessingError) -> str:
    """Why it is no request; without what was sent, which may be anything, a key too."""
    words = error.message.strip().split("\n")[0].partition(":")[0].partition(" b'")[0].strip()
    return words or type(error).__name__


def server_log() -> logging.Logger:
    """The log of a server that begins to take requests apart."""
    log = logging.getLogger("probe.web.server")
    log.filters[:] = [Scanners()]
    return log
