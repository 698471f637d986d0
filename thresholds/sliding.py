"""The values of the last while, each let go again: what they come to, at any moment. Pure.

Numbers lie in arrays (16 bytes a value, 24 while ranks are asked for), because thousands of checks keep a few of these
each. Nothing remains of a value that went, not even a rounding error: what is said depends on the values held, not on
the past.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort

from thresholds.sketch import from_units, in_units, rank_of, stand_in

LARGEST = 1 << 16  # values held at once, a week of runs every 10 s and more; the oldest go first
_WORTH_CLEARING = 32  # values gone: moving the rest up for fewer costs more than keeping them


class Sliding:
    """Values in order of time. Instants never go back, except by `hold_back`.

    `high` is how many of them may be worth a look. Mostly that says enough.
    """

    __slots__ = ("_first", "_times", "_values", "high")

    def __init__(self) -> None:
        self.high = 0
        self._times = array("q")
        self._values = array("d")
        self._first = 0  # those before it are gone

    @property
    def count(self) -> int:
        return len(self._times) - self._first

    def take(self, at_ms: int, value: float) -> None:
        """Hold a value, and as many as may be held."""
        times = self._times
        if len(times) >= LARGEST and self.count >= LARGEST:
            self.let_go(times[self._first])
        times.append(at_ms)
        self._values.append(value)
        self._came(value)

    def let_go(self, upto_ms: int) -> None:
        """Without what was taken at this instant or before."""
        times, first, held = self._times, self._first, len(self._times)
        if first == held or times[first] > upto_ms:
            return
        while first < held and times[first] <= upto_ms:
            self._went(self._values[first])
            first += 1
        if first >= _WORTH_CLEARING and 2 * first >= held:
            del times[:first], self._values[:first]
            first = 0
            self._cleared()
        self._first = first

    def hold_back(self, at_ms: int) -> None:
        """Have no value be of later than this: the clock went back."""
        times = self._times
        for i in range(bisect_right(times, at_ms), len(times)):
            times[i] = at_ms

    def _came(self, value: float) -> None:
        raise NotImplementedError

    def _went(self, value: float) -> None:
        raise NotImplementedError

    def _cleared(self) -> None:
        """As many values went as are held, at least: what is done now costs each of them a little."""


class Summed(Sliding):
    """A sum that slides: kept as an integer, so that what was added can be taken off again without a trace.

    High are values above 0: where there are none, neither the sum nor the mean is.
    """

    __slots__ = ("_units",)

    def __init__(self) -> None:
        super().__init__()
        self._units = 0

    def _came(self, value: float) -> None:
        if value:
            self._units += in_units(value)
            self.high += value > 0

    def _went(self, value: float) -> None:
        if value:
            self._units -= in_units(value)
            self.high -= value > 0

    @property
    def total(self) -> float:
        return from_units(self._units)

    @property
    def mean(self) -> float | None:
        return from_units(self._units, self.count) if self.count else None


class Ranked(Sliding):
    """Quantiles that slide: those that a Sketch of the same values would give, at a fraction of its cost.

    High are values at `bar` or above. Values are put in order when their ranks are asked for, and kept so for a while.
    """

    __slots__ = ("_asked", "_bar", "_middle", "_ordered")

    def __init__(self, bar: float = math.inf) -> None:
        super().__init__()
        self._asked = self._middle = 0.0  # the value that a quantile was last, and what stands for it
        self._bar = bar
        self._ordered: array[float] | None = None

    @property
    def ordered(self) -> array[float]:
        """The values, the least first."""
        if self._ordered is None:
            self._ordered = array("d", sorted(self._values[self._first :]))
        return self._ordered

    def _came(self, value: float) -> None:
        if value >= self._bar:
            self.high += 1
        if self._ordered is not None:
            insort(self._ordered, value)

    def _went(self, value: float) -> None:
        if value >= self._bar:
            self.high -= 1
        if self._ordered is not None:
            del self._ordered[bisect_left(self._ordered, value)]

    def _cleared(self) -> None:
        self._ordered = None

    @property
    def least(self) -> float | None:
        return self.ordered[0] if self.ordered else None

    @property
    def most(self) -> float | None:
        return self.ordered[-1] if self.ordered else None

    def quantile(self, q: float) -> float | None:
        """The value that stands for the bucket of the quantile, within the extremes; q above 0 and below 1."""
        ordered = self._ordered if self._ordered is not None else self.ordered
        if not ordered:
            return None
        value = ordered[rank_of(q, len(ordered))]
        if value != self._asked:  # the same is asked for again and again while runs come and go on either side of it
            self._asked, self._middle = value, stand_in(value)
        return min(max(self._middle, ordered[0]), ordered[-1])
