"""A check's latency as a picture: where every line and bar lies, in pixels. Pure; the template draws it.

Time runs from left to right. Under the latencies lie three lanes: real outages, today's alerts, those that would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor, log10

from checks.core.units import format_duration
from probe.cli.replay.figures import NEW, STAYS, VANISHES
from probe.cli.replay.history import Story, Told
from probe.cli.replay.series import Column, Series
from probe.cli.replay.table import exact, stamp
from thresholds.base import Level, Policy
from thresholds.spans import Span

WIDTH, HEIGHT = 1000, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 176, 10, 212  # of the latencies
LANES = ((228, "outages"), (246, "today"), (264, "would be"))
LANE = 12  # px high
TICKS = 288  # where the words of the time axis stand
_THIN = 2.5  # px: what is shorter would not be seen
_GAP = 13  # px between two labels of lines
_HEADROOM = 1.15
_MOST_BARS = 2000


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    kind: str  # a class of the style sheet
    title: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A threshold."""

    y: float
    kind: str  # "new", "old" or "both", and the level
    label: str
    label_y: float


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that is drawn. Paths are of SVG, and made of numbers alone."""

    metric: str
    p50: str
    p95: str
    band: str
    usual: str  # what a baseline takes at most
    rules: Sequence[Rule]
    failed: Sequence[Bar]
    shades: Sequence[Bar]
    maintenance: Sequence[Bar]
    lanes: Sequence[tuple[int, str, Sequence[Bar]]]
    levels: Sequence[Tick]
    times: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class _Limit:
    value: float
    level: Level
    words: str


class Scale:
    """Instants and latencies as pixels."""

    def __init__(self, period: Span, most: float) -> None:
        self.period = period
        self.most = most

    def x(self, at_ms: float) -> float:
        share = (at_ms - self.period[0]) / (self.period[1] - self.period[0])
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, seconds: float) -> float:
        return round(BOTTOM - min(max(seconds / self.most, 0.0), 1.0) * (BOTTOM - TOP), 1)

    def bar(self, span: Span, kind: str, title: str) -> Bar:
        first, last = self.x(span[0]), self.x(span[1])
        return Bar(first, round(max(last - first, _THIN), 1), kind, title)


def chart(story: Story, series: Series, old: Policy | None) -> Chart:
    """The picture of one check; `old` is the policy in force."""
    columns = series.columns()
    limits = list(_limits(story.planned.policy, series.metric))
    before = list(_limits(old, series.metric)) if old is not None else []
    scale = Scale(story.period, _most(columns, [one.value for one in (*limits, *before)]))
    lines = _segments(columns, max(2.5 * series.step_ms, 3000 * story.planned.spec.every))
    return Chart(
        metric=series.metric,
        p50=_path(scale, lines, lambda column: column.p50),
        p95=_path(scale, lines, lambda column: column.p95),
        band=_band(scale, lines),
        usual=_path(scale, lines, lambda column: column.usual),
        rules=_rules(scale, limits, before, known=old is not None),
        failed=[_failure(scale, column, series.step_ms) for column in columns if column.failed][:_MOST_BARS],
        shades=[_alert(scale, one, story) for one in story.would_be[:_MOST_BARS]],
        maintenance=[
            scale.bar(span, "maintenance", "maintenance") for span in story.muted if _seen(span, story.period)
        ],
        lanes=_lanes(scale, story),
        levels=[Tick(scale.y(value), format_duration(value) if value else "0") for value in _nice(scale.most)],
        times=[Tick(scale.x(at_ms), label) for at_ms, label in _times(story.period)],
    )


def _limits(policy: Policy, metric: str) -> Iterator[_Limit]:
    """The lines that a policy draws into a picture of a metric."""
    for threshold in policy.thresholds:
        for level, value in ((Level.DEGRADED, threshold.degraded), (Level.DOWN, threshold.down)):
            if threshold.metric == metric and value is not None:
                yield _Limit(value, level, f"run {format_duration(value)}")
    for window in policy.windows:
        for level, value in ((Level.DEGRADED, window.degraded), (Level.DOWN, window.down)):
            if window.metric == metric and value is not None:
                yield _Limit(value, level, f"{window.aggregate}, {_short(window.over)}: {format_duration(value)}")


def _short(seconds: float) -> str:
    return format_duration(seconds).replace(" ", "")


def _most(columns: Sequence[Column], limits: Sequence[float]) -> float:
    """What the latency axis reaches: nearly all columns, and limits unless they are far off."""
    highs = sorted(column.p95 for column in columns if column.p95 is not None)
    high = max(highs[min(len(highs) - 1, int(0.995 * len(highs)))], highs[-1] / 3) if highs else 0.0
    near = [limit for limit in limits if limit <= 4 * high or not high]
    return max(high, max(near, default=0.0), 0.001) * _HEADROOM


def _segments(columns: Sequence[Column], apart_ms: float) -> list[list[Column]]:
    """Columns with latencies, in rows without gaps."""
    rows: list[list[Column]] = []
    last_ms = 0
    for column in columns:
        if column.p50 is None:
            continue
        if not rows or column.at_ms - last_ms > apart_ms:
            rows.append([])
        rows[-1].append(column)
        last_ms = column.at_ms
    return rows


def _path(scale: Scale, rows: Iterable[Sequence[Column]], value: Callable[[Column], float | None]) -> str:
    parts = []
    for row in rows:
        points = [(scale.x(column.at_ms), scale.y(high)) for column in row if (high := value(column)) is not None]
        if len(points) == 1:
            points.append((points[0][0] + 1.5, points[0][1]))
        parts += [f"{'L' if index else 'M'}{x} {y}" for index, (x, y) in enumerate(points)]
    return "".join(parts)


def _band(scale: Scale, rows: Iterable[Sequence[Column]]) -> str:
    """What lies between the median and the 95th percentile."""
    parts = []
    for row in rows:
        over = [(scale.x(one.at_ms), scale.y(one.p95 or 0.0)) for one in row]
        under = [(scale.x(one.at_ms), scale.y(one.p50 or 0.0)) for one in reversed(row)]
        points = [f"{x} {y}" for x, y in (*over, *under)]
        parts.append(f"M{'L'.join(points)}Z")
    return "".join(parts)


def _rules(scale: Scale, limits: Sequence[_Limit], before: Sequence[_Limit], *, known: bool) -> list[Rule]:
    """Lines of both configurations, once where they are the same, their labels apart."""
    found = [(one, "both" if one in before else "new") for one in limits]
    found += [(one, "old") for one in before if one not in limits]
    found.sort(key=lambda pair: pair[0].value, reverse=True)
    rules: list[Rule] = []
    for (limit, kind), at in zip(found, _apart([scale.y(limit.value) + 4 for limit, _ in found]), strict=True):
        far = limit.value > scale.most
        y = scale.y(limit.value)
        whose = f"{kind}: " if known else ""
        label = f"{whose}{limit.words}{' ↑' if far else ''}"
        rules.append(Rule(y, f"{kind} {limit.level.name.lower()}{' far' if far else ''}", label, at))
    return rules


def _apart(labels: Sequence[float]) -> list[float]:
    """Where labels stand, from the top down, that none covers another: at their lines, or a little off."""
    places: list[float] = []
    for wanted in reversed(labels):  # upwards, from the lowest on
        places.append(min(wanted, places[-1] - _GAP) if places else wanted)
    places.reverse()
    below = TOP + 4.0
    for index, place in enumerate(places):
        places[index] = below = max(place, below)
        below += _GAP
    return places


def _failure(scale: Scale, column: Column, step_ms: int) -> Bar:
    title = f"{column.failed} of {column.runs} runs failed, {stamp(column.at_ms)} UTC"
    return scale.bar((column.at_ms, column.at_ms + step_ms), "failed", title)


def _alert(scale: Scale, told: Told, story: Story, kind: str = "") -> Bar:
    alert = told.alert
    lasted = "open" if alert.open else format_duration(alert.lasted(story.period[1]))
    noise = f" ({', '.join(told.noise)})" if told.noise else ""
    title = f"{kind + ': ' if kind else ''}{exact(alert.opened_ms)} UTC, {lasted}{noise}: {alert.reason}"
    span = alert.opened_ms, alert.resolved_ms or story.period[1]
    return scale.bar(span, f"{alert.worst.name.lower()} {kind}".strip(), title)


def _lanes(scale: Scale, story: Story) -> list[tuple[int, str, Sequence[Bar]]]:
    stays = {alert for alert, _ in story.same.stays}
    new = set(story.same.new)
    outages = []
    for found in story.outages:
        span = found.outage.first_bad_ms, found.outage.first_good_ms or story.period[1]
        outages.append(
            scale.bar(span, "outage", f"{exact(span[0])} UTC, {format_duration((span[1] - span[0]) / 1000)}")
        )
    today = [_alert(scale, one, story, STAYS if one.alert in stays else VANISHES) for one in story.today[:_MOST_BARS]]
    would_be = [_alert(scale, one, story, NEW if one.alert in new else STAYS) for one in story.would_be[:_MOST_BARS]]
    bars: tuple[Sequence[Bar], ...] = (outages, today, would_be)
    return [(y, name, row) for (y, name), row in zip(LANES, bars, strict=True)]


def _seen(span: Span, period: Span) -> bool:
    return span[0] < period[1] and span[1] > period[0]


def _nice(most: float) -> list[float]:
    """Round values from 0 up, four or so."""
    rough = most / 4
    power = 10.0 ** floor(log10(rough))
    step = next(unit * power for unit in (1, 2, 2.5, 5, 10) if unit * power >= rough)
    return [round(step * index, 9) for index in range(int(most / step) + 1)]


def _times(period: Span) -> list[tuple[int, str]]:
    """Full hours or midnights of UTC, eight or so."""
    length = (period[1] - period[0]) / 1000
    step = next(
        (one for one in (60, 300, 900, 3600, 10_800, 21_600, 86_400, 172_800, 604_800) if length / one <= 10), 0
    )
    step = step or round(length / 8 / 86_400) * 86_400
    first = datetime.fromtimestamp(period[0] / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found, at = [], first
    while (at_ms := round(at.timestamp() * 1000)) < period[1]:
        if at_ms >= period[0]:
            found.append((at_ms, f"{at:%d %b}" if step >= 86_400 or not (at.hour or at.minute) else f"{at:%H:%M}"))
        at += timedelta(seconds=step)
    return found
