"""Instants as people write them, and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from exporters.oncall.shift import Shift
from thresholds.spans import Span

HOUR, DAY = 3_600_000, 86_400_000


def utc(text: str) -> int:
    """`2026-11-02T09:00` of UTC, or with an offset of its own, as Unix ms."""
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def shown(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%M")


def span(first: str, last: str) -> Span:
    return utc(first), utc(last)


def table(shifts: Iterable[Shift]) -> list[str]:
    """`11-02 08:00 - 11-09 08:00 ana`, of UTC."""
    return [f"{shown(one.start_ms)} - {shown(one.end_ms)} {'+'.join(one.who)}" for one in shifts]
