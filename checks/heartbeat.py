"""Heartbeat: a job that reports to us. Nothing is probed: docs/heartbeats.md says what is waited for."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from checks.core.net import Net
from checks.core.result import Trace
from checks.core.units import Duration, Rate, Size, parse_duration

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_KEY = re.compile(r"[A-Za-z0-9_-]{16,200}")
_OWN = ("run", "total")  # phases of every run
_YEAR = 366 * 86400.0  # s

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Span = Annotated[Duration, Field(ge=1, le=_YEAR)]


def parse_by(value: object) -> float | time:
    """`4h` as seconds, `06:00` as a time on the clock."""
    if isinstance(value, (float, time)):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if match := _CLOCK.fullmatch(text):
        return time(int(match[1]), int(match[2]))
    try:
        seconds = parse_duration(text)
    except ValueError:
        raise ValueError("wants a length after the due time, as in 4h, or a time of day, as in 06:00") from None
    if not 1 <= seconds <= _YEAR:
        raise ValueError("wants a length from 1s to 366d")
    return seconds


By = Annotated[
    float | time,
    PlainValidator(parse_by),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["4h", "06:00"]}),
]


class StageRule(BaseModel):
    """A key point that every run has to reach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] = Field(
        description="What the job calls it when it says that it is there."
    )
    within: Span | None = Field(default=None, description="How long after the run's beginning it may be reached.")
    due_by: By | None = Field(
        default=None, description="By when it is to be reached: a length after the due time, or a time of day."
    )

    @field_validator("name")
    @classmethod
    def _not_ours(cls, name: str) -> str:
        if name in _OWN:
            raise ValueError(f"{name} means the whole run; give the stage another name")
        return name


class Heartbeat(BaseModel):
    """A job that reports when it begins and ends; down when it does not, or says that it failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: Span | None = Field(default=None, description="It runs so often; counted from its last run.")
    cron: Line | None = Field(default=None, description="It runs by this schedule: five fields, as in `30 2 * * *`.")
    calendar: list[Line] = Field(
        default=[],
        max_length=50,
        description="It runs by these rules of RFC 5545 together: `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0`.",
    )
    zone: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = Field(
        default=None, description="Whose clock the schedule is of; that of the check unless given."
    )
    start_within: Span | None = Field(default=None, description="How long after it is due a run may begin.")
    max_run: Span | None = Field(
        default=None, description="How long a run may take; `grace` unless this or `finish_by` is given."
    )
    finish_by: By | None = Field(
        default=None,
        description="By when a run is to have succeeded: a length after it was due, or a time of day.",
    )
    grace: Span | None = Field(
        default=None,
        description="How late a run may be, and how long it may take, where nothing more exact is said. "
        "Unless given: 1h, or the time between two runs where that is less.",
    )
    min_interval: Span | None = Field(default=None, description="Runs that begin sooner one after the other are wrong.")
    max_concurrent: int | None = Field(default=None, ge=1, le=100, description="More runs at once are wrong.")
    stages: list[StageRule] = Field(
        default=[], max_length=50, description="Key points that every run has to reach, in their order."
    )
    keys: list[SecretStr] = Field(
        min_length=1,
        max_length=10,
        description="Secrets by which the job is known: part of its addresses. Several while they are being changed.",
        repr=False,
    )
    methods: Literal["any", "post"] = Field(
        default="any", description="`post`: what a chat or a mail scanner does with a link does not count as a ping."
    )
    failure: list[Word] = Field(default=[], max_length=50, description="Words in a body that make a success a failure.")
    success: list[Word] = Field(
        default=[], max_length=50, description="Words of which the body of a success needs one."
    )
    body: Size = Field(
        default=10_000,
        ge=0,
        le=100_000,
        json_schema_extra={"default": "10kB"},
        description="How much is kept of what a ping says.",
    )
    body_keep: Literal["last", "first"] = Field(default="last", description="Which end of a longer body is kept.")
    rate: Rate = Field(
        default=1.0, json_schema_extra={"default": "60/m"}, description="How many pings it may send; more are refused."
    )

    @field_validator("keys")
    @classmethod
    def _strong(cls, keys: list[SecretStr]) -> list[SecretStr]:
        for key in keys:
            if not _KEY.fullmatch(key.get_secret_value()):
                raise ValueError("a key is made of 16 to 200 letters, digits, _ and -; `uuidgen` makes one")
        return keys

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        given = [name for name in ("period", "cron", "calendar") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"wants one of period, cron and calendar, not {' and '.join(given) or 'none'}")
        if self.period and (self.finish_by is not None or any(stage.due_by is not None for stage in self.stages)):
            raise ValueError("finish_by and due_by are about a schedule; with period write max_run and within")
        names = [stage.name for stage in self.stages]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"two stages are called {twice}")
        return self

    @property
    def schedule(self) -> str:
        """The schedule as it was written, for people."""
        if self.period:
            return f"every {_plain(self.period)}"
        return f"cron {self.cron}" if self.cron else " + ".join(self.calendar)

    @property
    def target(self) -> str:
        return self.schedule + (f" {self.zone}" if self.zone and not self.period else "")

    @property
    def host(self) -> str:
        return ""  # there is none: it comes to us

    async def run(self, trace: Trace, net: Net) -> None:
        """Never called: no prober is given one."""
        raise NotImplementedError("a heartbeat is not probed")


def _plain(seconds: float) -> str:
    """`1h`, `90s`: as it would be written in a configuration."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"


CHECK = Heartbeat
METRICS = {"run", "heartbeat.late", "heartbeat.exit", "heartbeat.open"}
