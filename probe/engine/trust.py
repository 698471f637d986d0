"""Whether the wall clock is to be believed: one that is a year ahead must not delete a year, nor roll one up."""

from __future__ import annotations

import logging

from probe.clock import Clock

log = logging.getLogger(__name__)

_JUMP = 3_600_000  # ms that the wall clock may gain or lose against the monotonic one before it is doubted
_DOUBT = 86_400.0  # s for which it is; then the other time is the time


class WallTime:
    """The wall clock, held against the monotonic one."""

    def __init__(self, clock: Clock, consequence: str = "") -> None:
        self._clock = clock
        self._consequence = consequence  # said in the log when the clock jumps
        self._offset = self._wall_offset()
        self._doubted_since: float | None = None

    def trusted(self) -> bool:
        """Whether it goes with the monotonic clock, or has kept its new time for a day."""
        offset, now = self._wall_offset(), self._clock.monotonic()
        if abs(offset - self._offset) <= _JUMP:
            self._offset, self._doubted_since = offset, None  # a clock that is slewed is followed
            return True
        if self._doubted_since is None:
            if self._consequence:
                log.warning("the clock jumped: %s", self._consequence)
            self._doubted_since = now
        if now - self._doubted_since < _DOUBT:
            return False
        self._offset, self._doubted_since = offset, None
        return True

    def past_ms(self) -> int:
        """An instant that is over by all accounts, in Unix ms: the earlier one while the clock is doubted."""
        wall_ms = self._clock.now_ms()
        return wall_ms if self.trusted() else min(wall_ms, self._offset + round(self._clock.monotonic() * 1000))

    def _wall_offset(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic() * 1000)
