"""What a channel is told of a schedule: who takes over, or who is on call for some time to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporters.oncall.announce import About
from exporters.oncall.roster import Roster
from exporters.oncall.shift import Shift, Who
from thresholds.calendar import local
from thresholds.spans import Span

NOBODY = "nobody"
_MOST = 40  # lines
_SHOWN = "%a %d %b %H:%M"
_WORDS = {About.NOW: "now", About.DAY: "the next day", About.WEEKEND: "the weekend", About.WEEK: "the next week"}


@dataclass(frozen=True, slots=True)
class Words:
    """A subject, and lines."""

    title: str
    text: str


def people(roster: Roster, who: Iterable[str]) -> str:
    """`Ana Ruiz, Bo Lind`; `nobody`."""
    return ", ".join(roster.users[name].shown if name in roster.users else name for name in who) or NOBODY


def handed_over(roster: Roster, schedule: str, before: Who, shift: Shift, *, late: bool, endless: bool) -> Words:
    """Somebody else is on call since `shift` began. `endless`: nobody knows when it ends."""
    zone = roster.schedules[schedule].zone
    now, then = people(roster, shift.who), people(roster, before)
    since = (
        f"since {_at(shift.start_ms, schedule, roster)}" if late else f"from {_at(shift.start_ms, schedule, roster)}"
    )
    until = "" if endless else f" to {_at(shift.end_ms, schedule, roster)}"
    lines = [f"{now} {since}{until} ({zone}), after {then}."]
    if late:
        lines.append("This comes late: Probe was not running when it changed.")
    return Words(f"{'late: ' if late else ''}on call in {schedule}: {now}", "\n".join(lines))


def ahead(roster: Roster, schedule: str, about: About, span: Span, shifts: Sequence[Shift], *, late: bool) -> Words:
    """Who is on call in a span of time, gaps included."""
    zone = roster.schedules[schedule].zone
    if about is About.NOW:
        now = people(roster, shifts[0].who if shifts else ())
        title, lines = f"on call in {schedule}: {now}", [f"{now}, as of {_at(span[0], schedule, roster)} ({zone})."]
    else:
        title = f"on call in {schedule}, {_WORDS[about]} from {_at(span[0], schedule, roster)}"
        lines = [_line(roster, schedule, one) for one in shifts[:_MOST]]
        lines += [f"and {len(shifts) - _MOST} more shifts"] if len(shifts) > _MOST else []
        lines.append(f"Times are of {zone}.")
    if late:
        lines.append("This comes late: Probe was not running at its time.")
    return Words(f"late: {title}" if late else title, "\n".join(lines))


def _line(roster: Roster, schedule: str, shift: Shift) -> str:
    return (
        f"{_at(shift.start_ms, schedule, roster)} to {_at(shift.end_ms, schedule, roster)}: {people(roster, shift.who)}"
    )


def _at(at_ms: int, schedule: str, roster: Roster) -> str:
    return local(at_ms, roster.schedules[schedule].zone).strftime(_SHOWN)


def tiled(roster_shifts: Sequence[Shift], span: Span) -> list[Shift]:
    """Shifts with the gaps between them as shifts of nobody."""
    tiles: list[Shift] = []
    at_ms = span[0]
    for shift in roster_shifts:
        if shift.start_ms > at_ms:
            tiles.append(Shift(at_ms, shift.start_ms, ()))
        tiles.append(shift)
        at_ms = shift.end_ms
    if at_ms < span[1]:
        tiles.append(Shift(at_ms, span[1], ()))
    return tiles
