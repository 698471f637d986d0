"""Which checks should have had a result for long, and had none: stuck, or never begun. Pure but for what it remembers.

A check without results crosses no threshold, and its last level stands as if it were true: nobody would be told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from probe.config.model import Planned

_PACES = 3  # intervals of a check


class Roll:
    """Calls the checks by name. Time is that in which we were at work ourselves: a machine asleep runs nothing."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[int, float]] = {}  # by check: its last run, and when we first knew of it
        self._now = 0.0  # s

    def call(
        self, checks: Mapping[str, Planned], paused: Collection[str], seen: Callable[[str], int], passed: float
    ) -> dict[str, float]:
        """The checks that are absent, and for how many seconds none of their runs has ended; `passed`: since last time.

        `seen` is the Unix ms of its last run, 0 for none; what it is decides nothing, only whether it is another.
        """
        self._now += passed
        before, now = self._heard, self._now
        self._heard = {}
        absent: dict[str, float] = {}
        for name, planned in checks.items():
            if planned.passive or name in paused:
                continue
            last = seen(name)
            heard = before.get(name)
            if heard is None or heard[0] != last:
                heard = last, now
            self._heard[name] = heard
            if (waited := now - heard[1]) > _due(planned):
                absent[name] = waited
        return absent


def _due(planned: Planned) -> float:
    """Within how many seconds the next result comes, where all is well."""
    spec = planned.spec
    return _PACES * spec.every + (1 + spec.retries) * (spec.timeout + spec.retry_after)
