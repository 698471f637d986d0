"""A schedule: layers of people, the last that matches wins, and overrides above all of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from exporters.oncall.announce import Announcement
from exporters.oncall.feed import Feed
from exporters.oncall.override import Override
from thresholds.hours import Hours
from thresholds.spans import Span, Spans, common


@dataclass(frozen=True, slots=True)
class Layer:
    """Who is on call, and when: users and rotations together, or whoever a feed says.

    Where it has nobody, because of its hours, or because its feed is empty then, the layers before it count.
    """

    who: tuple[str, ...] = ()  # targets: user:ana, rotation:primary
    when: Hours | None = None  # None: always
    feed: Feed | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call, for ever."""

    name: str
    layers: tuple[Layer, ...] = ()
    zone: tzinfo = UTC
    overrides: tuple[Override, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    covers: Hours | None = None  # when somebody has to be on call; None: always

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Those that have to be fetched."""
        return tuple(layer.feed for layer in self.layers if layer.feed and layer.feed.address)

    def concerned(self, more: Sequence[Override], within: Span) -> list[Override]:
        """The overrides that matter in a span: its own, and of more those that are about it."""
        return [one for one in (*self.overrides, *more) if one.concerns(self.name, within)]

    def wanted(self, spans: Spans, within: Span) -> list[Span]:
        """The part of some time in which somebody has to be on call."""
        return common(spans, self.covers.spans(within)) if self.covers else list(spans)
