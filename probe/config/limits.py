"""Thresholds as users write them: `total: {degraded: 800ms, down: 5s}`, `tls.days_left: {degraded: 21, down: 3}`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from checks import metrics
from checks.core.units import parse_duration
from probe.config.problems import nearest
from thresholds.base import Threshold

# For the sake of a typo: a threshold on "tfb" or "tls.day_left" would never fire and never say so.
METRICS = metrics()
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_WINDOW = re.compile(r"[()]|\bover\b")
_LOWER_IS_WORSE = ".days_left"


def _number(value: object) -> float | str:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    raise ValueError("wants a length as in 800ms, or a number")


Number = Annotated[
    float | str, PlainValidator(_number), WithJsonSchema({"type": ["string", "number"], "examples": ["800ms", 21]})
]


class Limit(BaseModel):
    """Limits on one number of a run. Times are lengths (`800ms`), facts are numbers (`21`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    degraded: Number | None = Field(None, description="Past this the run is DEGRADED.")
    down: Number | None = Field(None, description="Past this the run is DOWN.")
    worse: Literal["lower", "higher"] | None = Field(
        None,
        description="Which way is worse. Said by `degraded` and `down` where both are given; "
        "else `*.days_left` is worse when lower, and everything else when higher.",
    )


def _thresholds(limits: Mapping[str, Limit]) -> dict[str, Threshold]:
    """Every mistake in one ValidationError, each at its own key."""
    found, wrong = {}, []
    for metric, limit in limits.items():
        try:
            found[metric] = threshold(metric, limit)
        except LimitError as error:
            loc = (metric, *error.key)
            what = PydanticCustomError("limit", "{text}", {"text": str(error), "hint": error.hint})
            wrong.append(InitErrorDetails(type=what, loc=loc, input=metric))
    if wrong:
        raise ValidationError.from_exception_data("thresholds", wrong)
    return found


Thresholds = Annotated[dict[str, Limit], AfterValidator(_thresholds)]


class LimitError(Exception):
    """A limit that says nothing. `key` is () or the one key that is wrong."""

    def __init__(self, message: str, hint: str = "", key: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.key = (key,) if key else ()


def threshold(metric: str, limit: Limit) -> Threshold:
    """The threshold that a limit on a metric says. Raises LimitError."""
    _check_name(metric)
    degraded, down = (_value(metric, key, getattr(limit, key)) for key in ("degraded", "down"))
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
    if lower and _is_time(metric):
        raise LimitError("a shorter time would be worse", "down is the longer of the two")
    return Threshold(metric, degraded, down, lower)


def _check_name(metric: str) -> None:
    if _WINDOW.search(metric):
        hint = "name one number of a run: total, a phase, or a fact"
        raise LimitError("thresholds on windows are not supported yet", hint)
    if not _NAME.fullmatch(metric):
        raise LimitError("no metric", "name total, a phase (ttfb), or a fact (tls.days_left)")
    if metric not in METRICS:
        near = nearest(metric, sorted(METRICS))
        hint = f"did you mean {near}?" if near else f"runs have {', '.join(sorted(METRICS))}"
        raise LimitError(f"no run has a phase or a numeric fact {metric}", hint)


def _is_time(metric: str) -> bool:
    """Whether a metric is the whole run or a phase of it; facts have a dot in their names."""
    return "." not in metric


def _value(metric: str, key: str, value: float | str | None) -> float | None:
    if value is None:
        return None
    if not _is_time(metric):
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
