"""The configuration's maintenance as it was: written down when it begins, so that editing a file changes no past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from probe.store.base import Announcement, Kind
from thresholds.maintenance import Mode, OneOff, Window
from thresholds.spans import Span, Spans, clip, union

AUTHOR = "configuration"

Times = Sequence[tuple[Window, Spans]]  # windows of a configuration, and when they are


class Logbook:
    """Records of maintenance that the configuration planned, each from when it began to when it ends."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Announcement]] = {}  # of every window, by id
        self._unkept: dict[str, Announcement] = {}
        self._windows: Sequence[Window] | None = ()

    def take(self, record: Announcement) -> None:
        """Hear of a record that the store has. What is on its way there is newer."""
        if record.id not in self._unkept:
            self._put(record)

    def note(self, times: Times, since_ms: int, now_ms: int) -> None:
        """Write down what began since an instant, and end what is no longer planned."""
        going = {
            self._go_on(window, (max(span[0], since_ms), _end(window, span)), now_ms)
            for window, spans in times
            for span in spans
            if span[0] <= now_ms and _end(window, span) > since_ms
        }
        for record in list(self._all()):
            if record.ended_ms > now_ms and record.id not in going:
                self._write(replace(record, ended_ms=max(now_ms, record.began_ms)))

    def unkept(self) -> list[Announcement]:
        """What the store does not have yet."""
        return list(self._unkept.values())

    def kept(self, record: Announcement) -> None:
        """The store has it; unless it changed meanwhile."""
        if self._unkept.get(record.id) is record:
            del self._unkept[record.id]

    def forget(self, before_ms: int) -> None:
        """Drop what was over before an instant. The store keeps it."""
        self._windows = None
        for name, records in list(self._records.items()):
            left = {key: one for key, one in records.items() if one.ended_ms > before_ms or key in self._unkept}
            if left:
                self._records[name] = left
            else:
                del self._records[name]

    def windows(self) -> Sequence[Window]:
        """What is recorded, as maintenance: records that do the same to the same are one."""
        if self._windows is None:
            self._windows = _together(self._all())
        return self._windows

    def _go_on(self, window: Window, span: Span, now_ms: int) -> str:
        """The id of the record of an occurrence: that of before with its end as it is now, or a new one."""
        wanted = _record(window, span)
        on = [one for one in self._records.get(window.name, {}).values() if one.began_ms <= span[0] <= one.ended_ms]
        if same := next((one for one in on if _effect(one) == _effect(wanted)), None):
            wanted = replace(same, ended_ms=span[1])
        elif any(one.ended_ms > span[0] for one in on) and now_ms < span[1]:
            wanted = _record(window, (now_ms, span[1]))  # until now it was another, and stays so
        if wanted != same:
            self._write(wanted)
        return wanted.id

    def _write(self, record: Announcement) -> None:
        self._unkept[record.id] = record
        self._put(record)

    def _put(self, record: Announcement) -> None:
        self._records.setdefault(record.id.rpartition("@")[0], {})[record.id] = record
        self._windows = None

    def _all(self) -> Iterable[Announcement]:
        return (one for records in self._records.values() for one in records.values())


class _Recorded:
    """Times that are known one by one."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def spans(self, within: Span) -> list[Span]:
        return clip(self._spans, within)


def _end(window: Window, span: Span) -> int:
    """When it ends. Of hours and calendars, what lies beyond the days that are worked out comes with the next ones."""
    if isinstance(window.times, OneOff) and not window.ended:
        return window.times.span[1]
    return span[1]


def _record(window: Window, span: Span) -> Announcement:
    return Announcement(
        f"{window.name}@{span[0]}",
        Kind.PLANNED,
        *span,
        tuple(window.checks),
        tuple(window.services),
        dict(window.labels),
        window.mode.value,
        not window.excluded,
        window.reason,
        AUTHOR,
    )


def _effect(record: Announcement) -> tuple[object, ...]:
    """What it does to whom: all that makes a difference to the past."""
    labels = tuple(sorted(record.labels.items()))
    return tuple(record.checks), tuple(record.services), labels, str(record.mode), record.counted


def _together(records: Iterable[Announcement]) -> list[Window]:
    groups: dict[tuple[object, ...], list[Announcement]] = {}
    for record in records:
        groups.setdefault(_effect(record), []).append(record)
    return [_window(group) for group in groups.values()]


def _window(records: Sequence[Announcement]) -> Window:
    one = records[-1]
    times = _Recorded(union((record.began_ms, record.ended_ms) for record in records))
    return Window(
        one.id, times, one.checks, one.services, one.labels, Mode(one.mode), not one.counted, one.reason, one.author
    )
