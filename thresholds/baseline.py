"""Thresholds against what is usual: `baseline(ttfb): {degraded: 4 mad}`. Pure.

Time is judged in buckets, by the 95th percentile of their good runs. What is unusual is worth a look, not a night: it
degrades a check and is never DOWN. docs/decisions/0010-baselines.md says why it is judged as it is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from checks.core.units import format_duration
from thresholds.base import BaselineThreshold, Level
from thresholds.gathered import Gathered, Hour
from thresholds.past import Why, nothing
from thresholds.profile import HOUR_MS, REACH, SLACK, History, Profile, Stage, slot_of
from thresholds.spans import Span

MIN_SAMPLES = 5  # fewer values of a bucket or an hour say nothing by themselves
_DOWN_TIME = 2, 0.1  # failed runs, and their share, from which on an hour was no usual one
_MOST = 700.0  # e to the power of this is about as large as a float can be


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual at some hour."""

    median: float  # s
    factor: float  # by which one (scaled) MAD is more: 1.07 is 7 %
    limit: float  # s, beyond which it is unusual
    stage: Stage  # what it is learned from


class Finding(Enum):
    """What a bucket says. One without runs, with failed ones alone, or in maintenance says nothing."""

    OVER = auto()
    MAYBE = auto()  # over, by too few values: nothing begins with it, nothing ends
    BACK = auto()  # or with nothing to compare it with


@dataclass(frozen=True, slots=True)
class _Judged:
    """A bucket that is over, and what it says."""

    number: int
    finding: Finding
    value: float
    usual: Usual | None


def _never(_: Span) -> bool:
    return False


class Baseline:
    """The hours of five weeks of one check, the bucket that is under way, and what the last ones said.

    After a restart `restore` with the hours since `needs()[0]`, then `take` the runs since `needs()[1]`: from then on
    it judges as if it had always run. `planned` says whether maintenance touches a span: it teaches nothing, and is
    not judged. A clock that goes back by up to an hour makes runs count for the bucket under way; one that goes back
    further begins a new one.
    """

    __slots__ = (
        *("_bucket", "_bucket_ms", "_history", "_hour", "_hour_number", "_judged", "_number", "_over", "_planned"),
        *("_since_ms", "_until_ms", "_back", "_why", "threshold"),
    )

    def __init__(self, threshold: BaselineThreshold, planned: Callable[[Span], bool] = _never) -> None:
        self.threshold = threshold
        self._planned = planned
        self._history = History(threshold.zone)
        self._bucket_ms = round(threshold.bucket * 1000)
        self._hour = Gathered()
        self._bucket = self._hour if self._bucket_ms == HOUR_MS else Gathered()
        self._hour_number = self._number = 0  # of what is under way, since 1970
        self._since_ms = self._until_ms = 0  # while this is so, neither ends
        self._judged: deque[_Judged] = deque(maxlen=threshold.buckets)
        self._over = self._back = False
        self._why = ""

    @property
    def name(self) -> str:
        return self.threshold.name

    @property
    def metric(self) -> str:
        return self.threshold.metric

    @property
    def stage(self) -> Stage:
        """What the hour under way is compared with."""
        return self._profile.stages[slot_of(self._hour_number, self.threshold.zone)]

    @property
    def learned(self) -> int:
        """How many hours of the last five weeks it has learned from, of 840."""
        return self._profile.hours

    def usual(self, at_ms: int) -> Usual | None:
        """What is usual, as far as is known now, at the hour of the week of an instant; None while that is learned."""
        return _usual(self.threshold, self._profile, at_ms)

    @property
    def _profile(self) -> Profile:
        return self._history.before(self._hour_number)

    def needs(self, at_ms: int) -> Span:
        """From when on hours are needed after a restart, and from when on runs: the hours before those are enough."""
        first = at_ms
        if self._bucket is not self._hour:
            first = (at_ms // self._bucket_ms - self.threshold.buckets) * self._bucket_ms
        hour = first // HOUR_MS
        return (hour - REACH - SLACK) * HOUR_MS, hour * HOUR_MS

    def restore(self, hours: Iterable[Hour]) -> None:
        """Learn from whole hours that are over, in their order."""
        last: deque[Hour] = deque(maxlen=self.threshold.buckets)
        for hour in hours:
            self._learn(hour)
            last.append(hour)
        if last:
            self._hour_number = last[-1].at_ms // HOUR_MS + 1
        if self._bucket is self._hour:
            for hour in last:
                self._find(hour.at_ms // HOUR_MS, hour)

    def take(self, at_ms: int, value: float | None, failed: bool) -> None:
        """Count a run in, and judge what is over."""
        if not self._since_ms <= at_ms < self._until_ms:
            self._move(at_ms)
        bucket, hour = self._bucket, self._hour
        bucket.take(value, failed)
        if hour is not bucket:
            hour.take(value, failed)

    def judge(self, current: Level) -> tuple[Level, str]:
        """`weigh`, in words."""
        level, why = self.weigh(current)
        return level, why()

    def weigh(self, current: Level) -> tuple[Level, Why]:
        """DEGRADED when so many buckets in a row are over, and from then on until as many are back; and why.

        What follows a time that says nothing is back at the first bucket that is.
        """
        if self._over or (current.bad and not self._back):
            return Level.DEGRADED, partial(str, self._why) if self._why else nothing
        return Level.UP, nothing

    def _move(self, at_ms: int) -> None:
        """Go on to the bucket and the hour of an instant."""
        if self._since_ms - HOUR_MS <= at_ms < self._since_ms:
            return  # the clock went back a little
        hour, number = at_ms // HOUR_MS, at_ms // self._bucket_ms
        if at_ms < self._since_ms:
            self._judged.clear()
            self._hour.clear()
            self._bucket.clear()
        if number != self._number:
            self._find(self._number, self._bucket.hour(self._number * self._bucket_ms))
        if hour != self._hour_number:
            self._learn(self._hour.hour(self._hour_number * HOUR_MS))
            self._hour.clear()
        if number != self._number:
            self._bucket.clear()
        self._hour_number, self._number = hour, number
        self._since_ms = max(hour * HOUR_MS, number * self._bucket_ms)
        self._until_ms = min((hour + 1) * HOUR_MS, (number + 1) * self._bucket_ms)
        self._stand()

    def _learn(self, hour: Hour) -> None:
        """Keep an hour that was a usual one."""
        least, share = _DOWN_TIME
        if hour.value is None or hour.measured < MIN_SAMPLES or hour.failures >= max(least, share * hour.runs):
            return
        if not self._planned((hour.at_ms, hour.at_ms + HOUR_MS)):
            self._history.learn(hour.at_ms // HOUR_MS, hour.value)

    def _find(self, number: int, bucket: Hour) -> None:
        """Judge a bucket that is over by what was known when its hour began."""
        if bucket.runs == bucket.failures or self._planned((bucket.at_ms, bucket.at_ms + self._bucket_ms)):
            return
        usual, finding, value = None, Finding.BACK, bucket.value
        if value is not None:
            usual = _usual(self.threshold, self._history.before(bucket.at_ms // HOUR_MS), bucket.at_ms)
            if usual is not None and value > usual.limit:
                finding = Finding.OVER if bucket.measured >= MIN_SAMPLES else Finding.MAYBE
        self._judged.append(_Judged(number, finding, value or 0.0, usual))

    def _stand(self) -> None:
        """What the buckets before the one under way come to. It says the same after a restart: no others enter."""
        first = self._number - self.threshold.buckets
        row = [one for one in self._judged if first <= one.number < self._number]
        findings = [one.finding for one in row]
        self._over = findings == [Finding.OVER] * self.threshold.buckets
        self._back = bool(row) and set(findings) == {Finding.BACK}
        self._why = self._reason(row[-1] if row else None)

    def _reason(self, last: _Judged | None) -> str:
        threshold = self.threshold
        length = f"{threshold.buckets} x {format_duration(threshold.bucket)} in a row"
        if last is None or last.usual is None:
            return f"{threshold.name} was over what is usual, and little is known since"
        seen, limit, usual = map(format_duration, (last.value, last.usual.limit, last.usual.median))
        if last.finding is Finding.BACK:
            return f"{threshold.name} {seen} is within {limit}, but not yet {length}"
        known = f"{usual} is usual ({last.usual.stage})"
        return f"{threshold.name} {seen} is over {limit}{f', {length}' * self._over}; {known}"


def _usual(threshold: BaselineThreshold, profile: Profile, at_ms: int) -> Usual | None:
    slot = slot_of(at_ms // HOUR_MS, threshold.zone)
    centre, stage = profile.centres[slot], profile.stages[slot]
    if stage is Stage.LEARNING:
        return None
    median = math.exp(centre)
    limit = math.exp(min(centre + threshold.degraded * profile.scale, _MOST))
    limit = max(limit, median + threshold.floor, median * (1 + threshold.floor_ratio))
    return Usual(median, math.exp(min(profile.scale, _MOST)), limit, stage)
