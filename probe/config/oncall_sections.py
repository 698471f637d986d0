"""On-call as users write it: people, whose turn it is, who is on call when, and who is told next."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from checks.core.units import Duration
from exporters.oncall.announce import About, parse_moments
from exporters.oncall.rotation import LONGEST, Period
from probe.config.fields import Opening, Zone
from probe.config.sections import Label, Section, Word
from probe.config.upkeep import At

_EVERY = re.compile(r"(?:(\d{1,5})\s+)?(hour|day|week|month)s?")
_MOST = 1000  # entries of one list
_A_WEEK = 7 * 86400.0


def parse_every(value: object) -> tuple[int, Period]:
    """`1 week`, `12 hours`, `month`: on the wall clock, so a day is no number of seconds."""
    if isinstance(value, tuple):
        return value
    match = _EVERY.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("wants a number of hours, days, weeks or months, as in 1 week or 12 hours")
    every, period = int(match[1] or 1), Period(match[2])
    if not 1 <= every <= LONGEST[period]:
        raise ValueError(f"wants 1 to {LONGEST[period]} {period}s")
    return every, period


def parse_wall_clock(value: object) -> datetime:
    """`2026-11-02T09:00` on a wall clock; whose it is, is said by a zone elsewhere."""
    if isinstance(value, datetime):
        return value
    try:
        shown = datetime.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("wants a date and a time, as in 2026-11-02T09:00") from None
    if shown.tzinfo is not None:
        raise ValueError("a handoff is on the wall clock of `zone`; leave the offset out, as in 2026-11-02T09:00")
    if not 1900 <= shown.year <= 9000:
        raise ValueError("wants a year of our times")
    return shown.replace(microsecond=0)


def parse_announced(value: object) -> str:
    """`Fri 16:00`, as it is written."""
    text = value.strip() if isinstance(value, str) else ""
    parse_moments(text)
    return text


def _listed(value: object) -> object:
    """One text is a list of one."""
    return [value] if isinstance(value, str) else value


Every = Annotated[
    tuple[int, Period],
    PlainValidator(parse_every),
    PlainSerializer(lambda value: f"{value[0]} {value[1]}{'s' if value[0] > 1 else ''}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_EVERY.pattern}$", "examples": ["1 week", "12 hours", "1 month"]}),
]
WallClock = Annotated[
    datetime,
    PlainValidator(parse_wall_clock),
    WithJsonSchema({"type": "string", "examples": ["2026-11-02T09:00"]}),
]
Announced = Annotated[
    str, PlainValidator(parse_announced), WithJsonSchema({"type": "string", "examples": ["Fri 16:00", "09:00"]})
]
TargetList = Annotated[
    list[Word],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=_MOST),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
UserList = Annotated[
    list[Word],
    BeforeValidator(_listed),
    Field(max_length=_MOST),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
CalendarAddress = Annotated[
    SecretStr,  # of many calendars the address is all that it takes to read them
    Field(min_length=1, max_length=2000),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["https://calendar.example/oncall.ics"]}),
]
Pause = Annotated[Duration, Field(ge=0, le=_A_WEEK)]


class ContactRuleSection(Section):
    """One way to reach a person, and when it is taken."""

    by: Word = Field(description="One of the person's contacts.")
    after: Pause = Field(
        0.0, json_schema_extra={"default": "0s"}, description="How long after they are told first, unless acknowledged."
    )
    severity: Literal["page", "ticket", "log"] = Field(
        "log", description="From which severity on: `page` for pages alone, `log` for everything."
    )
    level: Literal["degraded", "down"] = Field("degraded", description="From which level on.")


class UserSection(Section):
    """A person who can be on call, or a desk where somebody sits."""

    name: Label = Field("", description="What people call them; the key unless given.")
    zone: Zone | None = Field(None, description="Whose clock they live by; that of `defaults` unless given.")
    contacts: dict[str, Annotated[SecretStr, Field(min_length=1, max_length=1000)]] = Field(
        {}, description="Where they are reached: an address by the name of a receiver, as in `mail: ana@shop.example`."
    )
    notify: list[ContactRuleSection] = Field(
        [],
        max_length=_MOST,
        description="By which contact they are told, and after how long. Unless given: by all of them, at once.",
    )


class LineUpSection(Section):
    """From an instant on other people take turns. What was before stays as it was."""

    since: At = Field(description="From when on, as in `2027-01-04T09:00`. The first of `users` takes over right then.")
    users: list[Word] = Field(min_length=1, max_length=_MOST, description="Who takes turns from then on, in order.")
    every: Every | None = Field(
        None, description="How long a turn is from then on; handoffs are then counted from `since`."
    )


class RotationSection(Section):
    """People who take turns. Handoffs are on the wall clock of `zone`, also when clocks change."""

    zone: Zone | None = Field(None, description="Whose wall clock handoffs are on; that of `defaults` unless given.")
    start: WallClock = Field(
        description="A handoff, at which the first of `users` takes over, as in `2026-11-02T09:00`. The others are "
        "counted from it, forwards and backwards."
    )
    every: Every = Field(
        (1, Period.WEEK),
        json_schema_extra={"default": "1 week"},
        description="How long a turn is: so many hours, days, weeks or months.",
    )
    users: list[Word] = Field(min_length=1, max_length=_MOST, description="Who takes turns, in order.")
    changes: list[LineUpSection] = Field(
        [],
        max_length=_MOST,
        description="Later line-ups, the earliest first. To change `users` would deal the past anew.",
    )


class LayerSection(Section):
    """Who is on call, and when. It has `who`, or `ical`."""

    who: TargetList | None = Field(
        None, description="Users and rotations, together: `rotation:primary`, or `[user:ana, rotation:second]`."
    )
    when: Opening | None = Field(
        None, description="Hours to which it is limited, as in `Mon-Fri 09:00-18:00`; always unless given."
    )
    ical: CalendarAddress | None = Field(
        None,
        description="A calendar whose events are the shifts: an address (https://...), or a file from the folder of "
        "this one, which is read with the configuration.",
    )
    refresh: Annotated[Duration, Field(ge=60, le=86400)] = Field(
        600.0, description="How often the calendar is fetched from its address."
    )


class OverrideSection(Section):
    """For some time somebody else is on call."""

    model_config = ConfigDict(populate_by_name=False)

    begins: At = Field(alias="from", description="When it begins, as in `2026-12-24T18:00`.")
    until: At = Field(alias="to", description="When it ends, as in `2026-12-27T09:00`.")
    replace: dict[str, Word] = Field(
        {}, description="Who takes over from whom, wherever that one is on call: `{ana: bo}`."
    )
    add: UserList = Field([], description="Users who are on call beside the others.")
    remove: UserList = Field([], description="Users who are not on call.")
    reason: Label = Field("", description="What for, in a line for people.")


class AnnounceSection(Section):
    """Who is told of a schedule, and when: on every change, or at times of the week."""

    to: Word = Field(description="A receiver.")
    on: Literal["change"] | None = Field(None, description="`change`: whenever somebody else is on call.")
    at: Announced | None = Field(
        None, description="Days and a time on the schedule's clock, as in `Fri 16:00`, or `09:00` for each day."
    )
    what: About | None = Field(
        None,
        description="Which time it is about, with `at`: who is on call `now`, the next `day`, `weekend` or `week`.",
    )


class ScheduleSection(Section):
    """Who is on call, and when: the last layer that has somebody wins, and overrides above all layers."""

    zone: Zone | None = Field(None, description="Whose clock its times are of; that of `defaults` unless given.")
    layers: list[LayerSection] = Field(
        min_length=1, max_length=_MOST, description="Who is on call. Of all that have somebody at a time the last wins."
    )
    overrides: list[OverrideSection] = Field(
        [], max_length=_MOST, description="Exceptions for some time, one after the other."
    )
    announce: list[AnnounceSection] = Field([], max_length=_MOST, description="Which channels are told who is on call.")
    covers: Opening | None = Field(
        None, description="When somebody has to be on call; always unless given. Only gaps in this time are warned of."
    )


class StepSection(Section):
    """Who is told in one step of an escalation, unless somebody has acknowledged by then."""

    notify: TargetList = Field(
        description="Who is told: `schedule:prodops`, `rotation:primary`, `user:ana`, or a receiver; one, or several."
    )
    after: Pause = Field(
        0.0, json_schema_extra={"default": "0s"}, description="How long after the first step of the round."
    )
    multi_ack: bool = Field(
        False, description="An acknowledgement by one of them leaves the others of this step to be told."
    )


class AckSection(Section):
    """What becomes of an acknowledgement while the incident lasts."""

    remind: Annotated[Duration, Field(ge=60, le=_A_WEEK)] | None = Field(
        None, description="How often whoever acknowledged is reminded that it lasts; never unless given."
    )
    unack_after: Annotated[Duration, Field(ge=60, le=_A_WEEK)] | None = Field(
        None,
        description="How long after a reminder that nobody answers it counts as unacknowledged; never unless given.",
    )


class EscalationSection(Section):
    """Who is told next while nobody acknowledges."""

    steps: list[StepSection] = Field(min_length=1, max_length=100, description="Steps in the order of their `after`.")
    repeat: int = Field(
        0, ge=0, le=100, description="How often all steps are gone through again, after the first time."
    )
    again: Annotated[Duration, Field(ge=60, le=_A_WEEK)] = Field(
        1800.0, description="How long after the last step the next round begins."
    )
    ack: AckSection = Field(AckSection(), description="What becomes of an acknowledgement while the incident lasts.")
