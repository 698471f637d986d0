"""Limits on a number, as users write them and as what they are: `{degraded: 800ms, down: 5s}`, `{down: 3}`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from checks import metrics
from checks.core.units import Duration, parse_duration
from probe.config.fields import Ratio
from probe.config.problems import nearest
from thresholds.base import Aggregate

# For the sake of a typo: a threshold on "tfb" or "tls.day_left" would never fire and never say so.
METRICS = metrics()
COUNTED = (Aggregate.FAILURES, Aggregate.FAILURE_RATIO)  # of runs, not of a number that they have
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_LOWER_IS_WORSE = ".days_left"


def _number(value: object) -> float | str:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    raise ValueError("wants a length as in 800ms, or a number")


Number = Annotated[
    float | str, PlainValidator(_number), WithJsonSchema({"type": ["string", "number"], "examples": ["800ms", 21]})
]


class Limit(BaseModel):
    """Limits on a number. Times are lengths (`800ms`), facts are numbers (`21`), shares percentages (`5%`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    degraded: Number | None = Field(None, description="Past this the run is DEGRADED.")
    down: Number | None = Field(None, description="Past this the run is DOWN.")
    worse: Literal["lower", "higher"] | None = Field(
        None,
        description="Which way is worse. Said by `degraded` and `down` where both are given; "
        "else `*.days_left` is worse when lower, and everything else when higher.",
    )
    min_samples: int = Field(
        5, ge=1, le=100_000, description="Of a window: fewer runs than these say nothing about it."
    )
    hysteresis: Ratio = Field(
        0.1,
        json_schema_extra={"default": "10%"},
        description="Of a window: a level that holds is left once the value is better than its limit by this share.",
    )
    floor: Duration = Field(
        0.1, ge=0, description="Of a baseline: what it must be over the usual besides, however steady that is."
    )
    floor_ratio: Ratio = Field(
        0.3,
        json_schema_extra={"default": "30%"},
        description="Of a baseline: the share of the usual by which it must be over that besides.",
    )
    bucket: Duration = Field(
        3600.0, ge=300, le=3600, description="Of a baseline: how long a time is judged as one; two in a row count."
    )


class LimitError(Exception):
    """A limit that says nothing. `key` is () or the one key that is wrong."""

    def __init__(self, message: str, hint: str = "", key: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.key = (key,) if key else ()


def limits(
    metric: str, limit: Limit, read: Callable[[str, float | str | None], float | None]
) -> tuple[float | None, float | None, bool]:
    """Both limits, and whether lower is worse."""
    degraded, down = read("degraded", limit.degraded), read("down", limit.down)
    if degraded is None and down is None:
        raise LimitError("no limit", "give degraded, down, or both")
    if degraded == down:
        raise LimitError("degraded and down are the same", "give one of them, or different values")
    lower = metric.endswith(_LOWER_IS_WORSE)
    if degraded is not None and down is not None:
        lower = down < degraded
    if limit.worse is not None:
        if degraded is not None and down is not None and lower != (limit.worse == "lower"):
            wanted = "under" if limit.worse == "lower" else "over"
            raise LimitError(f"down must lie {wanted} degraded where {limit.worse} is worse", key="worse")
        lower = limit.worse == "lower"
    if lower and is_time(metric):
        what, longer = ("fewer failures", "larger") if metric in set(COUNTED) else ("a shorter time", "longer")
        raise LimitError(f"{what} would be worse", f"down is the {longer} of the two")
    return degraded, down, lower


def check_name(metric: str) -> None:
    if not _NAME.fullmatch(metric):
        raise LimitError("no metric", "name total, a phase (ttfb), or a fact (tls.days_left)")
    if metric not in METRICS:
        near = nearest(metric, sorted(METRICS))
        hint = f"did you mean {near}?" if near else f"runs have {', '.join(sorted(METRICS))}"
        raise LimitError(f"no run has a phase or a numeric fact {metric}", hint)


def is_time(metric: str) -> bool:
    """Whether a metric is the whole run or a phase of it; facts have a dot in their names."""
    return "." not in metric


def value_of(metric: str, key: str, value: float | str | None) -> float | None:
    if value is None:
        return None
    if not is_time(metric):
        try:
            if math.isfinite(number := float(value)):
                return number
        except ValueError:
            pass
        raise LimitError("wants a number", f"{metric} is compared as it is, without a unit", key)
    if not isinstance(value, str):
        raise LimitError("a time without its unit", f"write {value}ms or {value}s", key)
    try:
        return parse_duration(value)
    except ValueError as error:
        raise LimitError(str(error), key=key) from None
