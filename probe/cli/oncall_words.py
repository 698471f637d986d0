"""Who is on call, in words. Times are of the schedule's clock, or of the user's own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from exporters.message import one_line
from probe.cli.upkeep_words import _table, moment
from thresholds.calendar import named_zone

Json = Mapping[str, Any]
_TEXT = 300
_SHOWN = "%a %Y-%m-%d %H:%M"


def who(found: Json) -> str:
    """A line for each schedule."""
    rows = [_now(one) for one in found["schedules"]]
    return "\n".join(_table(rows)) if rows else "there is no schedule"


def _now(one: Json) -> Sequence[str]:
    zone = named_zone(one["zone"])
    until = f"until {_at(one['until'], zone)} {one['zone']}" if one["until"] else "for months to come"
    later = f"then {_people(one['next'])}" if one["until"] else ""
    gap = "GAP" if one["gap"] else ""
    return _text(one["schedule"]), _people(one["people"]), until, later, gap


def coming(found: Json) -> str:
    """The shifts of one user."""
    zone = named_zone(found["zone"])
    if not found["shifts"]:
        return f"{_text(found['name'])} is not on call in the next {found['days']} days"
    rows = [
        ("now" if one["on"] else "", _text(one["schedule"]), _at(one["from"], zone), f"to {_at(one['to'], zone)}")
        for one in found["shifts"]
    ]
    return "\n".join([*_table(rows), f"times are of {found['zone']}"])


def gaps(found: Json) -> str:
    """When nobody is on call, by schedule."""
    rows = [
        (_text(one["schedule"]), _at(one["from"], zone), f"to {_at(one['to'], zone)}", one["zone"])
        for one in found["gaps"]
        for zone in [named_zone(one["zone"])]
    ]
    if not rows:
        return f"somebody is on call at all times that it takes, in the next {found['days']} days"
    return "\n".join(["nobody is on call:", *_table(rows)])


def findings(found: Json) -> str:
    """What will not do, a line each."""
    lines = [
        f"{_text(one['place'])}: {_text(one['text'])}{'; ' + _text(one['remedy']) if one['remedy'] else ''}"
        for one in found["findings"]
    ]
    return "\n".join(lines) or "nothing is wrong with it"


def overridden(made: Json) -> str:
    """What an override does, and how it is ended."""
    where = f"in {_text(made['schedule'])}" if made["schedule"] else "in every schedule"
    line = f"{made['id']} {_changes(made)} {where} from {moment(made['from'])} until {moment(made['to'])}"
    return f"{line}: {_text(made['reason'])}\nended early by: probe oncall override end {made['id']}"


def ended(made: Json) -> str:
    if made["from"] == made["to"]:
        return f"{made['id']} will not be: {_text(made['reason'])}"
    return f"{made['id']} ended at {moment(made['to'])}: {_text(made['reason'])}"


def overrides(found: Json) -> str:
    rows = [
        (
            one["id"],
            "on" if one["on"] else "",
            _text(one["schedule"] or "all"),
            moment(one["from"]),
            f"until {moment(one['to'])}",
            _changes(one),
            f"{_text(one['reason'])} ({_text(one['author'])})",
        )
        for one in found["overrides"]
    ]
    return "\n".join(_table(rows)) if rows else "no override is on or to come"


def _changes(one: Json) -> str:
    """`puts bo in ana's place`, `adds cy`, `takes bo out`."""
    words: Iterable[str] = (
        *(f"puts {after} in the place of {before}" for before, after in one["replace"].items()),
        *([f"adds {', '.join(one['add'])}"] if one["add"] else []),
        *([f"takes {', '.join(one['remove'])} out"] if one["remove"] else []),
    )
    return _text(", ".join(words))


def _people(people: Sequence[Json]) -> str:
    shown = (one["name"] if one["name"] == one["user"] else f"{one['name']} ({one['user']})" for one in people)
    return _text(", ".join(shown)) or "nobody"


def _at(text: str, zone: tzinfo) -> str:
    """An instant of the API, as a clock shows it."""
    return datetime.fromisoformat(text).astimezone(zone).strftime(_SHOWN)


def _text(text: str) -> str:
    return one_line(text, _TEXT)
