"""Stored runs judged by a configuration, check by check: what was told, and what would have been."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import time

from probe.cli.replay.series import Series, asked
from probe.config.model import Planned
from probe.engine.recall import parts_of
from probe.store.announced import window_of
from probe.store.base import Bucket, Kind
from probe.store.reader import Reader
from thresholds.alerts import DAY, Alert, Comparison, Noise, Taste, alerts_of, compare, noise, to_detect, within
from thresholds.base import Policy
from thresholds.baseline import Baseline
from thresholds.flap import KEPT
from thresholds.gathered import Hour
from thresholds.maintenance import Subject, Window
from thresholds.maintenance import planned as planned_for
from thresholds.outages import Outage
from thresholds.past import Past, feed
from thresholds.replay import REAL, Failing, Replay
from thresholds.rollup import HOUR
from thresholds.sketch import Sketch
from thresholds.spans import Span, Spans, common

_LEAST = 3600.0  # s of runs before the period that are judged, so that its beginning is as good as any other time
_WEEKS = 6 * 7 * 86_400_000  # ms that baselines look back, and a little more


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be replayed, and what is noise to whoever asks."""

    period: Span
    day: tuple[time, time] = DAY
    outage: float = REAL  # s that an outage lasts at least to be a real one
    points: int = 0  # of the series of a chart; 0: no charts


@dataclass(frozen=True, slots=True)
class Told:
    """An alert, and what there is to say of it."""

    alert: Alert
    noise: tuple[Noise, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A real outage, and in how many seconds people knew of it: today, and as it would be. None: never."""

    outage: Outage
    today: float | None
    would_be: float | None


@dataclass(frozen=True, slots=True)
class Story:
    """One check in a period: as it was told, and as it would have been."""

    planned: Planned
    period: Span  # of this check: it begins with its first stored run where that is later
    runs: int
    today: list[Told]
    would_be: list[Told]
    same: Comparison
    outages: list[Found]
    muted: Spans
    series: Series | None = None

    @property
    def name(self) -> str:
        return self.planned.name

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell of it."""
        return not (self.today or self.would_be or self.outages)


class Historian:
    """Replays checks of a configuration, one at a time."""

    def __init__(self, reader: Reader, question: Question, windows: Sequence[Window] = ()) -> None:
        """`windows`: the maintenance of the configuration; what people announced comes from the store."""
        self._reader = reader
        self._question = question
        announced = reader.announcements(question.period[0] - _WEEKS)
        self._windows = [*windows, *(window_of(one) for one in announced if one.kind is Kind.MAINTENANCE)]

    def story(self, planned: Planned, progress: Callable[[float], None] = lambda _share: None) -> Story | None:
        """One check replayed; None where no run of it is stored in the period. Raises StoreError."""
        kept = self._reader.kept(planned.name)
        since_ms, until_ms = self._question.period
        if kept is None or kept[0] >= until_ms or kept[1] < since_ms:
            return None
        period = max(since_ms, kept[0]), until_ms
        begins_ms = self._begins(planned, since_ms, kept[0])
        maintenance = self._maintenance(planned, (begins_ms - _WEEKS, until_ms))
        again = Replay(planned.policy, self._past(planned, begins_ms, maintenance[1]), maintenance[0])
        return self._replayed(planned, period, again, begins_ms, progress)

    def _begins(self, planned: Planned, since_ms: int, first_ms: int) -> int:
        """From when on runs are judged: long enough before the period, and before an incident that was open then."""
        early_ms = round(needed_before(planned) * 1000)
        begins_ms = since_ms - early_ms
        if (last := self._reader.open_at(planned.name, begins_ms)) and last.incident_since_ms:
            begins_ms = min(begins_ms, last.incident_since_ms - early_ms)
        return max(begins_ms, first_ms)

    def _maintenance(self, planned: Planned, within: Span) -> tuple[Spans, Spans]:
        """When nobody is told of a check, and what teaches baselines nothing."""
        subject = Subject(planned.name, planned.service, planned.labels)
        times = planned_for(self._windows, subject, within)
        return times.muted, times.excluded

    def _past(self, planned: Planned, begins_ms: int, excluded: Spans) -> Past | None:
        """What the policy looks back on as it was before the first run that is judged."""
        if not planned.policy.remembers:
            return None
        parts = parts_of(planned.policy, lambda span: bool(common(excluded, [span])))
        for part in parts:
            if isinstance(part, Baseline):
                self._restore(planned.name, part, begins_ms)
        return Past(parts)

    def _restore(self, check: str, part: Baseline, begins_ms: int) -> None:
        """Teach a baseline what it knew: from stored hours, and from the runs that are in none of them."""
        hours_ms, runs_ms = part.needs(begins_ms)
        metric = part.threshold.metric
        hours = [hour_of(bucket, metric) for bucket in self._reader.buckets(check, HOUR, hours_ms, runs_ms)]
        part.restore(hours)
        known_ms = hours[-1].at_ms + HOUR * 1000 if hours else hours_ms
        for page in self._reader.runs(check, known_ms, begins_ms, {metric}):
            for result in page:
                feed(part, result)

    def _replayed(
        self, planned: Planned, period: Span, again: Replay, begins_ms: int, progress: Callable[[float], None]
    ) -> Story:
        name, (since_ms, until_ms) = planned.name, period
        series = Series.of(planned.policy, period, self._question.points, again.past) if self._question.points else None
        failing = Failing(name, self._question.outage, again.muted)
        moves, runs = [], 0
        for page in self._reader.runs(name, begins_ms, until_ms, metrics_of(planned.policy)):
            for result in page:
                if (move := again.take(result)) is not None:
                    moves.append(move)
                failing.take(result)
                if result.at_ms >= since_ms:
                    if not result.provisional:
                        runs += 1
                    if series is not None:
                        series.take(result)
            progress((page[-1].at_ms - begins_ms) / max(1, until_ms - begins_ms) if page else 0.0)
        before = alerts_of(self._reader.transitions(name, begins_ms, until_ms))
        real = [one for one in failing.end() if not one.first_good_ms or one.first_good_ms > since_ms]
        return self._told(planned, period, runs, before, alerts_of(moves), real, again.muted, series)

    def _told(
        self,
        planned: Planned,
        period: Span,
        runs: int,
        before: list[Alert],
        after: list[Alert],
        real: list[Outage],
        muted: Spans,
        series: Series | None,
    ) -> Story:
        today, would_be = within(before, period), within(after, period)
        taste = Taste(planned.zone, self._question.day)

        def judged(alerts: list[Alert]) -> list[Told]:
            return [Told(one, noise(one, taste, muted, real, until_ms=period[1])) for one in alerts]

        found = [Found(one, to_detect(one, before), to_detect(one, after)) for one in real]
        same = compare(today, would_be)
        return Story(
            planned, period, runs, judged(today), judged(would_be), same, found, muted, series and series.done()
        )


def needed_before(planned: Planned) -> float:
    """Seconds of runs that judging depends on: windows full, M of N counted, flapping known."""
    policy, every = planned.policy, planned.spec.every
    runs = policy.down_after[1] + policy.up_after + KEPT + 1
    longest = max((window.over for window in policy.windows), default=0.0)
    buckets = max((one.bucket * (one.buckets + 2) for one in policy.baselines), default=0.0)
    return max(_LEAST, longest + runs * every, buckets, policy.memory)


def metrics_of(policy: Policy) -> frozenset[str]:
    """The phases and facts that a policy is about."""
    return frozenset(asked(policy)) - {"", "total"}


def hour_of(bucket: Bucket, metric: str) -> Hour:
    """A stored hour as baselines know it."""
    encoded = bucket.sketches.get(metric)
    failures = sum(times for kind, times in bucket.kinds.items() if kind != "local")
    runs = bucket.up + bucket.degraded + bucket.down
    return Hour.of(bucket.at_ms, runs, failures, None if encoded is None else Sketch.decode(encoded))
