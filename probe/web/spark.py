"""The last runs of a check as a small picture: bars of SVG for the page, blocks for the terminal.

A run that answered is as high as it was slow; one that failed stands full height, however fast it failed. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from checks.core.units import format_duration
from thresholds.base import Level

Run = tuple[Level, float]

SHOWN = 40
_ANSWERED = 0.85  # of the height for the slowest answer: a failure stands out above it
_HEIGHT = 24
_STEP = 3  # a bar of 2 and a gap of 1
_BLOCKS = "▁▂▃▄▅▆▇█"


def heights(runs: Sequence[Run]) -> list[float]:
    """Of each run from 0 to 1, against the slowest that answered."""
    slowest = max((lasted for level, lasted in runs if level in (Level.UP, Level.DEGRADED)), default=0.0)
    return [_height(level, lasted, slowest) for level, lasted in runs]


def _height(level: Level, lasted: float, slowest: float) -> float:
    if level is Level.DOWN:
        return 1.0
    if level is Level.UNKNOWN or slowest <= 0:
        return 0.0
    return lasted / slowest * _ANSWERED


def svg(history: Sequence[Run]) -> Markup:
    """One path per level: a row of thousands of checks stays small. Holds nothing but numbers of ours."""
    runs = history[-SHOWN:]
    if not runs:
        return Markup('<span class="none">no runs yet</span>')
    paths: dict[Level, list[str]] = {}
    left = (SHOWN - len(runs)) * _STEP + 1
    for place, ((level, _), height) in enumerate(zip(runs, heights(runs), strict=True)):
        top = _HEIGHT - max(3, round(height * _HEIGHT))
        paths.setdefault(level, []).append(f"M{left + place * _STEP} {_HEIGHT}V{top}")
    drawn = "".join(f'<path class="{level.name.lower()}" d="{"".join(path)}"/>' for level, path in paths.items())
    size = f'viewBox="0 0 {SHOWN * _STEP} {_HEIGHT}" width="{SHOWN * _STEP}" height="{_HEIGHT}"'
    # Safe: level names and whole numbers only; the words come from `described`, which has no others.
    return Markup(f'<svg class="spark" {size} role="img" aria-label="{described(runs)}">{drawn}</svg>')  # noqa: S704


def described(runs: Sequence[Run]) -> str:
    """The picture in words: `last 40 runs: 38 up, 2 down; 12 ms to 340 ms`."""
    levels = [level for level, _ in runs]
    parts = [f"{levels.count(level)} {level.name.lower()}" for level in sorted(Level, reverse=True) if level in levels]
    lengths = [lasted for _, lasted in runs if lasted > 0]  # of the others nobody knows how long they took
    took = f"; {format_duration(min(lengths))} to {format_duration(max(lengths))}" if lengths else ""
    return f"last {len(runs)} runs: {', '.join(parts)}{took}"


def blocks(history: Sequence[Run], width: int) -> list[tuple[str, Level]]:
    """One block and its level for each of the last `width` runs."""
    runs = history[-width:]
    top = len(_BLOCKS) - 1
    return [
        ("·" if level is Level.UNKNOWN else _BLOCKS[round(height * top)], level)
        for (level, _), height in zip(runs, heights(runs), strict=True)
    ]
