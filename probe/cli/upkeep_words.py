"""Maintenance and exclusions in words, from what the service answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exporters.message import one_line

Json = Mapping[str, Any]
_PATTERNS = 60  # characters of what is covered
_TEXT = 300
EACH = 3  # times of a maintenance that are shown one by one


def announced(made: Json) -> str:
    """What was announced, and how to end it."""
    doing = "mutes" if made["mode"] == "mute" else "pauses"
    counts = "" if made["slo"] == "excluded" else "; its time counts"
    lines = [f"{made['id']} {doing} {_checks(made)} {_from_to(made)}: {_text(made['reason'])}{counts}"]
    return "\n".join([*lines, f"ended early by: probe maintenance end {made['id']}"])


def ended(made: Json) -> str:
    by = f", as {_text(made['ended_by'])} said" if made["ended_by"] else ""
    if made["from"] == made["to"]:
        return f"{made['id']} will not be{by}: {_text(made['reason'])}"
    return f"{made['id']} ended at {moment(made['to'])}{by}: {_text(made['reason'])}"


def excluded(made: Json) -> str:
    """What does not count, and how to take it back."""
    line = f"{made['id']} leaves out {_checks(made)} {_from_to(made)}: {_text(made['reason'])}"
    return f"{line}\ntaken back by: probe exclusion withdraw {made['id']}"


def agenda(found: Json) -> str:
    """What is on, what comes, and what is over since a day, as a table each."""
    now = _table([_maintenance(one) for one in found["now"]])
    groups = _together(found["next"])
    coming = _table([_coming(group) for group in groups])
    over = _table([(*_maintenance(one), _closed("ended", one["ended_at"], one["ended_by"])) for one in found["past"]])
    more = found["total"] - sum(group[0]["times"] if _often(group[0]) else 1 for group in groups)
    return "\n".join(
        [
            "NOW" if now else "no maintenance now",
            *now,
            "",
            f"NEXT {found['days']} DAYS" if coming else f"none in the next {found['days']} days",
            *coming,
            *([f"and {more} more"] if more else []),
            *(["", "ENDED WITHIN A DAY", *over] if over else []),
        ]
    )


def _together(entries: Sequence[Json]) -> list[list[Json]]:
    """What comes often as one group with its next times; all else by itself. In the order of their beginning."""
    groups: dict[tuple[object, ...], list[Json]] = {}
    for number, one in enumerate(entries):
        key = one["source"], one["id"], one["reason"], None if _often(one) else number
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _often(one: Json) -> bool:
    return int(one["times"]) > EACH


def _coming(group: Sequence[Json]) -> Sequence[str]:
    """A maintenance, and when else it comes: `2017 times: then 02:10 UTC, 02:15 UTC`."""
    first, *others = group
    row = _maintenance(first)
    then = ", ".join(moment(one["from"]).removeprefix(moment(first["from"])[:11]) for one in others[: EACH - 1])
    again = f"{first['times']} times" + (f": then {then}" if then else "")
    return (*row[:4], again if _often(first) else "", *row[4:])


def exclusions(found: Json) -> str:
    rows = [_exclusion(one) for one in found["exclusions"]]
    return "\n".join(_table(rows)) if rows else "nothing is excluded"


def _maintenance(one: Json) -> Sequence[str]:
    counts = "" if one["slo"] == "excluded" else "counted"
    return (one["id"], one["mode"], *_span(one), _checks(one), _covers(one), counts, _why(one))


def _exclusion(one: Json) -> Sequence[str]:
    span = (moment(one["from"]), "withdrawn") if one["withdrawn"] else _span(one)
    gone = _closed("withdrawn", one["withdrawn_at"], one["withdrawn_by"])
    return (one["id"], *span, _checks(one), _covers(one), _why(one), gone)


def _closed(what: str, at: str | None, by: str) -> str:
    """`ended by ben 2026-11-22 03:12:40 UTC`; "" where nobody did."""
    return f"{what}{f' by {_text(by)}' if by else ''} {moment(at)}" if at else ""


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns under each other; a column without a word is left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*columns, strict=True)]


def _span(one: Json) -> tuple[str, str]:
    endless = "until it is ended" if one.get("source") == "announced" else "no end in sight"
    return moment(one["from"]), f"until {_end(one)}" if one["to"] else endless


def _from_to(made: Json) -> str:
    return f"from {moment(made['from'])} until {_end(made) if made['to'] else 'it is ended'}"


def _end(one: Json) -> str:
    """The end; of the same day its time alone."""
    whole, day = moment(one["to"]), moment(one["from"])[:11]
    return whole.removeprefix(day)


def moment(text: str) -> str:
    """`2026-11-22 04:00 UTC` of an instant as the API writes it; with seconds where there are some."""
    clock = text[11:19].removesuffix(":00")
    return f"{text[:10]} {clock} UTC"


def _checks(one: Json) -> str:
    count = one["covers"]["count"]
    return f"{count} check{'' if count == 1 else 's'}"


def _covers(one: Json) -> str:
    """`shop/* service shop tier=1`."""
    words: Iterable[str] = (
        *one["checks"],
        *(f"service {name}" for name in one["services"]),
        *(f"{label}={value}" for label, value in one["labels"].items()),
    )
    return one_line(" ".join(words), _PATTERNS)


def _why(one: Json) -> str:
    author = f" ({_text(one['author'])})" if one["author"] else ""
    return f"{_text(one['reason'])}{author}"


def _text(text: str) -> str:
    return one_line(text, _TEXT)
