"""Who would hear of a failure, in words, from what the service answers, made `plain` before. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.core.units import format_duration
from exporters.message import one_line
from probe.cli.upkeep_words import _table, moment

Json = Mapping[str, Any]
_TEXT = 200
_CHECKS = 3


def routed(found: Json) -> str:
    """Who would hear of it, when and why, and what would keep it from them."""
    lines = [
        f"{found['check']} {found['level'].upper()} ({found['severity']}) at {moment(found['at'])}",
        *_beside(found),
    ]
    lines += ["", *_table([_route(one) for one in found["routes"]])]
    told = sorted([*map(_held, found["held"]), *map(_hears, found["hears"])], key=lambda row: row[0])
    lines += ["", *_table([row[1:] for row in told])] if told else []
    if not found["hears"]:
        lines += ["", "nobody hears of it"] if not told else ["nobody hears of it"]
    lines += [_text(note) for note in found["notes"]]
    aside = [
        *map(_gathered, found["gathered"]),
        *map(_depends, found["depends_on"]),
        *map(_inhibited, found["inhibited_by"]),
    ]
    aside += [_storm(found["storm"])] if found["storm"] and found["gathered"] else []
    return "\n".join([*lines, "", *aside] if aside else lines)


def _beside(found: Json) -> Iterator[str]:
    """What holds at that instant, beside the failure."""
    if found["with"]:
        yield f"with {', '.join(f'{_text(name)} {level.upper()}' for name, level in found['with'].items())}"
    for one in found["maintenance"]:
        reason = f": {_text(one['reason'])}" if one["reason"] else ""
        yield f"maintenance {_text(one['name'])} ({one['mode']}) lets no incident begin{reason}"
    if found["maintenance"]:
        until = found["maintenance_until"]
        yield f"it begins at {moment(until)}, if it lasts" if until else "no end of that is in sight"
    if found["silenced"]:
        silence = found["silenced"]
        yield f"silenced by {_text(silence['author'])} ({silence['id']}): {_text(silence['reason'])}"
    if found["quiet_until"]:
        yield f"quiet hours: told at {moment(found['quiet_until'])}"


def _route(one: Json) -> Sequence[str]:
    return one["route"], "taken" if one["taken"] else "-", ", ".join(one["to"]), _text(one["why"])


def _when(after: float) -> str:
    return f"after {format_duration(after)}" if after else "at once"


def _held(one: Json) -> tuple[float, str, str, str, str]:
    lasts = f"for {format_duration(one['until'] - one['after'])}" if one["until"] is not None else "while that lasts"
    return one["after"], _when(one["after"]), "not told", lasts, _text(one["why"])


def _hears(one: Json) -> tuple[float, str, str, str, str]:
    return one["after"], _when(one["after"]), one["kind"], one["receiver"], _text(one["why"])


def _gathered(one: Json) -> str:
    """What it is told with."""
    if one["digest"]:
        said = "a line of a digest, as there are so many new incidents"
    elif one["by"] is None:
        said = "told by itself"
    elif one["by"]:
        said = f"told with all of {', '.join(f'{_text(name)}={_text(value)}' for name, value in one['by'].items())}"
    else:
        said = "told with all that takes this route"
    wait = f"first after {format_duration(one['wait'])}" if one["wait"] else "first at once"
    often = (
        f", changes every {format_duration(one['interval'])} at most" if one["digest"] or one["by"] is not None else ""
    )
    again = f", again every {format_duration(one['repeat'])}" if one["repeat"] else ""
    return f"{one['route']}: {said}, {wait}{often}{again}"


def _depends(one: Json) -> str:
    name, every = _text(one["name"]), format_duration(one["every"])
    if one["level"] == "down":
        return f"depends on {name}, which is DOWN"
    return f"depends on {name}: not told while that is DOWN; waits for its next run, which comes every {every}"


def _inhibited(one: Json) -> str:
    more = one["count"] - _CHECKS
    names = ", ".join(_text(name) for name in one["checks"][:_CHECKS]) + (f" and {more} more" if more > 0 else "")
    same = ", ".join(f"{_text(label)}={_text(value)}" for label, value in one["equal"].items())
    among = f", with the same {same}" if same else ""
    like = ", ".join(f"{_text(label)}={_text(_wanted(value))}" for label, value in one["source"].items())
    if not one["count"]:
        return f"{one['rule']} ({like}): no check could keep it back{among}"
    return f"{one['rule']} ({like}): not told while there is such an incident, of {names}{among}"


def _wanted(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " or ".join(value)


def _storm(one: Json) -> str:
    every = format_duration(one["every"])
    return f"with more than {one['over']} new incidents within a minute it is a line of a digest, every {every}"


def _text(text: str) -> str:
    return one_line(text, _TEXT)
