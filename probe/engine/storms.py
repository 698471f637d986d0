"""Whether so many incidents begin that they are told as one."""

from __future__ import annotations

import logging
from collections import deque

log = logging.getLogger("probe.engine.dispatch")  # as all that is decided about incidents

_MINUTE_MS = 60_000
_CALM_MS = 300_000  # without a new incident, after which a storm is over


class Storms:
    """Counts incidents as they are opened."""

    def __init__(self) -> None:
        self._opened: deque[int] = deque(maxlen=10_000)  # when, of late
        self._current = ""  # the storm that new incidents are part of; "" in calm
        self._calm_ms = 0  # when the last incident was opened that is no part of the last minute

    def opened(self, at_ms: int) -> None:
        self._opened.append(at_ms)

    def load(self, opened_ms: list[int], storm: str, now_ms: int) -> None:
        """Go on with incidents that were opened before, and with the storm that was told of, if they are of late."""
        self._opened.extend(at_ms for at_ms in opened_ms if at_ms > now_ms - _CALM_MS)
        if storm and self._opened:
            self._current = storm

    def now(self, over: int, now_ms: int) -> str:
        """The storm that what begins now is part of, which may begin with it; "" in calm.

        `over` so many new incidents a minute there is one; 0: never.
        """
        while self._opened and self._opened[0] <= now_ms - _MINUTE_MS:
            self._calm_ms = self._opened.popleft()
        if self._current and len(self._opened) <= 1 and self._calm_ms < now_ms - _CALM_MS:
            self._current = ""
        if over and len(self._opened) > over and not self._current:
            self._current = f"storm@{now_ms}"
            log.warning("%d new incidents within a minute: they are told as one", len(self._opened))
        return self._current

    def shift(self, difference_ms: int) -> None:
        """The wall clock was set: what is remembered moves along."""
        self._opened = deque((at_ms + difference_ms for at_ms in self._opened), maxlen=self._opened.maxlen)
        self._calm_ms += difference_ms
