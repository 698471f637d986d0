"""Who is on call: now, at any instant, and for any span of time. Pure: whatever a feed says comes as its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

from exporters.oncall.escalation import EscalationPolicy
from exporters.oncall.feed import Feed, FeedShifts, shifts_of_feed
from exporters.oncall.override import Override, overridden
from exporters.oncall.people import User
from exporters.oncall.rotation import Rotation
from exporters.oncall.schedule import Layer, Schedule
from exporters.oncall.shift import Shift, Who, each, last, masked, merged, together
from exporters.oncall.targets import TargetKind, parse_target
from thresholds.spans import Span

DAY = 86_400_000  # ms
LONGEST = 400 * DAY  # of a span that is asked for at once
_AHEAD = 90 * DAY

Feeds = Mapping[str, str]  # the last good text of each feed, by its key
NO_FEEDS: Feeds = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Handoff:
    """An instant at which who is on call changes."""

    at_ms: int
    before: Who
    after: Who


@dataclass(frozen=True, slots=True)
class OwnShift:
    """A shift of one user, and of which schedule it is."""

    schedule: str
    shift: Shift


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody who can be on call, and all that says when they are.

    `overrides` are what people said while the service ran, after those of the configuration. What a report says of the
    past is what was told then, and never this: line-ups and layers change.
    """

    users: Mapping[str, User] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    escalations: Mapping[str, EscalationPolicy] = field(default_factory=dict)

    def on_call(
        self, schedule: str, at_ms: int, overrides: Sequence[Override] = (), feeds: Feeds = NO_FEEDS
    ) -> tuple[str, ...]:
        """Names of those who are on call at an instant. () is nobody; KeyError where there is no such schedule."""
        return self._tiles(self.schedules[schedule], (at_ms, at_ms + 1), overrides, feeds)[0].who

    def shifts(
        self, schedule: str, span: Span, overrides: Sequence[Override] = (), feeds: Feeds = NO_FEEDS
    ) -> list[Shift]:
        """Who is on call within a span, in order, clipped to it. Where nobody is, there is no shift."""
        return [one for one in self._tiles(self.schedules[schedule], span, overrides, feeds) if one.who]

    def gaps(
        self, schedule: str, span: Span, overrides: Sequence[Override] = (), feeds: Feeds = NO_FEEDS
    ) -> list[Span]:
        """The time within a span in which nobody is on call: with the shifts, all of it."""
        return [one.span for one in self._tiles(self.schedules[schedule], span, overrides, feeds) if not one.who]

    def handoffs(
        self, schedule: str, span: Span, overrides: Sequence[Override] = (), feeds: Feeds = NO_FEEDS
    ) -> list[Handoff]:
        """The changes of who is on call after a span's first instant, and up to its end."""
        tiles = self._tiles(self.schedules[schedule], (span[0], span[1] + 1), overrides, feeds)
        return [Handoff(after.start_ms, before.who, after.who) for before, after in pairwise(tiles)]

    def next_shifts(
        self,
        user: str,
        from_ms: int,
        overrides: Sequence[Override] = (),
        feeds: Feeds = NO_FEEDS,
        *,
        ahead_ms: int = _AHEAD,
    ) -> list[OwnShift]:
        """When a user is on call from an instant on, in whichever schedule: the shift that is on, and those to come."""
        span = from_ms, from_ms + ahead_ms
        found = [own for name in self.schedules for own in self._own(user, name, span, overrides, feeds)]
        return sorted(found, key=lambda own: (own.shift, own.schedule))

    def people(
        self, target: str, at_ms: int, overrides: Sequence[Override] = (), feeds: Feeds = NO_FEEDS
    ) -> tuple[User, ...]:
        """Whom a target means at an instant: `user:`, `rotation:` or `schedule:`.

        () where nobody is on call, where it is none of these, and where there is no such target any more.
        """
        meant = parse_target(target)
        if meant.kind is TargetKind.SCHEDULE:
            who = self.on_call(meant.name, at_ms, overrides, feeds) if meant.name in self.schedules else ()
        else:
            now = at_ms, at_ms + 1
            who = together([shift.who for shift in self._of_target(target, now)])
        return tuple(self.users[name] for name in who if name in self.users)

    def feed_shifts(self, schedule: str, feed: Feed, span: Span, feeds: Feeds = NO_FEEDS) -> FeedShifts:
        """What one feed of a schedule says within a span, with what of it cannot be understood."""
        text = feeds.get(feed.key, "") if feed.address else feed.text
        return shifts_of_feed(text, self.users, self.schedules[schedule].zone, span) if text else FeedShifts()

    def layer_shifts(self, schedule: str, layer: Layer, span: Span, feeds: Feeds = NO_FEEDS) -> list[Shift]:
        """Whom one layer by itself puts on call within a span."""
        if layer.feed is not None:
            found = list(self.feed_shifts(schedule, layer.feed, span, feeds).shifts)
        else:
            found = merged([self._of_target(target, span) for target in layer.who], span, together)
        if layer.when is None:
            return found
        return merged([found, each(layer.when.spans(span), ("open",))], span, masked)

    def _tiles(self, schedule: Schedule, span: Span, overrides: Sequence[Override], feeds: Feeds) -> list[Shift]:
        """A span cut into who is on call, without a gap: where nobody is, a tile says so."""
        if span[1] - span[0] > LONGEST:
            raise ValueError(f"more than {LONGEST // DAY} days of a schedule at once; ask for less time")
        layers = [self.layer_shifts(schedule.name, layer, span, feeds) for layer in schedule.layers]
        tiles = overridden(merged(layers, span, last), schedule.concerned(overrides, span), span)
        if all(name in self.users for tile in tiles for name in tile.who):
            return tiles
        known = (Shift(*tile.span, tuple(name for name in tile.who if name in self.users)) for tile in tiles)
        return merged([list(known)], span, last)

    def _of_target(self, target: str, span: Span) -> list[Shift]:
        """Users and rotations within a span; of anything else nobody."""
        meant = parse_target(target)
        if meant.kind is TargetKind.USER and meant.name in self.users:
            return each([span], (meant.name,))
        if meant.kind is TargetKind.ROTATION and meant.name in self.rotations:
            return self.rotations[meant.name].turns(span)
        return []

    def _own(self, user: str, schedule: str, span: Span, overrides: Sequence[Override], feeds: Feeds) -> list[OwnShift]:
        """A user's own shifts: they go on while others come and go beside them."""
        mine = each((one.span for one in self.shifts(schedule, span, overrides, feeds) if user in one.who), (user,))
        return [OwnShift(schedule, one) for one in merged([mine], span, last) if one.who]
