"""Warnings of maintenance that does nothing: it covers no check, or its time never comes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import translate

from probe.config.faults import Faults
from probe.config.model import Planned
from probe.config.plan import OURS
from probe.config.problems import nearest
from probe.config.tree import Path
from probe.config.upkeep import Upkeep
from thresholds.ical import Calendar
from thresholds.maintenance import OneOff, Subject, Times, Window

_DAY = 86_400_000  # ms
_LOOKS = (8, *(366,) * 5)  # days, one after the other: nearly everything comes within the first


def doubt_upkeep(faults: Faults, upkeep: Iterable[Upkeep], checks: Collection[Planned], now_ms: int) -> None:
    names = [planned.name for planned in checks]
    services = list(dict.fromkeys(planned.service for planned in checks if planned.service))
    labels = _labels(checks)
    for one in upkeep:
        if not comes(one.window.times, now_ms):
            over = "it is over" if isinstance(one.window.times, OneOff) else "it has no time in the five years to come"
            faults.warn(one.path, f"{over}: it changes no day any more", "take it out", key=True)
        if not one.zoned:
            what = "its days and times without one" if isinstance(one.window.times, Calendar) else "its times"
            faults.warn(one.path, f"no time zone is named: {what} are UTC", "give it a zone", key=True)
        found = [
            _unmatched(faults, (*one.path, "checks"), one.window.checks, names, "check"),
            _unmatched(faults, (*one.path, "services"), one.window.services, services, "service with checks"),
            _unlabelled(faults, (*one.path, "labels"), one.window.labels, labels),
        ]
        if not any(found) and _kinds(one.window) > 1 and not _covers_any(one.window, checks):
            faults.warn(one.path, "it covers no check: none has all that it names", key=True)


def comes(times: Times, now_ms: int) -> bool:
    """Whether there is any time of it still to come, in the next five years."""
    if isinstance(times, OneOff):
        return times.span[1] > now_ms
    at_ms = now_ms
    for days in _LOOKS:
        end_ms = at_ms + days * _DAY
        try:
            if times.spans((at_ms, end_ms)):
                return True
        except ValueError:  # more than is told at once
            return True
        at_ms = end_ms
    return False


def _unmatched(faults: Faults, path: Path, patterns: Sequence[str], names: Sequence[str], noun: str) -> bool:
    """Whether any of the patterns, each for itself, matches nothing. The program's own checks are not known here."""
    wrong = False
    for index, pattern in enumerate(patterns):
        if not f"{pattern}/".startswith(OURS) and not _matched(pattern, names):
            near = nearest(pattern, names)
            faults.warn((*path, index), f"no {noun} is called so", f"did you mean {near}?" if near else "")
            wrong = True
    return wrong


def _unlabelled(
    faults: Faults, path: Path, wanted: Mapping[str, str], values: Mapping[str, Mapping[str, None]]
) -> bool:
    wrong = False
    for label, pattern in wanted.items():
        if label not in values:
            word, words, text = label, list(values), "no check has this label"
        elif not _matched(pattern, list(values[label])):
            word, words, text = pattern, list(values[label]), f"no check has {label} {pattern}"
        else:
            continue
        near = nearest(word, words)
        faults.warn((*path, label), text, f"did you mean {near}?" if near else "")
        wrong = True
    return wrong


def _matched(pattern: str, names: Iterable[str]) -> bool:
    matches = re.compile(translate(pattern)).match
    return any(matches(name) for name in names)


def _labels(checks: Iterable[Planned]) -> dict[str, dict[str, None]]:
    values: dict[str, dict[str, None]] = {}
    for planned in checks:
        for label, value in planned.labels.items():
            values.setdefault(label, {})[value] = None
    return values


def _kinds(window: Window) -> int:
    return bool(window.checks) + bool(window.services) + len(window.labels)


def _covers_any(window: Window, checks: Iterable[Planned]) -> bool:
    return any(window.covers(Subject(one.name, one.service, one.labels)) for one in checks)
