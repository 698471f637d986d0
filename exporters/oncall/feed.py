"""Shifts from a calendar that people keep elsewhere: an event's title says who, its time says when. Pure.

A title is the name or the e-mail address of a user, or several with commas between them; upper and lower case are the
same. `[L1]` to `[L9]` in front is its priority, `[L0]` without: where events overlap the highest are on call, all of
them. An event of somebody who is not known here is nobody's shift, and gives way to any other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from itertools import islice

from exporters.oncall.people import User
from exporters.oncall.shift import Shift, each, last, merged, together
from thresholds.calendar import local
from thresholds.ical import Calendar, parse_calendar
from thresholds.spans import Span, clip, union

_PRIORITY = re.compile(r"\s*\[L(\d)\]\s*(.*)", re.IGNORECASE | re.DOTALL)
_MOST_EVENTS = 10_000  # in one span
_MOST_WARNINGS = 20
_SHOWN = 60  # characters of a title that is not ours


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar with shifts: at an address, from which it is fetched again and again, or from a file."""

    address: str = field(default="", repr=False)  # of many calendars it is a secret; "": it is a file's text
    refresh: float = 600.0  # s
    text: str = field(default="", repr=False)  # of a file, as it was read with the configuration
    name: str = ""  # what it may be called: the file as it was written, or the host

    @property
    def key(self) -> str:
        """What its text is kept under: the same for the same address, and says nothing of it."""
        return sha256(self.address.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class FeedShifts:
    """What a feed says of a span of time: who, and what of it cannot be understood."""

    shifts: tuple[Shift, ...] = ()
    warnings: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def read_feed(text: str, zone: tzinfo) -> Calendar:
    """The events of a feed, read once. ValueError says why it is no calendar: the copy before it is better then.

    `zone` is for dates and times that name none, in a calendar that names none either.
    """
    return parse_calendar(text, zone)


def shifts_of_feed(text: str, users: Mapping[str, User], zone: tzinfo, span: Span) -> FeedShifts:
    """Who is on call by a feed within a span. A feed that cannot be read puts nobody on call, and a warning says so."""
    try:
        events = _events(read_feed(text, zone), span)
    except ValueError as error:
        return FeedShifts(warnings=(str(error),))
    names = _names(users.values())
    strangers: dict[str, list[int]] = defaultdict(list)
    times: dict[int, dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))  # by priority and user
    for when, title in events:
        priority, people = _titled(title)
        for person in people:
            if user := names.get(person.casefold(), ""):
                times[priority][user].append(when)
            else:
                strangers[person].append(when[0])
    return FeedShifts(_shifts(times, users, span), tuple(_warnings(strangers, users, zone)))


def _events(calendar: Calendar, span: Span) -> list[tuple[Span, str]]:
    """When they are, and what they are called, in order. Only so many are ever worked out."""
    each_one = ((when, event.summary) for event in calendar.events for when in event.spans(span))
    found = list(islice(each_one, _MOST_EVENTS + 1))
    if len(found) > _MOST_EVENTS:
        raise ValueError(f"more than {_MOST_EVENTS} events in one span; ask for less time, or take some out")
    return sorted(found)


def _shifts(times: Mapping[int, Mapping[str, Sequence[Span]]], users: Iterable[str], span: Span) -> tuple[Shift, ...]:
    """Of all that overlap the highest priority, in the order of the users."""
    levels = [
        merged([each(clip(union(mine[user]), span), (user,)) for user in users if user in mine], span, together)
        for _, mine in sorted(times.items())
    ]
    return tuple(shift for shift in merged(levels, span, last) if shift.who)


def _titled(title: str) -> tuple[int, list[str]]:
    """The priority and the people of a title. One that is empty is somebody without a name."""
    match = _PRIORITY.fullmatch(title)
    priority, people = (int(match[1]), match[2]) if match else (0, title)
    return priority, [person for part in people.split(",") if (person := part.strip())] or [""]


def _names(users: Collection[User]) -> dict[str, str]:
    """Users by what they may be called: their names, their full names and their addresses, unless two are called so."""
    called = [
        (name.casefold(), user.name)
        for user in users
        for name in {user.full_name, *(address for address in user.contacts.values() if "@" in address)}
        if name
    ]
    owners = Counter(name for name, _ in dict.fromkeys(called))
    alone = {name: user for name, user in called if owners[name] == 1}
    return alone | {user.name.casefold(): user.name for user in users}


def _warnings(strangers: Mapping[str, Sequence[int]], users: Mapping[str, User], zone: tzinfo) -> Iterable[str]:
    for count, (person, starts) in enumerate(strangers.items()):
        if count == _MOST_WARNINGS:
            yield f"{len(strangers) - count} more titles name nobody who is known here"
            return
        when = local(min(starts), zone).isoformat(" ", "minutes")
        more = f" and {len(starts) - 1} more" if len(starts) > 1 else ""
        what = f"nobody is called {person[:_SHOWN]!r}" if person else "no title says who"
        yield f"{what} (event of {when}{more}): nobody's shift; {_meant(person, users)}"


def _meant(person: str, users: Mapping[str, User]) -> str:
    near = get_close_matches(person[:_SHOWN].casefold(), [name.casefold() for name in users], n=1)
    named = next((name for name in users if near and name.casefold() == near[0]), "")
    return f"did you mean {named}?" if named else "write the name or the e-mail address of a user as its title"
