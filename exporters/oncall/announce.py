"""When a schedule is announced to a channel, and which time an announcement is about. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from thresholds.calendar import local, resolve
from thresholds.hours import Clause, parse_hours
from thresholds.spans import Span

_TIME = re.compile(r"(?:(?P<days>.*\S)\s+)?(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)")
_MOST_DAYS = 400
_SATURDAY = 5


class About(StrEnum):
    """What an announcement tells of."""

    NOW = "now"  # who is on call
    DAY = "day"  # the next 24 hours on the wall clock
    WEEKEND = "weekend"  # from Saturday 00:00 to Monday 00:00: the next one, or the one that is on
    WEEK = "week"  # the next seven days


@dataclass(frozen=True, slots=True)
class Moments:
    """Times of the wall clock: `Fri 16:00`, `Mon-Fri 09:00`, `08:00`. `parse_moments` makes them."""

    text: str
    days: Clause
    minute: int  # of the day

    def within(self, span: Span, zone: tzinfo) -> list[int]:
        """The instants within a span. One that clocks skip is when the gap ends; of one that comes twice the first."""
        if span[0] >= span[1]:
            return []
        first, end = local(span[0], zone).date() - timedelta(days=1), local(span[1], zone).date()
        if (end - first).days > _MOST_DAYS:
            raise ValueError(f"announcements of more than {_MOST_DAYS} days at once are too many; ask for less")
        days = (first + timedelta(days=n) for n in range((end - first).days + 1))
        shown = (datetime.combine(day, time()) + timedelta(minutes=self.minute) for day in days if self.days.holds(day))
        return [at_ms for at_ms in (resolve(naive, zone) for naive in shown) if span[0] <= at_ms < span[1]]


def parse_moments(text: str) -> Moments:
    """Days as service hours name them, and one time. ValueError says what is wrong."""
    match = _TIME.fullmatch(text.strip())
    if match is None or ";" in text:
        raise ValueError(f"{text.strip()[:60]!r} is no time of the week; write it as in Fri 16:00, or just 09:00")
    hours = parse_hours(f"{match['days'] or 'daily'} 00:00-24:00", "UTC")
    zoned = hours == parse_hours(hours.text, "Etc/GMT-14")
    if zoned or hours.shut or hours.days_off:
        raise ValueError(f"{text.strip()[:60]!r} says more than days and a time; its zone is that of the schedule")
    return Moments(text.strip(), hours.open[0], int(match["hour"]) * 60 + int(match["minute"]))


@dataclass(frozen=True, slots=True)
class Announcement:
    """Which receiver is told of a schedule, and when: at every change of who is on call, or at times of the week."""

    to: str
    at: Moments | None = None  # None: at every change
    about: About = About.NOW

    @property
    def on_change(self) -> bool:
        return self.at is None


def span_about(about: About, at_ms: int, zone: tzinfo) -> Span:
    """The time that an announcement at an instant tells of. NOW is that instant alone."""
    now = local(at_ms, zone)
    midnight = datetime.combine(now.date(), time())
    if about is About.NOW:
        return at_ms, at_ms + 1
    if about is About.WEEKEND:
        saturday = midnight + timedelta(days=_SATURDAY - now.weekday())
        return max(at_ms, resolve(saturday, zone)), resolve(saturday + timedelta(days=2), zone)
    return at_ms, resolve(now + timedelta(days=7 if about is About.WEEK else 1), zone)
