"""How values are distributed, in buckets that grow by 2.2 %: quantiles that can be merged and kept. Pure.

docs/decisions/0008-sketch.md says why these buckets, what they promise, and how they are written as bytes.
"""

from __future__ import annotations

import math
import struct
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

# Base-2 exponential buckets as in Prometheus' native histograms, schema 5: bucket k holds GAMMA^(k-1) < v <= GAMMA^k.
SCHEMA = 5
_PER_DOUBLING = 1 << SCHEMA
GAMMA = 2.0 ** (1 / _PER_DOUBLING)
ERROR = (GAMMA - 1) / (GAMMA + 1)  # 1.083 %: how far a bucket's middle is from its ends
ZERO = 2.0**-128  # values no further from 0 than this are 0; the zero bucket's default width in Prometheus

_BOUNDS = tuple(2.0 ** (i / _PER_DOUBLING - 1) for i in range(_PER_DOUBLING))
_MIDDLES = tuple(2 * bound / (GAMMA + 1) for bound in (*_BOUNDS, 1.0))
_ABOVE_ZERO = 128 * _PER_DOUBLING  # added to a key, so that slots of positive values begin at 1
_UNIT = 2**40  # sums are kept in whole units of 2^-40: integers add up to the same in any order

_LARGE = 1e100  # below it a value has units without more ado

_VERSION = 1
_ENDS = struct.Struct("<dd")
_LONGEST = 1 << 18  # bytes of a sketch that is read: all 73,729 buckets would fit
_LONGEST_NUMBER = 1400  # bits of one: 2^63 times the largest float, in units, has 1127


def key_of(value: float) -> int:
    """The bucket of a value above ZERO: ceil(log2(value) * 32), found by the bounds and not by a rounded logarithm."""
    fraction, exponent = math.frexp(value)
    return bisect_left(_BOUNDS, fraction) + (exponent - 1) * _PER_DOUBLING


def value_of(key: int) -> float:
    """The value that stands for a bucket: at most ERROR away from any in it."""
    doubling, step = divmod(key, _PER_DOUBLING)
    return math.ldexp(_MIDDLES[step], doubling + 1)


def upper_of(key: int) -> float:
    """The largest value that a bucket may hold."""
    doubling, step = divmod(key, _PER_DOUBLING)
    return sys.float_info.max if doubling >= 1024 else math.ldexp(_BOUNDS[step], doubling + 1)


def slot_of(value: float) -> int:
    """A value's place among all buckets, in the order of values: below 0 for negative ones, 0 for zero."""
    if value > ZERO:
        fraction, exponent = math.frexp(value)
        return bisect_left(_BOUNDS, fraction) + (exponent + 127) * _PER_DOUBLING
    if value < -ZERO:
        return -(key_of(-value) + _ABOVE_ZERO)
    return 0


def _slots_of(values: Iterable[float]) -> list[int]:
    """`slot_of` each of some values above ZERO: without a call for each it takes two thirds of the time."""
    return [
        bisect_left(_BOUNDS, fraction) + (exponent + 127) * _PER_DOUBLING
        for fraction, exponent in map(math.frexp, values)
    ]


def middle_of(slot: int) -> float:
    """The value that stands for a slot."""
    if slot > 0:
        return value_of(slot - _ABOVE_ZERO)
    return -value_of(-slot - _ABOVE_ZERO) if slot else 0.0


def stand_in(value: float) -> float:
    """What stands for a value: `middle_of` its `slot_of`, at once."""
    if -ZERO <= value <= ZERO:
        return 0.0
    fraction, exponent = math.frexp(abs(value))
    return math.copysign(math.ldexp(_MIDDLES[bisect_left(_BOUNDS, fraction)], exponent), value)


def rank_of(q: float, count: int) -> int:
    """Which of so many values in order is their quantile: the lower neighbour, floor(q * (count - 1)), counted from 0.

    So the largest of two values or more is never a percentile: one slow run alone crosses none.
    """
    return int(q * (count - 1))


class Sketch:
    """Counts of values by bucket, with their exact extremes and sum.

    Sketches of the same values are equal, byte for byte, whatever the order of adding and merging. A quantile is
    off by at most ERROR of its value; so are `count_upto` and `buckets` in where they draw the line.
    """

    __slots__ = ("_slots", "_sum", "count", "least", "most")

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._sum = 0  # in units
        self.count = 0
        self.least: float | None = None
        self.most: float | None = None

    def add(self, value: float, count: int = 1) -> None:
        """Take a value in, so many times. ValueError where it is not a finite number."""
        try:
            value = value + 0.0  # -0.0 becomes 0.0: which of them came first must not show
        except OverflowError:
            value = math.inf
        if not math.isfinite(value) or count < 1:
            raise ValueError(f"{value!r} counted {count} times: a sketch takes finite numbers, at least once")
        slot = slot_of(value)
        self._slots[slot] = self._slots.get(slot, 0) + count
        self._sum += in_units(value) * count
        self.count += count
        if self.least is None or value < self.least:
            self.least = value
        if self.most is None or value > self.most:
            self.most = value

    def extend(self, values: Iterable[float]) -> None:
        """Take many in, at two thirds of what `add` takes for each; all, or with a ValueError none."""
        known = list(values)
        if not known:
            return
        if not all(map(math.isfinite, known)):
            raise ValueError("a sketch takes finite numbers")
        slots, least, most = self._slots, min(known) + 0.0, max(known) + 0.0  # -0.0 becomes 0.0
        usual = least > ZERO and most < _LARGE
        get = slots.get
        for slot in _slots_of(known) if usual else map(slot_of, known):
            slots[slot] = get(slot, 0) + 1
        self._sum += sum([round(value * _UNIT) for value in known] if usual else map(in_units, known))
        self.count += len(known)
        self.least = least if self.least is None else min(self.least, least)
        self.most = most if self.most is None else max(self.most, most)

    def merge(self, other: Sketch) -> None:
        """Take in all that another holds."""
        if other.least is None or other.most is None:
            return
        slots = self._slots
        for slot, count in other._slots.items():
            slots[slot] = slots.get(slot, 0) + count
        self._sum += other._sum
        self.count += other.count
        self.least = other.least if self.least is None else min(self.least, other.least)
        self.most = other.most if self.most is None else max(self.most, other.most)

    @property
    def total(self) -> float:
        """The sum of all values, each rounded to 2^-40."""
        return from_units(self._sum)

    @property
    def mean(self) -> float | None:
        return from_units(self._sum, self.count) if self.count else None

    def quantile(self, q: float) -> float | None:
        """The value at `rank_of(q)`, q from 0 to 1; None where there are none."""
        return self.quantiles((q,))[0]

    def quantiles(self, several: Sequence[float]) -> list[float | None]:
        """As `quantile`, for several at the cost of one."""
        if not all(0 <= q <= 1 for q in several):
            raise ValueError(f"quantiles lie between 0 and 1, not at {', '.join(map(str, several))}")
        if self.least is None or self.most is None:
            return [None] * len(several)
        slots = sorted(self._slots)
        upto = list(accumulate(map(self._slots.__getitem__, slots)))
        found: list[float | None] = []
        for q in several:
            if q in {0, 1}:
                found.append(self.most if q else self.least)
            else:
                slot = slots[bisect_left(upto, rank_of(q, self.count) + 1)]
                found.append(min(max(middle_of(slot), self.least), self.most))
        return found

    def count_upto(self, value: float) -> int:
        """How many values are at most this one: as many as `quantile` would say are.

        The bucket that it falls into is counted whole or not at all, by which side of its middle it is on.
        """
        if self.least is None or self.most is None or value < self.least:
            return 0
        if value >= self.most:
            return self.count
        last = slot_of(value)
        if middle_of(last) > value:
            last -= 1
        return sum(count for slot, count in self._slots.items() if slot <= last)

    def buckets(self) -> list[tuple[float, int]]:
        """Each bucket that holds something, in order: (its upper bound, how many).

        They are those of a native histogram of schema 5: a positive one's index there is `key_of(bound)`, a
        negative one's `key_of(-bound) + 1`, and the one with the bound ZERO is the zero bucket.
        """
        return [(_upper(slot), self._slots[slot]) for slot in sorted(self._slots)]

    def encode(self) -> bytes:
        """All of it as bytes: 17 and a few for the sum, then one or two for a bucket with few values. See `decode`."""
        if self.least is None or self.most is None:
            return bytes([_VERSION])
        coded = bytearray([_VERSION])
        coded += _ENDS.pack(self.least, self.most)
        _put(coded, self._sum * 2 if self._sum >= 0 else -self._sum * 2 - 1)
        after = slot_of(self.least)
        for slot in sorted(self._slots):
            count = self._slots[slot]
            _put(coded, (slot - after) * 2 + (count > 1))
            if count > 1:
                _put(coded, count - 2)
            after = slot + 1
        return bytes(coded)

    @classmethod
    def decode(cls, raw: bytes) -> Sketch:
        """The sketch that `encode` made these bytes of. ValueError for any others.

        A version byte; the extremes as doubles; the sum in units (zigzag); then each bucket in order: how many empty
        ones lie before it, doubled, and 1 more where its count less 2 follows. Integers are varints, low bits first.
        """
        if not raw or raw[0] != _VERSION or len(raw) > _LONGEST:
            raise ValueError(f"no sketch that this version can read: {len(raw)} bytes, first {raw[:8].hex() or 'none'}")
        sketch = cls()
        if len(raw) > 1:
            sketch._fill(raw)
            sketch._check()
        return sketch

    def _fill(self, raw: bytes) -> None:
        if len(raw) < 1 + _ENDS.size:
            raise ValueError(f"a sketch that is cut off after {len(raw)} bytes")
        self.least, self.most = _ENDS.unpack_from(raw, 1)
        if not -math.inf < self.least <= self.most < math.inf:
            raise ValueError(f"a sketch of values from {self.least} to {self.most}")
        numbers = _numbers(raw, 1 + _ENDS.size)
        doubled = next(numbers, 0)
        self._sum = -(doubled + 1 >> 1) if doubled & 1 else doubled >> 1
        slot = slot_of(self.least) - 1
        for packed in numbers:
            slot += 1 + (packed >> 1)
            self._slots[slot] = next(numbers, -2) + 2 if packed & 1 else 1
        self.count = sum(self._slots.values())

    def _check(self) -> None:
        """Hold what was read against itself: no sketch has been these bytes where its parts do not agree."""
        assert self.least is not None
        assert self.most is not None
        slots = self._slots
        agree = bool(slots) and min(slots) == slot_of(self.least) and max(slots) == slot_of(self.most)
        agree = agree and 0 not in slots.values() and (self.count > 1 or self.least == self.most)
        agree = agree and in_units(self.least) * self.count <= self._sum <= in_units(self.most) * self.count
        if not agree or "-0.0" in {str(self.least), str(self.most)}:
            raise ValueError("a sketch whose counts, sum and extremes do not agree")


def in_units(value: float) -> int:
    """A value as a whole number of 2^-40, so that sums do not depend on their order."""
    try:
        return round(value * _UNIT)
    except OverflowError:
        return int(value) * _UNIT  # so large that it is whole


def from_units(units: int, count: int = 1) -> float:
    """A sum in units, shared among so many, as a float again."""
    try:
        return units / (_UNIT * count)
    except OverflowError:
        return math.inf if units > 0 else -math.inf


def _upper(slot: int) -> float:
    if slot > 0:
        return upper_of(slot - _ABOVE_ZERO)
    return -upper_of(-slot - _ABOVE_ZERO - 1) if slot else ZERO


def _put(coded: bytearray, number: int) -> None:
    while number > 0x7F:
        coded.append(number & 0x7F | 0x80)
        number >>= 7
    coded.append(number)


def _numbers(raw: bytes, start: int) -> Iterator[int]:
    """The varints from there to the end. ValueError where one is cut off, too long, or longer than need be."""
    number = shift = 0
    for byte in raw[start:]:
        if byte < 0x80:
            if shift and not byte:
                raise ValueError("a sketch with a number that is padded")
            yield number | byte << shift
            number = shift = 0
        else:
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > _LONGEST_NUMBER:
                raise ValueError("a sketch with a number that is too long")
    if shift:
        raise ValueError(f"a sketch that is cut off after {len(raw)} bytes")
