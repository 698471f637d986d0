"""Instants and lengths as pages and terminals write them. UTC throughout: people on call are on three continents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from checks.core.units import format_duration
from probe.web.agenda import Occasion
from probe.web.shape import instant
from thresholds.maintenance import Mode


@dataclass(frozen=True, slots=True)
class When:
    """One instant in the ways that it is shown."""

    machine: str  # RFC 3339
    full: str  # "2026-11-22 03:31:05 UTC"
    brief: str  # "03:31:05" of today, "20 Nov 03:31" before
    ago: str  # "2h 5m"


def when(at_ms: int, now_ms: int) -> When | None:
    """None for 0, which stands for "never"."""
    machine = instant(at_ms)
    if machine is None:
        return None
    moment, now = (datetime.fromtimestamp(ms // 1000, UTC) for ms in (at_ms, now_ms))
    if moment.date() == now.date():
        brief = moment.strftime("%H:%M:%S")
    else:
        brief = moment.strftime("%-d %b %H:%M" if moment.year == now.year else "%-d %b %Y")
    return When(machine, moment.strftime("%Y-%m-%d %H:%M:%S UTC"), brief, age((now_ms - at_ms) / 1000))


def age(seconds: float) -> str:
    """`12 s`, `2h 5m`; what lies in the future by a skewed clock is now."""
    return format_duration(float(int(seconds))) if seconds >= 1 else "now"


def rest(under: Occasion | None, now_ms: int) -> str:
    """`in maintenance until 04:00 UTC: monthly patches`; what pauses says so. "" for none."""
    if under is None:
        return ""
    doing = "paused" if under.window.mode is Mode.PAUSE else "in maintenance"
    end = "until it is ended" if under.announced else "with no end in sight"
    until = _until(under.until_ms, now_ms) if under.until_ms else end
    return f"{doing} {until}: {under.window.reason or under.window.name}"


def _until(at_ms: int, now_ms: int) -> str:
    """`until 04:00 UTC` of today, `until 23 Nov 04:00 UTC` later."""
    moment, now = (datetime.fromtimestamp(ms // 1000, UTC) for ms in (at_ms, now_ms))
    day = "" if moment.date() == now.date() else "%-d %b " if moment.year == now.year else "%-d %b %Y "
    return moment.strftime(f"until {day}%H:%M UTC")
