"""Thresholds on many runs, as users write them: `p95(total) over 10m`, `failure_ratio over 1h`, `baseline(ttfb)`."""

from __future__ import annotations

import re

from checks.core.units import format_duration, parse_duration
from probe.config.bounds import COUNTED, Limit, LimitError, check_name, is_time, limits, value_of
from probe.config.fields import format_ratio, parse_ratio
from probe.config.problems import suggestion
from thresholds.base import Aggregate, BaselineThreshold, WindowThreshold

_BASELINE = re.compile(r"baseline\(\s*(?P<metric>[^()\s]+)\s*\)")
_WINDOW = re.compile(r"(?P<aggregate>[a-z0-9_]+)(?:\(\s*(?P<metric>[^()\s]*)\s*\))?\s+over\s+(?P<over>\S+)")
_LOOKS_LIKE_MANY = re.compile(r"[()]|\bover\b")
_MADS = re.compile(r"(\d+(?:\.\d+)?)\s*mad", re.IGNORECASE)
_LONGEST = 7 * 86400.0  # s that a window may look back: all of its runs are kept in memory
_ONE_RUN, _MANY, _USUAL = (), ("min_samples", "hysteresis"), ("floor", "floor_ratio", "bucket")


def of_many(name: str, limit: Limit) -> WindowThreshold | BaselineThreshold | None:
    """The threshold on many runs that a name and its limit say; None where they are of one run. Raises LimitError."""
    if found := _BASELINE.fullmatch(name.strip()):
        return _baseline(name, found["metric"], limit)
    if found := _WINDOW.fullmatch(name.strip()):
        return _window(name, found["aggregate"], found["metric"], found["over"], limit)
    if _LOOKS_LIKE_MANY.search(name):
        hint = "write p95(total) over 10m, failure_ratio over 1h, or baseline(ttfb)"
        raise LimitError("neither a window nor a baseline", hint)
    _only(limit, _ONE_RUN, "one run")
    return None


def _window(name: str, aggregate: str, metric: str | None, over: str, limit: Limit) -> WindowThreshold:
    if aggregate not in set(Aggregate):
        raise LimitError(f"no window has a {aggregate}", suggestion(aggregate, list(Aggregate), "windows"))
    kind = Aggregate(aggregate)
    if kind in COUNTED and metric is not None:
        raise LimitError(f"{kind} counts runs", f"write {kind} over {over}")
    if kind not in COUNTED:
        if not metric:
            raise LimitError(f"{kind} of what", f"name a metric, as in {kind}(total) over {over}")
        check_name(metric)
    seconds = _over(over)
    _only(limit, _MANY, "a window")
    read = {
        Aggregate.FAILURE_RATIO: _share,
        Aggregate.FAILURES: _count,
    }.get(kind, lambda key, value: value_of(metric or "", key, value))
    degraded, down, lower = limits(metric or aggregate, limit, read)
    few, ease, timing = limit.min_samples, limit.hysteresis, bool(metric) and is_time(metric or "")
    return WindowThreshold(name, kind, metric or "", seconds, degraded, down, lower, few, ease, timing)


def _baseline(name: str, metric: str, limit: Limit) -> BaselineThreshold:
    check_name(metric)
    if not is_time(metric):
        raise LimitError(f"{metric} has no usual time", "name total or a phase, as in baseline(ttfb)")
    if limit.down is not None:
        raise LimitError("what is unusual is not down", "give degraded alone, as in {degraded: 4 mad}", "down")
    if limit.worse is not None:
        raise LimitError("a time is worse when higher", key="worse")
    _only(limit, _USUAL, "a baseline")
    found = _MADS.fullmatch(limit.degraded.strip()) if isinstance(limit.degraded, str) else None
    if found is None or not float(found[1]):
        raise LimitError("wants a number of median absolute deviations", "write degraded: 4 mad", "degraded")
    return BaselineThreshold(name, metric, float(found[1]), limit.floor, limit.floor_ratio, limit.bucket)


def _only(limit: Limit, keys: tuple[str, ...], what: str) -> None:
    """Refuse what would be ignored."""
    for key in (*_MANY, *_USUAL):
        if key in limit.model_fields_set and key not in keys:
            raise LimitError(f"{key} says nothing of {what}", "leave it out", key)


def _over(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise LimitError(str(error)) from None
    if not 1 <= seconds <= _LONGEST:
        raise LimitError(f"a window is from 1s to {format_duration(_LONGEST)} long")
    return seconds


def _share(key: str, value: float | str | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)):
        raise LimitError("a share without its sign", f"write {format_ratio(value)}", key)
    try:
        return parse_ratio(value)
    except ValueError as error:
        raise LimitError(str(error), key=key) from None


def _count(key: str, value: float | str | None) -> float | None:
    """A number of failures from which on it is bad."""
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise LimitError("wants a number of failed runs", "write a whole number from 1 on", key)
    return float(value)
