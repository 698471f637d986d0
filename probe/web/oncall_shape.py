"""Who is on call, as plain values that become JSON: for the API, and for the commands. Pure. docs/api.md has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from exporters.oncall.bulletin import tiled
from exporters.oncall.ics import schedule_calendar, user_calendar
from exporters.oncall.lint import lint
from exporters.oncall.override import Override
from exporters.oncall.roster import DAY, NO_FEEDS, Feeds, Roster
from exporters.oncall.shift import Shift
from probe.web.shape import Json, instant
from thresholds.spans import Span

_BACK, _AHEAD = 32 * DAY, 90 * DAY  # ms that are looked at for when a shift began, and ends
MOST_DAYS = 365


@dataclass(frozen=True, slots=True)
class Rota:
    """A roster with what people and calendars have said, as of one instant."""

    roster: Roster
    overrides: Sequence[Override] = ()
    feeds: Feeds = field(default_factory=lambda: NO_FEEDS)

    def tiles(self, schedule: str, span: Span) -> list[Shift]:
        """A span cut into shifts; where nobody is on call, one says so."""
        return tiled(self.roster.shifts(schedule, span, self.overrides, self.feeds), span)

    def gaps(self, schedule: str, span: Span) -> list[Span]:
        """When nobody is on call, although somebody has to be."""
        gaps = self.roster.gaps(schedule, span, self.overrides, self.feeds)
        return self.roster.schedules[schedule].wanted(gaps, span)


def now(rota: Rota, at_ms: int, schedules: Iterable[str]) -> list[Json]:
    """Who is on call at an instant, since when, until when, and who is next. ValueError for an instant too far off."""
    return [_now(rota, name, at_ms) for name in schedules]


def _now(rota: Rota, name: str, at_ms: int) -> Json:
    span = at_ms - _BACK, at_ms + _AHEAD
    tiles = rota.tiles(name, span)
    place = next(number for number, tile in enumerate(tiles) if tile.start_ms <= at_ms < tile.end_ms)
    shift, later = tiles[place], tiles[place + 1 : place + 2]
    return {
        "schedule": name,
        "zone": str(rota.roster.schedules[name].zone),
        "people": people(rota.roster, shift.who),
        "since": instant(shift.start_ms) if shift.start_ms > span[0] else None,
        "until": instant(shift.end_ms) if shift.end_ms < span[1] else None,
        "next": people(rota.roster, later[0].who) if later else [],
        "gap": bool(not shift.who and rota.gaps(name, (at_ms, at_ms + 1))),
    }


def people(roster: Roster, who: Iterable[str]) -> list[Json]:
    """Names of people, never how they are reached."""
    return [{"user": name, "name": roster.users[name].shown} for name in who if name in roster.users]


def shifts(rota: Rota, schedule: str, span: Span) -> Json:
    """The shifts of a schedule within a span, and the gaps."""
    return {
        "schedule": schedule,
        "zone": str(rota.roster.schedules[schedule].zone),
        "from": instant(span[0]),
        "to": instant(span[1]),
        "shifts": [
            {"from": instant(one.start_ms), "to": instant(one.end_ms), "people": people(rota.roster, one.who)}
            for one in rota.tiles(schedule, span)
            if one.who
        ],
        "gaps": [{"from": instant(start), "to": instant(end)} for start, end in rota.gaps(schedule, span)],
    }


def own(rota: Rota, user: str, at_ms: int, days: int) -> Json:
    """When one user is on call from an instant on, in all schedules."""
    found = rota.roster.next_shifts(user, at_ms, rota.overrides, rota.feeds, ahead_ms=days * DAY)
    return {
        "user": user,
        "name": rota.roster.users[user].shown,
        "zone": rota.roster.users[user].zone,
        "days": days,
        "shifts": [
            {
                "schedule": one.schedule,
                "from": instant(one.shift.start_ms),
                "to": instant(one.shift.end_ms),
                "on": one.shift.start_ms <= at_ms < one.shift.end_ms,
            }
            for one in found
        ],
    }


def findings(rota: Rota, at_ms: int, receivers: Collection[str]) -> list[Json]:
    """What will not do in the next months, each with where it is and what would be right."""
    found = lint(rota.roster, at_ms, receivers, rota.overrides, rota.feeds)
    return [{"place": ".".join(map(str, one.place)), "text": one.text, "remedy": one.remedy} for one in found]


def calendar(rota: Rota, at_ms: int, instance: str, *, schedule: str = "", user: str = "") -> str:
    """A schedule, or the shifts of a user, as an iCalendar file."""
    said = rota.overrides, rota.feeds
    if user:
        return user_calendar(rota.roster, user, at_ms, *said, instance=instance)
    return schedule_calendar(rota.roster, schedule, at_ms, *said, instance=instance)
