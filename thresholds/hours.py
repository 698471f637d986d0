"""Hours of the week as people write them: `Mon-Fri 08:00-20:00 Australia/Sydney; not 12-25`. Pure.

Clauses, with `;` between them: weekdays, months, dates, times and a time zone, each kind once, in any order. What
stands in one clause holds together; a clause that begins with `not` takes away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from thresholds.calendar import local, named_zone, resolve
from thresholds.spans import Span, clip, union, without

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_TIMES = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
_WORDS = re.compile(r"[a-z]+(?:-[a-z]+)?")
_DATE = r"(?:\d{4}-)?\d\d-\d\d"
_DATES = re.compile(rf"{_DATE}(?:\.\.{_DATE})?")
_SHAPE = "write it as in Mon-Fri 08:00-20:00 Australia/Sydney"
_MIDNIGHT = 24 * 60
_ALL_DAY = ((0, _MIDNIGHT),)
_MOST_TEXT = 10_000
_MOST_DAYS = 40_000  # a century
_A_YEAR = 2000  # a leap year, in which dates of every year are looked at

DateRange = tuple[str, str]  # ISO dates, both included; without a year where they are of every year


@dataclass(frozen=True, slots=True)
class Clause:
    """Some days, and some times of each. An empty kind is no limit."""

    weekdays: frozenset[int] = frozenset()  # 0: Monday
    months: frozenset[int] = frozenset()
    dates: tuple[DateRange, ...] = ()
    times: tuple[tuple[int, int], ...] = ()  # minutes since midnight; an end that is not after its start: the next day
    zone: tzinfo | None = None
    negative: bool = False

    def holds(self, day: date) -> bool:
        """Whether a day is one of its days."""
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (not self.months or day.month in self.months)
            and (not self.dates or any(_among(day, dates) for dates in self.dates))
        )

    def spans(self, day: date) -> list[Span]:
        """Its times of one day: from the first time a wall clock shows the start, to the last time it shows the end."""
        assert self.zone is not None
        midnight = datetime.combine(day, time())
        found: list[Span] = []
        for start, end in self.times or _ALL_DAY:
            until = midnight + timedelta(minutes=end if start < end else end + _MIDNIGHT)
            # 24:00 is where the next day begins, even if clocks then go back over midnight.
            end_ms = resolve(until, self.zone, last=end != _MIDNIGHT)
            found.append((resolve(midnight + timedelta(minutes=start), self.zone), end_ms))
        return found


def _among(day: date, dates: DateRange) -> bool:
    first, last = dates
    shown = day.isoformat()[-len(first) :]
    return first <= shown <= last if first <= last else shown >= first or shown <= last


@dataclass(frozen=True, slots=True)
class Hours:
    """Times of the week, worked out for any span of time. `parse_hours` makes them."""

    text: str  # as it was written
    open: tuple[Clause, ...]
    days_off: tuple[Clause, ...] = ()  # what would begin on such a day does not
    shut: tuple[Clause, ...] = ()  # time that is taken away

    def __str__(self) -> str:
        return self.text

    def spans(self, within: Span) -> list[Span]:
        """The time in them within a span, in order. A range over midnight belongs to the day on which it begins."""
        found: list[Span] = []
        for clause in self.open:
            days = (day for day in _days(clause, within) if not any(off.holds(day) for off in self.days_off))
            found += [span for day in days for span in clause.spans(day)]
        shut = [span for clause in self.shut for day in _days(clause, within) for span in clause.spans(day)]
        return clip(without(union(found), union(shut)), within)

    def hold(self, at_ms: int) -> bool:
        """Whether an instant lies in them."""
        return bool(self.spans((at_ms, at_ms + 1)))


def _days(clause: Clause, within: Span) -> list[date]:
    """A clause's days that can have time within a span: one more at the start, for nights."""
    assert clause.zone is not None
    if within[0] >= within[1]:
        return []
    first = local(within[0], clause.zone).date() - timedelta(days=1)
    count = (local(within[1], clause.zone).date() - first).days + 1
    if count > _MOST_DAYS:
        raise ValueError(f"hours of {count} days at once are too many; ask for {_MOST_DAYS} days at most")
    return [day for day in (first + timedelta(days=n) for n in range(count)) if clause.holds(day)]


def parse_hours(text: str, zone: str | tzinfo | None = None) -> Hours:
    """Hours from their text; `zone` is for clauses that name none. ValueError says what is wrong, and what is right.

    Without a clause that does not begin with `not` they are all time less what is taken away.
    """
    if len(text) > _MOST_TEXT:
        raise ValueError(f"hours of {len(text)} characters are too long; at most {_MOST_TEXT}")
    clauses = [_clause(part) for part in text.split(";") if part.strip()]
    if not clauses:
        raise ValueError(f"hours are empty; {_SHAPE}")
    named = {clause.zone for clause in clauses if clause.zone}
    default = named.pop() if len(named) == 1 else named_zone(zone) if zone is not None else None
    days_off = tuple(clause for clause in clauses if clause.negative and not clause.times and not clause.zone)
    timed = [_placed(clause, default, text) for clause in clauses if clause not in days_off]
    opened = tuple(clause for clause in timed if not clause.negative)
    shut = tuple(clause for clause in timed if clause.negative)
    return Hours(text.strip(), opened or (_placed(Clause(), default, text),), days_off, shut)


def _placed(clause: Clause, default: tzinfo | None, text: str) -> Clause:
    zone = clause.zone or default
    if zone is None:
        raise ValueError(f"no one time zone in {text.strip()[:80]!r}; {_SHAPE}, in each clause where they differ")
    return replace(clause, zone=zone)


def _clause(text: str) -> Clause:
    negative, body = _sign(text)
    found: dict[str, Any] = {}
    for word in re.sub(r"\s*,\s*", ",", re.sub(r"(?<=\w)\s+-\s+(?=\w)", "-", body)).split():
        kind, value = _kind(word)
        if kind in found:
            raise ValueError(
                f"two lots of {kind} in {text.strip()[:80]!r}; put a comma between them, or ; for a clause"
            )
        found[kind] = value
    if negative and not found:
        raise ValueError("'not' without what is taken away; write it as in not 12-25, or not Sun 02:00-04:00")
    return Clause(**found, negative=negative)


def _sign(text: str) -> tuple[bool, str]:
    first, _, rest = text.strip().partition(" ")
    return (True, rest) if first.lower() == "not" else (False, text.strip())


def _kind(word: str) -> tuple[str, Any]:
    """What a word of a clause is about, and its value."""
    parts = word.lower().split(",")
    if word.lower() == "daily":
        return "weekdays", frozenset(range(7))
    if all(":" in part for part in parts):
        return "times", tuple(_times(part) for part in parts)
    if all(_DATES.fullmatch(part) for part in parts):
        return "dates", tuple(_dates(part) for part in parts)
    for kind, names, first in (("weekdays", _DAYS, 0), ("months", _MONTHS, 1)):
        ranges = [_range(part, names) for part in parts]
        if all(ranges):
            return kind, frozenset(first + number for numbers in ranges for number in numbers)
    if _WORDS.fullmatch(parts[0]) and len(parts) > 1:
        wrong = next(part for part in parts if not _range(part, _DAYS) and not _range(part, _MONTHS))
        raise ValueError(f"{wrong[:40]!r} is no day and no month; {_SHAPE}")
    try:
        return "zone", named_zone(word)
    except ValueError as error:
        raise ValueError(f"{word[:60]!r} is no day, month, date or time, and {error}") from None


def _range(text: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """`fri-mon` as numbers, also over the end of the week or of the year; () where a name is none."""
    first, _, last = text.partition("-")
    both = [_number(name, names) for name in (first, last or first)]
    if None in both or text.endswith("-"):
        return ()
    start, end = both[0] or 0, both[1] or 0
    return tuple((start + step) % len(names) for step in range((end - start) % len(names) + 1))


def _number(name: str, names: tuple[str, ...]) -> int | None:
    return next((at for at, whole in enumerate(names) if name in (whole[:3], whole)), None)


def _times(text: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(text)
    start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (_MIDNIGHT, 0)
    if start >= _MIDNIGHT or end > _MIDNIGHT:
        raise ValueError(f"{text[:40]!r} is no range of times; write it as in 08:00-20:00, up to 24:00")
    if start == end:
        raise ValueError(f"{text} is empty or a whole day; write 00:00-24:00 for a whole day")
    return start, end


def _dates(text: str) -> DateRange:
    first, _, last = text.partition("..")
    last = last or first
    for day in (first, last):
        try:
            date.fromisoformat(day if len(day) == len("2026-12-25") else f"{_A_YEAR}-{day}")
        except ValueError:
            raise ValueError(f"{day} is no date of the calendar; write 2026-12-25, or 12-25 for every year") from None
    if len(first) != len(last):
        raise ValueError(f"{text}: one has a year and the other has none; write 2026-12-24..2027-01-02")
    if len(first) == len("2026-12-25") and first > last:
        raise ValueError(f"{text} ends before it begins; write the earlier date first")
    return first, last
