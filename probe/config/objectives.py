"""Objectives as users write them: `{availability: 99.9%, over: 30d}`, `{latency: 95% under 800ms, over: 7d}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from checks.core.units import format_duration, parse_duration
from probe.config.bounds import LimitError, check_name, is_time
from probe.config.complaints import Complaints
from probe.config.fields import Ratio, parse_ratio
from thresholds.availability import Unknown
from thresholds.calendar import Unit
from thresholds.slo import Kind, Objective, Period

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it stands in names of alerts, and in addresses
_PACE = re.compile(r"(?P<share>\S+\s*%)\s+under\s+(?P<limit>\S+)")
_SHORTEST, _LONGEST = 3600.0, 366 * 86400.0  # s
_MOST = 20  # objectives of one service or check
_OF_AVAILABILITY, _OF_LATENCY = ("degraded_counts_as", "unknown"), ("metric",)


def parse_target(value: object) -> float:
    """`99.9%` as 0.999: a promise that can be kept and broken."""
    target = parse_ratio(value)
    if not 0 < target < 1:
        raise ValueError("wants more than 0% and less than 100%: the rest is the budget")
    return target


def parse_pace(value: object) -> tuple[float, float]:
    """`95% under 800ms` as (0.95, 0.8)."""
    match = _PACE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("wants a share of runs and a time, as in 95% under 800ms")
    share, limit = parse_target(match["share"]), parse_duration(match["limit"])
    if limit <= 0:
        raise ValueError("no run takes no time; write as in 95% under 800ms")
    return share, limit


def parse_period(value: object) -> Period:
    """`30d`, `month`. Whose month it is, is not known here yet."""
    if isinstance(value, str) and value in set(Unit):
        return Period(unit=Unit(value))
    try:
        seconds = parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"wants a length as in 30d, or a {', '.join(Unit)} of the calendar") from None
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError(f"wants from {format_duration(_SHORTEST)} to {format_duration(_LONGEST)}")
    return Period(rolling=seconds)


def parse_name(value: object) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ValueError("wants letters, digits and . _ -, at most 100, the first a letter or a digit")


Target = Annotated[
    float,
    PlainValidator(parse_target),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["99.9%", "99.95%"]}),
]
Pace = Annotated[
    tuple[float, float],
    PlainValidator(parse_pace),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*% +under +\S+$", "examples": ["95% under 800ms"]}),
]
Over = Annotated[
    Period, PlainValidator(parse_period), WithJsonSchema({"type": "string", "examples": ["7d", "30d", *Unit]})
]
ObjectiveName = Annotated[
    str, PlainValidator(parse_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]


class MinBadSlices(BaseModel):
    """Fewer bad runs, or times between runs, never alert, whatever the rate: one lost probe is no outage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long: int = Field(3, ge=1, le=1000, description="In the long window of an alert.")
    short: int = Field(2, ge=1, le=1000, description="In its short window.")


class ObjectiveSection(BaseModel):
    """What is promised of availability or of latency, and over which time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    availability: Target | None = Field(None, description="The share of time that it is up, as in 99.9%.")
    latency: Pace | None = Field(None, description="The share of good runs that are fast, as in 95% under 800ms.")
    over: Over = Field(
        description="The time up to now (7d, 30d), or the calendar's day, week, month, quarter or year in `zone`."
    )
    name: ObjectiveName | None = Field(
        None, description="Names it in alerts and metrics; made of what it says unless given, as in availability-30d."
    )
    metric: str = Field("total", description="Of latency: total, or a phase.")
    degraded_counts_as: Ratio = Field(
        1.0,
        json_schema_extra={"default": "100%"},
        description="Of availability: how much of a time that is DEGRADED counts as up.",
    )
    unknown: Unknown = Field(
        Unknown.MISSING,
        description="Of availability, what time without data counts as: `missing` as nothing, `ignore` as what was "
        "last known, `breaching` as down, `not_breaching` as up.",
    )
    min_bad_slices: MinBadSlices = Field(
        MinBadSlices(), description="How many runs must be bad before an alert on the budget's burn rate."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        wrong = Complaints()
        if self.availability is None and self.latency is None:
            wrong.add("promises nothing", "write availability: 99.9%, or latency: 95% under 800ms")
        if self.availability is not None and self.latency is not None:
            wrong.add("a second promise beside availability", "an objective has one", ("latency",))
        other, what = (_OF_AVAILABILITY, "latency") if self.latency is not None else (_OF_LATENCY, "availability")
        for key in other:
            if key in self.model_fields_set and (self.availability is None) is not (self.latency is None):
                wrong.add(f"{key} says nothing of {what}", "leave it out", (key,))
        if self.latency is not None:
            self._check_metric(wrong)
        wrong.tell()
        return self

    def _check_metric(self, wrong: Complaints) -> None:
        try:
            check_name(self.metric)
        except LimitError as error:
            wrong.add(str(error), error.hint, ("metric",))
        else:
            if not is_time(self.metric):
                wrong.add(f"{self.metric} is no time", "name total or a phase, as in ttfb", ("metric",))

    @property
    def called(self) -> str:
        """`monthly`; else what it says: `availability-30d`, `latency-800ms-month`, `ttfb-200ms-7d`."""
        if self.name is not None:
            return self.name
        over = self.over.unit or format_duration(self.over.rolling)
        if self.latency is None:
            return f"availability-{over}".replace(" ", "")
        what = "latency" if self.metric == "total" else self.metric
        return f"{what}-{format_duration(self.latency[1])}-{over}".replace(" ", "")


def _apart(sections: Sequence[ObjectiveSection]) -> Sequence[ObjectiveSection]:
    """Every one with a name of its own: alerts, metrics and what is kept of it go by it."""
    wrong = Complaints()
    names: set[str] = set()
    for index, section in enumerate(sections):
        if section.called in names:
            wrong.add(f"{section.called} is the name of another one", "give each a `name`", (index,))
        names.add(section.called)
    wrong.tell()
    return sections


Objectives = Annotated[list[ObjectiveSection], Field(max_length=_MOST), AfterValidator(_apart)]


def promised(sections: Iterable[ObjectiveSection], zone: str) -> tuple[Objective, ...]:
    """The objectives; calendar periods are those of a zone."""
    return tuple(_objective(section, zone) for section in sections)


def _objective(section: ObjectiveSection, zone: str) -> Objective:
    over = section.over if section.over.unit is None else replace(section.over, zone=zone)
    target, limit = section.latency or (section.availability or 0.0, 0.0)
    return Objective(
        name=section.called,
        target=target,
        over=over,
        kind=Kind.AVAILABILITY if section.latency is None else Kind.LATENCY,
        limit=limit,
        metric=section.metric,
        degraded_counts_as=section.degraded_counts_as,
        unknown=section.unknown,
        min_bad_long=section.min_bad_slices.long,
        min_bad_short=section.min_bad_slices.short,
    )
