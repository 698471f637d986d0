"""A clock for what is only played: hours pass as fast as they are told to."""

from __future__ import annotations

from collections.abc import Callable


class PlayedClock:
    """A clock that goes as fast as it is told to: whoever sleeps moves it."""

    def __init__(self, at_ms: int) -> None:
        self._began_ms = self._now_ms = at_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return (self._now_ms - self._began_ms) / 1000

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def call_at(self, instant: float, callback: Callable[[], None]) -> Passed:
        self.pass_by(max(0.0, instant - self.monotonic()))
        callback()
        return Passed()

    def pass_by(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)


class Passed:
    """A timer of a played clock: it is over before anybody can cancel it."""

    def cancel(self) -> None:
        return
