"""What is wrong with a roster, or will be: gaps, strangers, people whom no page reaches. Each with its remedy. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from checks.core.units import format_duration
from exporters.oncall.escalation import EscalationPolicy
from exporters.oncall.override import Override
from exporters.oncall.people import SEVERITIES, User
from exporters.oncall.roster import DAY, NO_FEEDS, Feeds, Roster
from exporters.oncall.rotation import Rotation
from exporters.oncall.schedule import Schedule
from exporters.oncall.targets import Target, TargetKind, parse_target
from thresholds.base import Level
from thresholds.calendar import local
from thresholds.spans import Span, common, length, union, without

AHEAD = 90 * DAY
_PAGE = SEVERITIES[-1]
_SHOWN = "%a %Y-%m-%d %H:%M"
Place = tuple[str | int, ...]  # ("schedules", "prodops", "layers", 0)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is probably not meant: where it is, what it is, and what would be right."""

    place: Place
    text: str
    remedy: str = ""


def lint(
    roster: Roster,
    at_ms: int,
    receivers: Collection[str] = (),
    overrides: Sequence[Override] = (),
    feeds: Feeds = NO_FEEDS,
) -> list[Finding]:
    """Everything that can be said of a roster at an instant. `receivers` are the names of those that there are."""
    looking = _Looking(roster, (at_ms, at_ms + AHEAD), frozenset(receivers), overrides, feeds)
    return list(dict.fromkeys(looking.findings()))


class _Looking:
    """One look at a roster."""

    def __init__(
        self, roster: Roster, span: Span, receivers: frozenset[str], overrides: Sequence[Override], feeds: Feeds
    ) -> None:
        self._roster = roster
        self._span = span
        self._receivers = receivers
        self._overrides = overrides
        self._feeds = feeds
        self._gaps = cache(lambda name: roster.gaps(name, span, overrides, feeds))

    def findings(self) -> Iterator[Finding]:
        for user in self._roster.users.values():
            yield from self._of_user(user)
        for rotation in self._roster.rotations.values():
            yield from self._of_rotation(rotation)
        for schedule in self._roster.schedules.values():
            yield from self._of_schedule(schedule)
        for policy in self._roster.escalations.values():
            yield from self._of_escalation(policy)

    def _of_user(self, user: User) -> Iterator[Finding]:
        place: Place = ("users", user.name)
        for name in user.contacts:
            if name not in self._receivers:
                yield Finding(
                    (*place, "contacts", name), f"no receiver is called {name}", "name one of alerts.receivers"
                )
        for number, rule in enumerate(user.rules):
            if rule.by not in user.contacts:
                text = f"{user.name} has no contact {rule.by}"
                yield Finding((*place, "notify", number, "by"), text, "name a contact, or add it to contacts")
        if user.name not in _used(self._roster):
            return
        if not user.contacts:
            yield Finding(place, "nothing reaches them: they have no contacts", "add contacts: {RECEIVER: ADDRESS}")
        elif not _reached(user):
            yield Finding(
                (*place, "notify"), "no page reaches them: no rule is for one", "add a rule for severity page"
            )

    def _of_rotation(self, rotation: Rotation) -> Iterator[Finding]:
        place: Place = ("rotations", rotation.name)
        if not all(line_up.users for line_up in rotation.line_ups):
            yield Finding((*place, "users"), "nobody takes a turn", "name at least one user")
        for name in rotation.users:
            if name not in self._roster.users:
                yield Finding((*place, "users"), f"no user is called {name}", "add them to users, or take them out")

    def _of_schedule(self, schedule: Schedule) -> Iterator[Finding]:
        place: Place = ("schedules", schedule.name)
        for number, layer in enumerate(schedule.layers):
            for target in layer.who:
                yield from self._unknown(parse_target(target), (*place, "layers", number, "who"))
        for number, override in enumerate(schedule.overrides):
            named = (*override.add, *override.remove, *override.replace, *override.replace.values())
            for name in dict.fromkeys(named):
                if name not in self._roster.users:
                    yield Finding((*place, "overrides", number), f"no user is called {name}", "name one of users")
        for number, announcement in enumerate(schedule.announcements):
            yield from self._unknown(parse_target(announcement.to), (*place, "announce", number, "to"))
        yield from self._strangers(schedule, place)
        if self._fetched(schedule):
            yield from self._hidden(schedule, place)
            yield from self._uncovered(schedule, place)

    def _of_escalation(self, policy: EscalationPolicy) -> Iterator[Finding]:
        place: Place = ("escalations", policy.name)
        targets = [parse_target(text) for step in policy.steps for text in step.notify]
        for number, step in enumerate(policy.steps):
            for text in step.notify:
                yield from self._unknown(parse_target(text), (*place, "steps", number, "notify"))
        if not any(self._can_reach(target) for target in targets):
            yield Finding(place, "no step of it reaches anybody with a page", "lead a step to somebody with a contact")
            return
        schedules = [target.name for target in targets if target.kind is TargetKind.SCHEDULE]
        if any(target.kind is not TargetKind.SCHEDULE and self._can_reach(target) for target in targets):
            return  # somebody is always told
        if all(name in self._roster.schedules and self._fetched(self._roster.schedules[name]) for name in schedules):
            yield from self._silent(schedules, place)

    def _silent(self, schedules: Sequence[str], place: Place) -> Iterator[Finding]:
        """Time in which every step leads to a schedule that has nobody then, and some of them should have."""
        gaps, wanted = [self._span], list[Span]()
        for name in dict.fromkeys(schedules):
            gaps = common(gaps, self._gaps(name))
            wanted += self._roster.schedules[name].wanted([self._span], self._span)
        if silent := common(gaps, union(wanted)):
            text = f"whoever is paged then, nobody is told: {self._told(silent, schedules[0])}"
            yield Finding(place, text, "end with a step to a user or to a channel, or fill the gap")

    def _uncovered(self, schedule: Schedule, place: Place) -> Iterator[Finding]:
        if schedule.layers and (gaps := schedule.wanted(self._gaps(schedule.name), self._span)):
            text = f"nobody is on call {self._told(gaps, schedule.name)}"
            yield Finding(place, text, "add a layer, or say with covers when somebody has to be")

    def _hidden(self, schedule: Schedule, place: Place) -> Iterator[Finding]:
        """Layers that never count, because later ones have somebody all of their time."""
        above: list[Span] = []
        for number in range(len(schedule.layers) - 1, -1, -1):
            layer = schedule.layers[number]
            shifts = self._roster.layer_shifts(schedule.name, layer, self._span, self._feeds)
            own = union(shift.span for shift in shifts if shift.who)
            if own and not without(own, above):
                same = [n + 1 for n, one in enumerate(schedule.layers) if n > number and one == layer]
                text = f"the same as layer {same[0]}" if same else "it never counts: the layers after it have its time"
                remedy = "take it out" if same else "put it after them, limit them with when, or take it out"
                yield Finding((*place, "layers", number), text, remedy)
            above = union([*above, *own])

    def _strangers(self, schedule: Schedule, place: Place) -> Iterator[Finding]:
        for number, layer in enumerate(schedule.layers):
            if layer.feed is None:
                continue
            found = self._roster.feed_shifts(schedule.name, layer.feed, self._span, self._feeds)
            for warning in found.warnings:
                yield Finding((*place, "layers", number, "ical"), warning)

    def _fetched(self, schedule: Schedule) -> bool:
        """Whether all of its feeds are there: what a schedule comes to is not known before."""
        return all(feed.key in self._feeds for feed in schedule.feeds)

    def _unknown(self, target: Target, place: Place) -> Iterator[Finding]:
        known: dict[TargetKind, Collection[str]] = {
            TargetKind.RECEIVER: self._receivers,
            TargetKind.USER: self._roster.users,
            TargetKind.ROTATION: self._roster.rotations,
            TargetKind.SCHEDULE: self._roster.schedules,
            TargetKind.ESCALATION: self._roster.escalations,
        }
        if target.name not in known[target.kind]:
            kind = target.kind or "receiver"
            yield Finding(place, f"no {kind} is called {target.name}", f"add it to {kind}s, or name another one")

    def _can_reach(self, target: Target) -> bool:
        """Whether there is anybody whom a page can reach by a target, at any time that is looked at."""
        if target.kind is TargetKind.RECEIVER:
            return target.name in self._receivers
        return any(_reached(self._roster.users[name]) for name in self._behind(target) if name in self._roster.users)

    def _behind(self, target: Target) -> Iterable[str]:
        if target.kind is TargetKind.USER:
            return (target.name,)
        if target.kind is TargetKind.ROTATION and target.name in self._roster.rotations:
            return self._roster.rotations[target.name].users
        if target.kind is TargetKind.SCHEDULE and target.name in self._roster.schedules:
            schedule = self._roster.schedules[target.name]
            if not self._fetched(schedule):
                return self._roster.users
            shifts = self._roster.shifts(target.name, self._span, self._overrides, self._feeds)
            return dict.fromkeys(name for shift in shifts for name in shift.who)
        return ()

    def _told(self, spans: Sequence[Span], schedule: str) -> str:
        """`for 62h in the next 90 days, first from Fri 2026-11-27 18:00 to Mon 2026-11-30 08:00 Europe/Madrid`."""
        zone = self._roster.schedules[schedule].zone
        first, until = (local(at_ms, zone).strftime(_SHOWN) for at_ms in spans[0])
        if spans[0][1] >= self._span[1]:
            return f"from {first} {zone} on"
        times = f", {len(spans)} times" if len(spans) > 1 else ""
        total = format_duration(length(spans))
        return f"for {total} of the next {AHEAD // DAY} days{times}, first from {first} to {until} {zone}"


def _reached(user: User) -> bool:
    """Whether a page ever reaches them."""
    return bool(user.ways(_PAGE, Level.DOWN))


def _used(roster: Roster) -> frozenset[str]:
    """Users who are named anywhere that people are told by."""
    named = [text for schedule in roster.schedules.values() for layer in schedule.layers for text in layer.who]
    named += [text for policy in roster.escalations.values() for step in policy.steps for text in step.notify]
    users = {target.name for text in named if (target := parse_target(text)).kind is TargetKind.USER}
    for rotation in roster.rotations.values():
        users.update(rotation.users)
    for schedule in roster.schedules.values():
        for override in schedule.overrides:
            users.update((*override.add, *override.replace.values()))
    return frozenset(users)
