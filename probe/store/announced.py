"""What people announced, as maintenance. Pure."""

from __future__ import annotations

from probe.store.base import Announcement
from thresholds.maintenance import Mode, OneOff, Window
from thresholds.spans import Span

_FOREVER = 1 << 53


def window_of(announcement: Announcement) -> Window:
    """An announcement as maintenance: one that nobody has ended goes on for ever."""
    span = announcement.began_ms, announcement.ended_ms or _FOREVER
    return Window(
        announcement.id,
        OneOff(span) if span[0] < span[1] else _Never(),
        announcement.checks,
        announcement.services,
        announcement.labels,
        Mode(announcement.mode),
        not announcement.counted,
        announcement.reason,
        announcement.author,
    )


class _Never:
    """The times of what was ended before it began."""

    def spans(self, _within: Span) -> list[Span]:
        return []
