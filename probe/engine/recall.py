"""Windows and baselines as they were before a restart: filled again from what the store has of their runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from checks.core.result import FailureKind
from probe.clock import Clock
from probe.config.model import Planned
from probe.store.base import Bucket, Store, StoreError
from thresholds.base import Policy
from thresholds.baseline import Baseline
from thresholds.gathered import Hour
from thresholds.past import Judging, Past, feed
from thresholds.sketch import Sketch
from thresholds.spans import Span
from thresholds.window import Window

log = logging.getLogger(__name__)

_HOUR = 3600
_FOREVER = 1 << 53

Work = Callable[[Span], bool]  # whether maintenance was planned in a span


def parts_of(policy: Policy, planned: Work) -> list[Judging]:
    """What a policy looks back with; empty."""
    windows = [Window(threshold) for threshold in policy.windows]
    return [*windows, *(Baseline(threshold, planned) for threshold in policy.baselines)]


async def recall(
    store: Store, clock: Clock, checks: Iterable[Planned], known: Mapping[str, Past], planned: Callable[[str], Work]
) -> Mapping[str, Past]:
    """What each check's windows and baselines look back on. Those that `known` has already go on as they are."""
    pasts: dict[str, Past] = {}
    for check in checks:
        if not check.policy.remembers:
            continue
        before = known.get(check.name, Past(()))
        parts = [
            _same(part, before) or await _filled(store, clock, check.name, part)
            for part in parts_of(check.policy, planned(check.name))
        ]
        pasts[check.name] = Past(parts)
    return pasts


def _same(part: Judging, before: Past) -> Judging | None:
    return next((one for one in before.parts if one.threshold == part.threshold), None)


async def _filled(store: Store, clock: Clock, check: str, part: Judging) -> Judging:
    """A store that cannot be read costs what it knew, not the start: the window fills as runs come."""
    now_ms = clock.now_ms()
    try:
        if isinstance(part, Baseline):
            since_ms = await _restored(store, check, part, now_ms)
        else:
            assert isinstance(part, Window)
            since_ms = now_ms - round(part.threshold.over * 1000)
        async for page in store.runs(check, since_ms, _FOREVER):
            for kept in page:
                feed(part, kept.result)
    except (StoreError, ValueError) as error:
        log.warning("%s: %s begins without its past: %s", check, part.threshold.name, error)
    return part


async def _restored(store: Store, check: str, part: Baseline, now_ms: int) -> int:
    """Give a baseline its hours; when the first run began that is in none of them."""
    hours_ms, runs_ms = part.needs(now_ms)
    buckets = await store.buckets(check, _HOUR, hours_ms, runs_ms)
    part.restore([_hour(bucket, part.threshold.metric) for bucket in buckets])
    # What is not rolled up yet comes from the runs.
    return buckets[-1].at_ms + _HOUR * 1000 if buckets else hours_ms


def _hour(bucket: Bucket, metric: str) -> Hour:
    encoded = bucket.sketches.get(metric)
    runs = bucket.up + bucket.degraded + bucket.down
    failures = sum(count for kind, count in bucket.kinds.items() if kind != FailureKind.LOCAL)
    return Hour.of(bucket.at_ms, runs, failures, Sketch.decode(encoded) if encoded else None)
