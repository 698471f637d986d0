"""Our own event loop, watched: when it was blocked, latencies that we report may be ours."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from checks.core.poller import slice_end
from probe.clock import Clock
from probe.engine.contention import Contention

EVERY = 0.02  # s between two looks
TOLERANCE = 0.01  # s: a look that is later than this saw a blocked loop
_FADE = 0.95  # a look: a twentieth of it is left after a second
_KEPT = 512  # stalls remembered: runs look back as far as their own start only


class LagMeter:
    """Sleeps, looks at how late it woke, and remembers each stall as an interval on the monotonic clock."""

    def __init__(
        self,
        clock: Clock,
        observe: Callable[[float], None] = lambda _lag: None,
        waited: Callable[[], float] = float,
    ) -> None:
        """`observe` hears every lag. `waited` says for how long in all the kernel's network code has waited."""
        self._clock = clock
        self._contention = Contention(clock, waited)
        self._observe = observe
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._expected: float | None = None
        self.recent = 0.0  # s: the worst of about the last second, fading

    async def run(self) -> None:
        while True:
            asleep = self._clock.monotonic()
            self._expected = slice_end(asleep, EVERY)  # with whoever else wakes then: a wake-up costs more than a look
            await self._clock.sleep(self._expected - asleep)
            woke = self._clock.monotonic()
            lag = max(0.0, woke - self._expected)
            self._contention.look()
            self._observe(lag)
            self.recent = max(lag, self.recent * _FADE)
            if lag > TOLERANCE:
                # It began before the look was due: by as much as it was late, for want of knowing better.
                self._stalls.append((max(asleep, self._expected - lag), woke))

    def during(self, began: float, ended: float) -> float:
        """Seconds between two instants in which the loop was blocked, an estimate on the high side."""
        total = 0.0
        for stall_began, stall_ended in reversed(self._stalls):
            if stall_ended <= began:
                break
            total += max(0.0, min(ended, stall_ended) - max(began, stall_began))
        return total + self._ongoing(began, ended)

    def crowded(self, began: float, ended: float) -> float:
        """Seconds between two instants in which other programs kept the kernel from taking packets in."""
        return self._contention.during(began, ended)

    def at(self, instant: float) -> float:
        """Seconds for which the stall lasted, or lasts, that an instant lies in; 0.0 outside of one."""
        for began, ended in reversed(self._stalls):
            if began <= instant <= ended:
                return ended - began
            if ended < instant:
                break
        return self._ongoing(0.0, self._clock.monotonic())

    def _ongoing(self, began: float, ended: float) -> float:
        """The stall that the next look is going to see: a run may end in it, before the meter gets its turn."""
        if self._expected is None or self._clock.monotonic() - self._expected <= TOLERANCE:
            return 0.0
        lag = self._clock.monotonic() - self._expected
        return max(0.0, ended - max(began, self._expected - min(lag, EVERY)))
