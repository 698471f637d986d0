"""The last day of one check as a strip: how it stood, what was planned, and what was changed and deployed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from exporters.alerting.change import Change, Ended, length, name_of
from exporters.message import one_line
from probe.config.model import Planned
from probe.store.base import StoreError
from probe.web.agenda import DAY_MS
from probe.web.site import Site
from probe.web.when import When, when
from thresholds.spans import Span
from thresholds.timeline import Condition, Interval

_COLUMNS = 480  # of three minutes
_HEIGHT, _LANE = 34, 8  # of the strip, and of the lane above it that changes lie in
_WEEK_MS = 7 * DAY_MS
_ROWS = 20
_MARKS = 100  # drawn at most
_TOOLTIP = 200  # characters
_FOREVER = 1 << 53
_WORST = (Condition.DOWN, Condition.DEGRADED, Condition.UNKNOWN, Condition.PAUSED, Condition.UP)


@dataclass(frozen=True, slots=True)
class Row:
    """One change in the list."""

    at: When | None
    name: str
    state: str
    lasted: str
    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Day:
    """The strip, and the changes of the last week, the newest first."""

    strip: Markup | None  # None: nothing is known of the day
    rows: Sequence[Row] = ()


async def of(site: Site, planned: Planned) -> Day:
    """What the page of a check shows of its last day."""
    now_ms = site.clock.now_ms()
    touching = [
        one
        for one in site.control.changes.known()
        if one.touches(planned.name, planned.service, planned.labels) and (one.ended_ms or now_ms) > now_ms - _WEEK_MS
    ]
    window = now_ms - DAY_MS, now_ms
    line = await _line(site, planned.name, window)
    strip = _strip(site, line, [one for one in touching if (one.ended_ms or now_ms) >= window[0]], window)
    return Day(strip if line else None, [_row(one, now_ms) for one in reversed(touching[-_ROWS:])])


async def _line(site: Site, check: str, window: Span) -> list[Interval]:
    try:
        records = await site.control.records(window[0])
    except StoreError:
        return []  # the page says elsewhere what is wrong with the store
    subject = records.subject(check)
    return records.timeline(subject, window) if subject is not None else []


def _row(change: Change, now_ms: int) -> Row:
    title = f"{change.title} ({change.author})" if change.title and change.author else change.title or change.author
    return Row(
        when(change.began_ms, now_ms),
        name_of(change),
        "deployed" if change.instant else _state(change, now_ms),
        "" if change.instant else length(min(now_ms, change.ended_ms or now_ms) - change.began_ms),
        title if change.instant or not change.version else f"{change.version} {title}".strip(),
        change.url,
    )


def _state(change: Change, now_ms: int) -> str:
    if change.lasts(now_ms):
        return "in progress, muted" if change.suppress else "in progress"
    return "failed" if change.outcome is Ended.FAILED else "over"


def _strip(site: Site, line: Sequence[Interval], changes: Sequence[Change], window: Span) -> Markup:
    """Holds nothing but numbers of ours, and texts that are redacted and escaped."""
    drawn = [*_conditions(line, window), *_maintenance(line, window), *_marks(site, changes[-_MARKS:], window)]
    size = f'viewBox="0 0 {_COLUMNS} {_HEIGHT + _LANE}" preserveAspectRatio="none" width="100%" height="46"'
    label = f"the last day: {_described(line)}, {len(changes)} change{'' if len(changes) == 1 else 's'}"
    # Safe: what is not ours was escaped where it was put in.
    return Markup(f'<svg class="day" {size} role="img" aria-label="{label}">{"".join(drawn)}</svg>')  # noqa: S704


def _conditions(line: Sequence[Interval], window: Span) -> Iterator[str]:
    """One rectangle for neighbouring columns of one condition: of each column the worst."""
    columns = [Condition.UNKNOWN] * _COLUMNS
    ranks = {condition: rank for rank, condition in enumerate(_WORST)}
    seen = [False] * _COLUMNS
    for one in line:
        for place in range(_column(one.start_ms, window), _column(one.end_ms - 1, window) + 1):
            if not seen[place] or ranks[one.condition] < ranks[columns[place]]:
                columns[place], seen[place] = one.condition, True
    left = 0
    for condition, group in groupby(columns):
        width = sum(1 for _ in group)
        name = condition.name.lower()
        yield f'<rect class="{name}" x="{left}" y="{_LANE}" width="{width}" height="{_HEIGHT - 5}"/>'
        left += width


def _maintenance(line: Iterable[Interval], window: Span) -> Iterator[str]:
    for planned, group in groupby(line, key=lambda one: one.planned):
        spans = list(group)
        if planned:
            yield _rect("planned", (spans[0].start_ms, spans[-1].end_ms), window, (_LANE + _HEIGHT - 4, 4))


def _marks(site: Site, changes: Iterable[Change], window: Span) -> Iterator[str]:
    """Each change with what it is as a tooltip."""
    for change in changes:
        span = max(change.began_ms, window[0]), min(change.ended_ms or _FOREVER, window[1])
        kind = "deploy" if change.instant else "failed" if change.outcome is Ended.FAILED else "change"
        lane = (0, _LANE + _HEIGHT) if change.instant else (0, _LANE - 2)
        yield f"<g>{_rect(kind, span, window, lane)}<title>{escape(_tooltip(site, change))}</title></g>"


def _tooltip(site: Site, change: Change) -> str:
    began = when(change.began_ms, site.clock.now_ms())
    words = f"{name_of(change)} {'deployed' if change.instant else 'from'} {began.full if began else ''}"
    if not change.instant and change.ended_ms:
        words += f", for {length(change.ended_ms - change.began_ms)}"
    return one_line(site.redact(f"{words}: {change.title}" if change.title else words), _TOOLTIP)


def _rect(name: str, span: Span, window: Span, lane: tuple[int, int]) -> str:
    left, right = (_column(at_ms, window) for at_ms in span)
    width = max(2, right - left)
    return f'<rect class="{name}" x="{min(left, _COLUMNS - width)}" y="{lane[0]}" width="{width}" height="{lane[1]}"/>'


def _column(at_ms: int, window: Span) -> int:
    share = (at_ms - window[0]) / (window[1] - window[0])
    return min(_COLUMNS - 1, max(0, int(share * _COLUMNS)))


def _described(line: Iterable[Interval]) -> str:
    """`down for 6m, degraded for 12m`; `up` where nothing was wrong."""
    lengths: dict[Condition, int] = {}
    for one in line:
        lengths[one.condition] = lengths.get(one.condition, 0) + one.end_ms - one.start_ms
    told = [f"{one.name.lower()} for {length(lengths[one])}" for one in _WORST[:-1] if lengths.get(one)]
    return ", ".join(told) or "up"
