"""What people read of receivers."""

from __future__ import annotations

from typing import Any

from exporters.message import one_line

_WIDEST = 200  # characters of a reason


def listed(found: dict[str, Any]) -> str:
    """A line for each receiver, and one more for why it is disabled."""
    receivers = found["receivers"]
    if not receivers:
        return "no receivers: nobody is told of anything"
    width = max(len(one["name"]) for one in receivers)
    return "\n".join(line for one in receivers for line in _lines(one, width))


def _lines(one: dict[str, Any], width: int) -> list[str]:
    waits = f"{one['pending']} wait since {one['oldest']}" if one["oldest"] else "nothing waits"
    told = [f"{one['name']:<{width}}", "DISABLED" if one["disabled"] else "enabled ", waits]
    if one["fallback"]:
        told.append(f"{one['fallback']} is told instead" if one["disabled"] else f"fallback {one['fallback']}")
    lines = ["  ".join(told)]
    if one["disabled"]:
        lines.append(f"{'':<{width}}  since {one['since']}: {one_line(one['reason'], _WIDEST)}")
    return lines
