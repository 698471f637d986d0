"""Incidents and silences in words, from what the service answers, made `plain` before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exporters.message import one_line
from probe.cli.upkeep_words import _table, moment

Json = Mapping[str, Any]
_TEXT = 200
_LONGEST = 4000  # characters of what people write
_CHECKS = 3


def plain(value: Any) -> Any:
    """An answer of which no text can steer a terminal."""
    if isinstance(value, str):
        return one_line(value, _LONGEST)
    if isinstance(value, dict):
        return {one_line(key, _TEXT): plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def listed(found: Json) -> str:
    """A line for each incident."""
    rows = [_row(one) for one in found["incidents"]]
    return "\n".join(_table(rows)) if rows else "no incident is open"


def _row(one: Json) -> Sequence[str]:
    return (
        f"#{one['number']}",
        one["level"].upper() if not one["ended"] else "over",
        one["severity"],
        _text(one["subject"]),
        moment(one["opened"]),
        moment(one["ended"]) if one["ended"] else one["status"],
        _by(one),
        _checks(one),
        _text(one["reason"]),
    )


def _by(one: Json) -> str:
    """Who takes care of it, or said that it is over."""
    who = _text(one["resolved_by"] if one["ended"] else one["acked_by"])
    return f"by {who}" if who else ""


def _checks(one: Json) -> str:
    names = one["checks"]
    more = f" and {len(names) - _CHECKS} more" if len(names) > _CHECKS else ""
    return _text(", ".join(names[:_CHECKS]) + more)


def line(one: Json) -> str:
    """How an incident stands after a deed."""
    until = f"until {moment(one['snoozed_until'])}" if one["snoozed_until"] else ""
    return " ".join(
        part for part in (f"#{one['number']} {_text(one['subject'])} is {one['status']}", _by(one), until) if part
    )


def fate(one: Json) -> str:
    """What became of one of several that somebody takes."""
    name = f"#{one['number']} {_text(one['subject'])}".strip()
    match one["outcome"]:
        case "acknowledged":
            return f"{name} is acknowledged by {_text(one['acked_by'])}"
        case "unknown":
            return f"there is no incident #{one['number']}"
    by = f", resolved by {_text(one['resolved_by'])}" if one["resolved_by"] else ""
    return f"{name} is over{by}"


def shown(one: Json) -> str:
    """All of an incident."""
    head = f"#{one['number']} {one['level'].upper()} {_text(one['subject'])}: {_text(one['reason'])}"
    lines = [head, line(one)]
    if one["held"]:
        lines.append(f"nobody is told: {_text(one['held'])}")
    if one["recurrence"]:
        lines.append(_text(one["recurrence"]))
    lines += ["", *(f"{name + ':':<6} {_text(text, 600)}" for name, text in one["five_w"].items() if text)]
    lines += ["", "CHECKS", *_table([_member(member) for member in one["members"][:50]])]
    if one["actions"]:
        lines += ["", "TO DO", *_table([_action(action) for action in one["actions"]])]
    lines += ["", "TIMELINE", *_table([_happening(each) for each in one["timeline"]])]
    if one["notices"]:
        lines += ["", "NOTICES", *_table([_notice(each) for each in one["notices"]])]
    return "\n".join(lines)


def _member(one: Json) -> Sequence[str]:
    ended = f"until {moment(one['ended'])}" if one["ended"] else ""
    return _text(one["check"]), one["worst"].upper(), moment(one["since"]), ended, _text(one["reason"])


def _action(one: Json) -> Sequence[str]:
    done = f"done {moment(one['done'])}" if one["done"] else "open"
    return str(one["id"]), done, _text(one["owner"]), one["due"], _text(one["text"])


def _happening(one: Json) -> Sequence[str]:
    return moment(one["at"]), one["deed"], _text(one["who"]), _text(one["text"], 400)


def _notice(one: Json) -> Sequence[str]:
    at = moment(one["at"]) if one["at"] else ""
    return at, one["kind"], _text(one["receiver"]), one["outcome"], str(one["attempts"]), _text(one["error"])


def silenced(made: Json) -> str:
    """What is silenced, and how to end it."""
    span = f"{moment(made['from'])} to {moment(made['to'])}"
    line = f"{made['id']} silences {_covered(made)} from {span}: {_text(made['reason'])}"
    return f"{line}\nended early by: probe silence end {made['id']}"


def unsilenced(made: Json) -> str:
    by = f", as {_text(made['ended_by'])} said" if made["ended_by"] else ""
    if made["from"] == made["to"]:
        return f"{made['id']} will not be{by}: {_text(made['reason'])}"
    return f"{made['id']} ended at {moment(made['to'])}{by}: {_text(made['reason'])}"


def _covered(one: Json) -> str:
    services = [f"service {pattern}" for pattern in one["services"]]
    labels = [f"{label}={value}" for label, value in one["labels"].items()]
    return _text(", ".join([*one["checks"], *services, *labels]))


def silences(found: Json) -> str:
    rows = [
        (
            one["id"],
            # Instants of one form, in one zone, are in the order of their texts.
            "on" if one["on"] else "to come" if one["from"] > found["at"] else "over",
            moment(one["from"]),
            moment(one["to"]),
            _covered(one),
            f"{_text(one['author'])}: {_text(one['reason'])}",
        )
        for one in found["silences"]
    ]
    return "\n".join(_table(rows)) if rows else "nothing is silenced"


def _text(text: str, limit: int = _TEXT) -> str:
    return one_line(text, limit)
