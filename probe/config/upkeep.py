"""Maintenance as users write it: when it is, what it covers, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema

from checks.core.units import Duration
from probe.config.faults import Faults
from probe.config.fields import LabelName, Opening, Zone, names_zone
from probe.config.files import FileError, read_text
from probe.config.plan import LONGEST_NAME, NAME
from probe.config.sections import Label, Section
from probe.config.tree import Path, Table, folder_of, missing
from thresholds.calendar import parse_instant
from thresholds.hours import parse_hours
from thresholds.ical import Calendar, parse_calendar
from thresholds.maintenance import Cron, Mode, OneOff, Times, Window

_KINDS = ("when", "cron", "from", "ical")
_COVERED = ("checks", "services", "labels")
_LARGEST = 4 << 20  # bytes of a calendar
_MOST = 1000  # maintenances, and patterns of one
_LONGEST = 366 * 86400.0  # s

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def parse_cron(value: object) -> str:
    """Five fields of cron, as they are written."""
    text = value.strip() if isinstance(value, str) else ""
    Cron(text, "UTC", 1.0)
    return text


def parse_at(value: object) -> str:
    """A date and a time, as they are written. Whose clock they are of, is not known here yet."""
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise ValueError("wants a date and a time, as in 2026-12-01T02:00")
    parse_instant(text, "UTC")
    return text


CronText = Annotated[str, PlainValidator(parse_cron), WithJsonSchema({"type": "string", "examples": ["0 2 * * 0"]})]
At = Annotated[str, PlainValidator(parse_at), WithJsonSchema({"type": "string", "examples": ["2026-12-01T02:00"]})]


class MaintenanceSection(Section):
    """Planned work, once or again and again. It has one of `when`, `cron`, `from` and `ical`."""

    model_config = ConfigDict(populate_by_name=False)

    when: Opening | None = Field(None, description="Hours of the week, as in `Sun 02:00-04:00 Australia/Sydney`.")
    cron: CronText | None = Field(
        None, description="When it begins: five fields, as in `0 2 * * 0`. It `lasts` so long."
    )
    begins: At | None = Field(
        None, alias="from", description="When it begins, as in `2026-12-01T02:00`. With `to`, or `lasts`."
    )
    until: At | None = Field(None, alias="to", description="When it ends, as in `2026-12-01T04:00`.")
    lasts: Annotated[Duration, Field(ge=1, le=_LONGEST)] | None = Field(
        None, description="How long it takes, each time."
    )
    ical: FileName | None = Field(
        None,
        description="An iCalendar file whose events it is, from the folder of this file. It is read with the "
        "configuration.",
    )
    zone: Zone | None = Field(
        None, description="Whose clock its times are of, where they name none; that of `defaults` unless given."
    )
    checks: list[Pattern] = Field(
        [], max_length=_MOST, description="Checks that it covers, by names or patterns, as in `shop/*`."
    )
    services: list[Pattern] = Field(
        [], max_length=_MOST, description="Services that it covers, by names or patterns: of each, all checks."
    )
    labels: dict[LabelName, Label] = Field(
        {}, description="Labels that a check must have to be covered, all of them; a value may be a pattern."
    )
    mode: Mode = Field(
        Mode.MUTE, description="`mute`: checks run, and nobody is told of them. `pause`: they do not run."
    )
    slo: Literal["excluded", "counted"] = Field(
        "excluded", description="Whether its time counts for availability and objectives."
    )
    reason: Label = Field("", description="What for, in a line for people.")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A maintenance, and where it stands."""

    path: Path
    window: Window
    zoned: bool  # whether anybody said whose clock its times are of


def read_maintenance(section: object, zone: str | None, faults: Faults) -> list[Upkeep]:
    """What can be used of the section; what cannot is reported. `zone` is of times that name none, if anybody said."""
    if section is None:
        return []
    if not isinstance(section, Table):
        faults.error(("maintenance",), "wants a mapping, a name for each", "write {patching: {when: ..., checks: ...}}")
        return []
    if len(section) > _MOST:
        faults.error(("maintenance",), f"more than {_MOST:,}", "an iCalendar file holds many events", key=True)
        return []
    read = [_read(name, body, zone, faults) for name, body in section.items()]
    return [upkeep for upkeep in read if upkeep]


def _read(name: str, body: object, zone: str | None, faults: Faults) -> Upkeep | None:
    path = ("maintenance", name)
    before = len(faults.report.errors)
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        hint = f"letters, digits and . _ - in parts with / between them, {LONGEST_NAME} characters at most"
        faults.error(path, f"{name!r} is no name for a maintenance", hint, key=True)
    if not isinstance(body, Table):
        faults.error(path, "wants a mapping, `key: value`", "it says at least when, and which checks", key=True)
        return None
    section = faults.rescue(MaintenanceSection, body, path)
    if section is None or missing(body):
        return None
    _check_keys(body, path, faults)
    zone = section.zone or zone
    times = _times(section, zone or "UTC", path, faults) if len(faults.report.errors) == before else None
    if times is None:
        return None
    zoned = zone is not None or _names_zone(section, times)
    return Upkeep(path, _window(name, section, times), zoned)


def _names_zone(section: MaintenanceSection, times: Times) -> bool:
    """Whether its times say themselves whose clock they are of."""
    if isinstance(times, Calendar):
        return not times.floating
    if section.when is not None:
        return names_zone(section.when)
    instants = [datetime.fromisoformat(at) for at in (section.begins, section.until) if at is not None]
    return section.cron is None and all(at.tzinfo for at in instants)


def _window(name: str, section: MaintenanceSection, times: Times) -> Window:
    return Window(
        name,
        times,
        tuple(section.checks),
        tuple(section.services),
        section.labels,
        section.mode,
        section.slo == "excluded",
        section.reason,
    )


def _check_keys(body: Mapping[str, object], path: Path, faults: Faults) -> None:
    """One way to say when it is, with what belongs to it; and something that it covers."""
    given = [key for key in _KINDS if body.get(key) is not None]
    if not given:
        faults.error(path, "it is not said when", "write when: Sun 02:00-04:00, or from:, cron:, ical:", key=True)
    for key in given[1:]:
        faults.error((*path, key), f"a second time beside {given[0]}", "write another maintenance", key=True)
    if len(given) == 1:
        _check_length(given[0], body, path, faults)
    if not any(body.get(key) for key in _COVERED):
        hint = 'checks: ["*"] covers all'
        faults.error(path, "it covers nothing: it names no checks, services or labels", hint, key=True)


def _check_length(kind: str, body: Mapping[str, object], path: Path, faults: Faults) -> None:
    ways: Mapping[str, Sequence[str]] = {"from": ("to", "lasts"), "cron": ("lasts",)}
    ends = [key for key in ("to", "lasts") if body.get(key) is not None]
    for key in ends:
        if key not in ways.get(kind, ()):
            hint = "write lasts: 2h" if kind == "cron" else f"`{kind}` says when it ends; leave it out"
            faults.error((*path, key), f"does not go with {kind}", hint, key=True)
    if kind in ways and not ends:
        faults.error((*path, kind), "it never ends", " or ".join(f"{key}:" for key in ways[kind]) + " says when")
    if kind == "from" and len(ends) > 1:
        faults.error((*path, "lasts"), "a second end beside to", "write one of them", key=True)


def _times(section: MaintenanceSection, zone: str, path: Path, faults: Faults) -> Times | None:
    """When it is; None where that is wrong, which is reported at its key."""
    if section.when is not None:
        return parse_hours(section.when, zone)
    if section.ical is not None:
        return _calendar(section.ical, zone, (*path, "ical"), faults)
    lasts = section.lasts or 0.0
    if section.cron is not None:
        return Cron(section.cron, zone, lasts)
    start_ms = parse_instant(section.begins or "", zone)
    if section.until is None:
        return OneOff((start_ms, start_ms + round(lasts * 1000)))
    end_ms = parse_instant(section.until, zone, last=True)
    if end_ms <= start_ms:
        faults.error((*path, "to"), "it ends before it begins", "write the later time as to")
        return None
    return OneOff((start_ms, end_ms))


def _calendar(name: str, zone: str, path: Path, faults: Faults) -> Times | None:
    try:
        return parse_calendar(read_text(folder_of(faults.root, path) / name, name, _LARGEST), zone)
    except FileError as error:
        faults.error(path, str(error))
    except ValueError as error:
        faults.error(path, f"{name}: {error}")
    return None
