"""A case by a clock that was set: everything in it that is a length of time stays one. Pure."""

from __future__ import annotations

from dataclasses import replace

from exporters.alerting.case import Case, Line


def shifted(case: Case, by_ms: int) -> Case:
    """The case with all its instants moved."""
    return replace(
        case,
        opened_ms=case.opened_ms + by_ms,
        told_ms=_moved(case.told_ms, by_ms),
        pending_ms=_moved(case.pending_ms, by_ms),
        hidden_ms=_moved(case.hidden_ms, by_ms),
        lines=tuple(_line(line, by_ms) for line in case.lines),
    )


def _line(line: Line, by_ms: int) -> Line:
    return replace(
        line,
        begun_ms=_moved(line.begun_ms, by_ms),
        told_ms=_moved(line.told_ms, by_ms),
        since_ms=_moved(line.since_ms, by_ms),
        reminded={identity: at_ms + by_ms for identity, at_ms in line.reminded.items()},
        pages=tuple(replace(page, due_ms=page.due_ms + by_ms) for page in line.pages),
    )


def _moved(at_ms: int, by_ms: int) -> int:
    return at_ms + by_ms if at_ms else 0
