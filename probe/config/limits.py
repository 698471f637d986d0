"""Thresholds as users write them.

Of one run: `total: {degraded: 800ms, down: 5s}`, `tls.days_left: {degraded: 21, down: 3}`. Of a window:
`p95(total) over 10m: {degraded: 700ms}`, `failure_ratio over 1h: {degraded: 5%}`. Against what is usual:
`baseline(ttfb): {degraded: 4 mad}`. `total: off` takes out what is inherited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from probe.config.bounds import Limit, LimitError, check_name, limits, value_of
from probe.config.complaints import Complaints
from probe.config.many import of_many
from thresholds.base import BaselineThreshold, Threshold, WindowThreshold

AnyThreshold = Threshold | WindowThreshold | BaselineThreshold


def threshold(name: str, limit: Limit) -> AnyThreshold:
    """The threshold that a limit says. Raises LimitError."""
    if found := of_many(name, limit):
        return found
    check_name(name)
    return Threshold(name, *limits(name, limit, lambda key, value: value_of(name, key, value)))


def _thresholds(given: Mapping[str, Limit]) -> dict[str, AnyThreshold | None]:
    """None where one that is inherited is taken out. Every mistake in one ValidationError, each at its own key."""
    found: dict[str, AnyThreshold | None] = {}
    wrong = Complaints()
    for metric, limit in given.items():
        try:
            found[metric] = None if limit is _OFF else threshold(metric, limit)
        except LimitError as error:
            wrong.add(str(error), error.hint, (metric, *error.key))
    wrong.tell()
    return found


class _OrOff:
    """Says in the JSON Schema that a word may stand for the mapping."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"oneOf": [{"const": "off", "type": "string"}, handler(core)]}


_OFF = Limit()  # one object, known by its identity: mistakes are told as those of a mapping
_Limit = Annotated[Limit, BeforeValidator(lambda given: _OFF if given == "off" else given), _OrOff()]
Thresholds = Annotated[dict[str, _Limit], AfterValidator(_thresholds)]
