"""Thresholds as users write them.

Of one run: `total: {degraded: 800ms, down: 5s}`, `tls.days_left: {degraded: 21, down: 3}`. Of a window:
`p95(total) over 10m: {degraded: 700ms}`, `failure_ratio over 1h: {degraded: 5%}`. Against what is usual:
`baseline(ttfb): {degraded: 4 mad}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

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


def _thresholds(given: Mapping[str, Limit]) -> dict[str, AnyThreshold]:
    """Every mistake in one ValidationError, each at its own key."""
    found: dict[str, AnyThreshold] = {}
    wrong = Complaints()
    for metric, limit in given.items():
        try:
            found[metric] = threshold(metric, limit)
        except LimitError as error:
            wrong.add(str(error), error.hint, (metric, *error.key))
    wrong.tell()
    return found


Thresholds = Annotated[dict[str, Limit], AfterValidator(_thresholds)]
