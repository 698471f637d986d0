"""Thresholds proposed from a check's own history, for a wanted rate of false alarms. Pure.

What was really wrong is found first, whatever any threshold says: outages (`replay.Failing`) and slow times, in which
the medians of five minutes lay far over what is usual. Then many candidates are tried on the same runs: how often each
would have told of nothing, and how soon of something. docs/tuning.md says how to read it.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from thresholds.base import Aggregate, Policy, Threshold, WindowThreshold
from thresholds.sketch import rank_of
from thresholds.spans import Span, union
from thresholds.track import LEAST, Track, Usual, percentiles

_BEFORE, _AFTER = 60.0, 300.0  # s before and after something was wrong in which an alert tells of it
_NEAR = 1.2, 15.0  # what is later than the best by no more than this share and these s is as good
_SPARE = 1.001  # a history of nearly a week is one of a week
_QUANTILES = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
_TIMES = (1.5, 2.0, 3.0, 5.0)  # the usual
_NEARLY = (0.8, 1.0, 1.25)  # what is slow
_RUNS = ((1, 1), (2, 2), (2, 3), (3, 5), (5, 10))
_WINDOWS = (300.0, 600.0, 1800.0, 3600.0)  # s
_Limits = TypeVar("_Limits", Threshold, WindowThreshold)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A threshold to try: a limit on runs, M of N of them; or on the 95th percentile of a window."""

    metric: str
    limit: float
    runs: tuple[int, int]  # M of N; of a window, for runs that fail
    over: float = 0.0  # s; 0: on runs

    @property
    def name(self) -> str:
        """As it is configured."""
        return f"p95({self.metric}) over {_length(self.over)}" if self.over else self.metric

    def policy(self, now: Policy) -> Policy:
        """The policy with this threshold in place of all that degrade on its metric. What says `down` stays."""
        runs: dict[str, Threshold | None] = {one.metric: self._rest(one) for one in now.thresholds}
        windows: dict[str, WindowThreshold | None] = {one.name: self._rest(one) for one in now.windows}
        if self.over:
            window = next(filter(self._same, now.windows), None)
            window = window or WindowThreshold(self.name, Aggregate.P95, self.metric, self.over, min_samples=LEAST)
            windows[window.name] = self._limited(window)
        else:
            run = next((one for one in now.thresholds if one.metric == self.metric), None)
            runs[self.metric] = self._limited(run or Threshold(self.metric))
        return replace(
            now,
            thresholds=tuple(one for one in runs.values() if one is not None),
            down_after=self.runs,
            windows=tuple(one for one in windows.values() if one is not None),
            baselines=tuple(one for one in now.baselines if one.metric != self.metric),
        )

    def _same(self, one: WindowThreshold) -> bool:
        """Whether it is the same window, however its length is written."""
        return (one.aggregate, one.metric, one.over) == (Aggregate.P95, self.metric, self.over)

    def _rest(self, one: _Limits) -> _Limits | None:
        if one.metric != self.metric:
            return one
        return None if one.down is None else replace(one, degraded=None)

    def _limited(self, one: _Limits) -> _Limits:
        """With this limit; `down` has to lie over it."""
        down = one.down if one.down is not None and one.down > self.limit else None
        return replace(one, degraded=self.limit, down=down, lower_is_worse=False)


def _length(seconds: float) -> str:
    return f"{seconds / 3600:g}h" if seconds >= 3600 else f"{seconds / 60:g}m"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a candidate would have told."""

    candidate: Candidate | None  # None: the policy in force
    alerts: int
    false: int  # at whose time nothing was wrong
    found: int  # of the times at which something was
    spells: int
    to_find: float | None  # s, in the middle of those that were found
    untold: float  # s, in the mean of all of them, until somebody was told, or until it was over
    weeks: float

    @property
    def alerts_a_week(self) -> float:
        return self.alerts / self.weeks if self.weeks else 0.0

    @property
    def false_a_week(self) -> float:
        return self.false / self.weeks if self.weeks else 0.0


def _ordered(values: Iterable[float]) -> list[float]:
    return sorted(value for value in values if not math.isnan(value))


def _limits(ordered: Sequence[float], normal: Usual) -> list[float]:
    if not ordered:
        return []
    shares = [ordered[rank_of(q, len(ordered))] for q in _QUANTILES]
    multiples = [normal.median * times for times in _TIMES] + [normal.slow * times for times in _NEARLY]
    return sorted({rounded(limit) for limit in (*shares, *multiples) if limit > normal.median})


def rounded(value: float) -> float:
    """Up to two digits that count: nobody writes 853.21 ms."""
    if value <= 0:
        return value
    power = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(value / power - 1e-9) * power, 9)


class Trial:
    """Candidates tried on the runs of a check. Windows are made once for all limits."""

    def __init__(self, track: Track, spells: Iterable[Span], now: Policy) -> None:
        self._track = track
        self._spells = union(spells)
        self._now = now
        self._windows: dict[float, array[float]] = {}
        self._gaps = _gaps(track, now.memory)
        before, after = (round(length * 1000) for length in (_BEFORE, _AFTER))
        self._reach = union((start - before, end + after) for start, end in self._spells)

    @property
    def spells(self) -> Sequence[Span]:
        return self._spells

    def candidates(self, normal: Usual, every: float) -> list[Candidate]:
        """What is worth a try: limits from how runs and windows are distributed, with each M of N and each window."""
        track, now = self._track, self._now
        known = _limits(_ordered(track.values), normal)
        found = [
            Candidate(track.metric, limit, runs) for runs in dict.fromkeys((*_RUNS, now.down_after)) for limit in known
        ]
        for over in _WINDOWS:
            if over >= LEAST * every:
                limits = _limits(_ordered(self._percentiles(over)), normal)
                found += [Candidate(track.metric, limit, now.down_after, over) for limit in limits]
        return found

    def _percentiles(self, over: float) -> array[float]:
        if over not in self._windows:
            self._windows[over] = percentiles(self._track, over)
        return self._windows[over]

    def outcome(self, candidate: Candidate) -> Outcome:
        return self.count(candidate, self.alarms(candidate))

    def count(self, candidate: Candidate | None, alarms: Sequence[Span]) -> Outcome:
        """What alarms, in order and apart, come to: each from when it was told until it was over.

        One that was told when nothing was wrong is false, however long it lasts, and finds nothing.
        """
        true = [alarm for alarm in alarms if _within(self._reach, alarm[0])]
        late = [_late(spell, true) for spell in self._spells]
        found = [ms / 1000 for ms in late if ms is not None]
        untold = [end - start if ms is None else ms for (start, end), ms in zip(self._spells, late, strict=True)]
        return Outcome(
            candidate,
            len(alarms),
            len(alarms) - len(true),
            len(found),
            len(late),
            median(found) if found else None,
            sum(untold) / 1000 / max(1, len(untold)),
            self._track.weeks,
        )

    def alarms(self, candidate: Candidate) -> list[Span]:
        """From when each alert is told until it is over, in order and apart."""
        track = self._track
        if not candidate.over:
            limit = candidate.limit
            pairs = zip(track.values, track.failed, strict=True)
            bad = [index for index, (value, failed) in enumerate(pairs) if failed or value > limit]
            return union(self._of_runs(bad, candidate.runs))
        failed_runs = [index for index, failed in enumerate(track.failed) if failed]
        slow = _of_window(track, self._percentiles(candidate.over), candidate.limit)
        return union([*self._of_runs(failed_runs, candidate.runs), *slow])

    def _of_runs(self, bad: Sequence[int], runs: tuple[int, int]) -> Iterator[Span]:
        """M of N bad ones begin an alarm, so many good ones in a row end it."""
        needed, of = runs
        back, ends = self._now.up_after, self._track.ends
        recent: deque[int] = deque()
        began = last = -1  # of an alarm: the run that it was told at, and its last bad one
        for index in bad:
            if began >= 0:
                if index - last <= back:
                    last = index
                    continue
                yield ends[began], ends[last + back]
                began = -1
                recent.clear()
            while recent and (recent[0] <= index - of or self._parted(recent[0], index)):
                recent.popleft()
            recent.append(index)
            if len(recent) >= needed:
                began = last = index
        if began >= 0:
            yield ends[began], ends[last + back] if last + back < len(ends) else ends[-1] + 1

    def _parted(self, one: int, other: int) -> bool:
        """Whether there was so long a time without runs between two that they do not count together."""
        return bisect_right(self._gaps, one) < bisect_right(self._gaps, other)


def _gaps(track: Track, memory: float) -> list[int]:
    """The runs before which there was none for long."""
    if not memory:
        return []
    times, most = track.times, memory * 1000
    return [index for index in range(1, len(times)) if times[index] - times[index - 1] > most]


def _of_window(track: Track, values: Sequence[float], limit: float) -> Iterator[Span]:
    """Alarms of a window, with the hysteresis that windows have unless it is configured."""
    eased = limit * (1 - WindowThreshold("", Aggregate.P95, "", 0.0).hysteresis)
    upto = -1
    for index in [index for index, value in enumerate(values) if value > limit]:
        if index <= upto:
            continue
        upto = index
        while upto + 1 < len(values) and values[upto + 1] > eased:
            upto += 1
        yield track.ends[index], track.ends[upto + 1] if upto + 1 < len(values) else track.ends[-1] + 1


def _within(spans: Sequence[Span], at_ms: int) -> bool:
    place = bisect_right(spans, at_ms, key=_start) - 1
    return place >= 0 and at_ms <= spans[place][1]


def _start(span: Span) -> int:
    return span[0]


def _late(spell: Span, alarms: Sequence[Span]) -> int | None:
    """How many ms until somebody was told; None where nobody was before it was over."""
    place = max(0, bisect_right(alarms, spell[0], key=_start) - 1)
    for opened, ended in alarms[place : place + 2]:
        if ended > spell[0] and opened < spell[1]:
            return max(0, opened - spell[0])
    return None


def front(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The trade-off, calmest first: each tells sooner of what is wrong than all that make no more false alarms."""
    kept: list[Outcome] = []
    for outcome in sorted(outcomes, key=lambda one: (one.false, one.untold, *_calm(one))):
        if not kept or outcome.untold < kept[-1].untold:
            kept.append(outcome)
    return kept


def best(outcomes: Iterable[Outcome], wanted: float) -> Outcome | None:
    """What tells soonest of what is wrong, with at most so many false alarms a week; of those as good, the calmest.

    Where none is so calm, the calmest. None without candidates.
    """
    found = list(outcomes)
    calm = [outcome for outcome in found if outcome.false <= wanted * outcome.weeks * _SPARE]
    if not calm:
        return min(found, key=lambda one: (one.false, one.untold, *_calm(one)), default=None)
    share, spare = _NEAR
    near = min(outcome.untold for outcome in calm) * share + spare
    return min((one for one in calm if one.untold <= near), key=_calm)


def _calm(outcome: Outcome) -> tuple[float, ...]:
    return outcome.alerts, outcome.false, outcome.untold, -(outcome.candidate.limit if outcome.candidate else 0.0)
