"""Whether a machine's limit of open files has room for all runs that can be under way at once.

Too little of it is no mistake in a configuration, and no error: runs then wait for each other, are late or missed. It
shows when many targets hang at once, which is when somebody needs to know which ones do.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

from checks.core.base import CheckSpec
from probe.config.model import Config
from probe.engine.process import hard_limit, limit_for, seats_within
from probe.engine.schedule import grid
from probe.engine.shard import rate, workers_for


def objection(config: Config, cores: int, limit: int | None = None) -> str:
    """What a configuration has no room for on a machine, with the remedy; "" where all fits.

    `limit` is that of open files in each process; without it the most that this machine allows.
    """
    specs = [planned.spec for planned in config.checks.values() if not planned.passive]
    workers = workers_for(rate(specs), cores) if config.workers is None else config.workers
    limit, processes = hard_limit() if limit is None else limit, max(1, workers)
    room = processes * seats_within(limit)
    if len(specs) <= room or (runs := most_runs(specs, config.network.concurrent)) <= room:
        return ""  # a check never overlaps itself
    each = f" in each of {processes} processes" if processes > 1 else ""
    return (
        f"when all targets hang {runs} runs are under way at once, and {limit} open files{each} have room for {room}: "
        f"others would be late or missed; raise the hard limit to {limit_for(math.ceil(runs / processes))} "
        "(LimitNOFILE= of systemd, ulimit -Hn), lower timeout, or raise every"
    )


def most_runs(specs: Iterable[CheckSpec], per_host: int | None = None) -> int:
    """Runs under way at once when every target hangs. `per_host` is how many one host is asked at once.

    Exact for checks of one interval; those of several are taken to have their busiest moments together.
    """
    held: defaultdict[tuple[str, float], list[CheckSpec]] = defaultdict(list)
    for spec in specs:
        held[spec.check.host if per_host else "", spec.every].append(spec)
    peaks: defaultdict[str, int] = defaultdict(int)
    for (host, every), together in held.items():
        peaks[host] += _peak(together, every)
    return sum(min(peak, per_host or peak) for peak in peaks.values())


def _peak(specs: Sequence[CheckSpec], every: float) -> int:
    """Checks that hold a file at once, at the busiest moment of an interval: they begin where their names put them."""
    steps, running = [], 0
    for spec in specs:
        begin = grid(spec.name, every, 0, 0.0).next_due(0.0) % every
        held = _share(spec) * every
        if held >= every:
            running += 1
        else:
            running += begin + held > every  # from the interval before
            steps += [(begin, 1), ((begin + held) % every, -1)]
    return running + max(accumulate(step for _, step in sorted(steps)), default=0)


def _share(spec: CheckSpec) -> float:
    """The part of its time for which a check whose target hangs holds a file; a check never overlaps itself."""
    attempts, elapsed = 1, spec.timeout
    # As the engine does it: a failure is repeated where half an interval, or the timeout, is left.
    while attempts <= spec.retries and spec.every - elapsed - spec.retry_after >= min(spec.timeout, spec.every / 2):
        attempts, elapsed = attempts + 1, elapsed + spec.retry_after + spec.timeout
    return min(1.0, attempts * spec.timeout / spec.every)
