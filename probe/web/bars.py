"""The phases of one run as bars of a waterfall. Pure; the page and the terminal draw the same bars."""

from __future__ import annotations

from dataclasses import dataclass, replace

from checks.core.result import Result

OTHER = "other"  # time of the run that lies in no phase


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase: where in the run it lies. Seconds."""

    phase: str
    begins: float
    lasts: float
    failed: bool = False  # the phase that was open when the run failed


def bars(result: Result) -> tuple[Bar, ...]:
    """The phases one after the other; what a failed run spent in the phase that was open comes last."""
    found: list[Bar] = []
    ended = 0.0
    for phase, lasts in result.phases.items():
        found.append(Bar(phase, ended, lasts))
        ended += lasts
    rest = max(0.0, result.duration - ended)
    noticeable = rest > max(0.001, result.duration * 0.05)
    failed = result.failure.phase if result.failure is not None else ""
    if failed and (noticeable or failed not in result.phases):
        found.append(Bar(failed, ended, rest, failed=True))
    elif failed:
        found = [replace(bar, failed=True) if bar.phase == failed else bar for bar in found]
    elif noticeable and found:
        found.append(Bar(OTHER, ended, rest))
    return tuple(found)
