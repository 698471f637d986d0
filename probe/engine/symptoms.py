"""What one look at ourselves says: of each part whether it is well, and if not, why. Pure.

Between two limits it is neither: then it is taken to stand as it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from checks.core.units import format_duration
from probe.config.watch import Limits
from probe.engine.vitals import BOUNDS, Vitals
from thresholds.base import Level

DELIVERY = "delivery/"  # what is said of receivers that fall behind is said under `probe/delivery/NAME`
DEADMAN = "deadman/"
_LAGGING = 0.01  # of the looks at a loop
_FEWEST = 3  # late or missed runs that are worth a word
_EASED = 0.8  # of a limit: below it all is well again
_ROOM = 1.1  # of the free space wanted: above it all is well again
_OVERSIZE, _SIZED = 1.1, 1.05  # of `retention.size`
_BRIEFLY = 60.0  # s that are enough to be sure
_LONG = 900.0
_BEHIND = 3600.0  # s that rollups may be behind
_NAMED = 5  # checks that are named where many are meant


@dataclass(frozen=True, slots=True)
class Disk:
    """The database's file system, and the database."""

    free: int  # bytes
    size: int = 0
    wanted: int = 0  # bytes that the database may have; 0: any


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look sees. Lengths in seconds, counts since some looks ago."""

    vitals: Sequence[Vitals] = ()
    silent: float = 0.0  # since the last run ended
    pace: float = 0.0  # within which one ends where all is well; 0: none is to run
    runs: int = 0  # in the last minutes, as are those:
    late: int = 0
    missed: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)  # results dropped since the last look, by where
    restarts: Mapping[str, int] = field(default_factory=dict)  # of workers, within the last hour
    waiting: Mapping[str, float] = field(default_factory=dict)  # how long the oldest notice has waited, by receiver
    disk: Disk | None = None
    disk_trouble: str = ""
    jumped: float = 0.0  # how far the wall clock has jumped since the last look
    stale: str = ""  # how the configuration on disk differs from the one at work
    unheard: Mapping[str, str] = field(default_factory=dict)  # who does not take our pings, and why
    absent: Mapping[str, float] = field(default_factory=dict)  # checks without results, and for how long
    behind: float = 0.0  # for how long history has waited to be rolled up


@dataclass(frozen=True, slots=True)
class Symptom:
    """How one part stands by one look."""

    subject: str
    bad: bool | None
    reason: str = ""
    level: Level = Level.DEGRADED
    after: float = 0.0  # s for which it must last before it is told
    calm: float = 0.0  # s for which it must be well before that is told


def symptoms(sight: Sight, limits: Limits) -> Iterator[Symptom]:
    """How every part stands. Of a receiver and a ping only while there is something to say."""
    yield _probing(sight)
    yield _absent(sight)
    yield _lag(sight.vitals, limits)
    yield _schedule(sight, limits)
    yield _results(sight)
    yield _workers(sight.restarts, limits)
    yield _clock(sight, limits)
    yield _files(sight.vitals, limits)
    yield from _disk(sight, limits)
    yield _rollups(sight.behind)
    yield Symptom("config/file", bool(sight.stale), sight.stale, after=limits.stale)
    for name, waited in sight.waiting.items():
        yield _delivery(name, waited, limits)
    for name, why in sight.unheard.items():
        yield Symptom(f"{DEADMAN}{name}", bool(why), f"{name} does not take our pings: {why}", after=_LONG)


def _probing(sight: Sight) -> Symptom:
    silent = bool(sight.pace) and sight.silent > sight.pace
    reason = f"no run has ended for {_length(sight.silent)}; one should every {_length(sight.pace)} or sooner"
    return Symptom("probing", silent, reason, Level.DOWN)


def _absent(sight: Sight) -> Symptom:
    """Where no run ends at all, that is said, and not of each check again."""
    names = sorted(sight.absent, key=lambda name: (-sight.absent[name], name))
    some = ", ".join(f"{name} for {_length(sight.absent[name])}" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    checks = "1 check" if len(names) == 1 else f"{len(names)} checks"
    reason = f"no result of {checks}, which {'is' if len(names) == 1 else 'are'} to run: {some}{more}"
    silent = bool(sight.pace) and sight.silent > sight.pace
    return Symptom("absent", None if silent else bool(names), reason, after=_BRIEFLY, calm=_BRIEFLY)


def _lag(vitals: Iterable[Vitals], limits: Limits) -> Symptom:
    """The loop that is late most often, of the last seconds."""
    shares = {one.process: _share_over(one, limits.lag) for one in vitals if not one.ended}
    process = max(shares, key=lambda name: shares[name], default="")
    share = shares.get(process, 0.0)
    reason = f"the loop of {process} wakes more than {_length(limits.lag)} late in {share:.0%} of all looks"
    return Symptom("lag", _between(share, _LAGGING), reason, after=limits.lasts, calm=limits.calm)


def _share_over(vitals: Vitals, limit: float) -> float:
    """How much of what was looked at in the last seconds was over a limit, which is taken up to the next bound."""
    before = vitals.before.loop_lag if vitals.before is not None else ()
    now = vitals.loop_lag
    if not now or len(before) != len(now):
        return 0.0
    counts = [upto - since for upto, since in zip(now, before, strict=True)]
    return over(counts, limit) / sum(counts) if sum(counts) else 0.0


def over(counts: Sequence[int], limit: float) -> int:
    """How many values of a histogram were over a limit for certain."""
    return sum(count for bound, count in zip((0.0, *BOUNDS), counts, strict=False) if bound >= limit)


def _schedule(sight: Sight, limits: Limits) -> Symptom:
    wrong, due = sight.late + sight.missed, sight.runs + sight.missed
    share = wrong / due if due and wrong >= _FEWEST else 0.0
    late = f"{sight.late} began more than {_length(limits.late)} late"
    reason = f"of {due} runs {late}, {sight.missed} did not begin at all"
    return Symptom("schedule", _between(share, limits.runs), reason, after=limits.lasts, calm=limits.calm)


def _results(sight: Sight) -> Symptom:
    lost = {where: count for where, count in sight.lost.items() if count}
    reason = ", ".join(f"{count} of {where}" for where, count in lost.items())
    # What the store lacks was judged and told; what a worker could not hand over was not.
    judged = set(lost) <= {"the store"}
    level = Level.DEGRADED if judged else Level.DOWN
    return Symptom("results", bool(lost), f"results were dropped: {reason}", level, calm=_LONG)


def _workers(restarts: Mapping[str, int], limits: Limits) -> Symptom:
    total = sum(restarts.values())
    bad = None if 0 < total < limits.restarts else total >= limits.restarts
    worst = max(restarts, key=lambda name: restarts[name], default="")
    reason = f"workers ended {total} times within an hour, most often {worst}; the log says why"
    return Symptom("workers", bad, reason)


def _clock(sight: Sight, limits: Limits) -> Symptom:
    far = abs(sight.jumped) > limits.clock
    way = "ahead" if sight.jumped > 0 else "back"
    reason = f"the wall clock jumped {way} by {_length(abs(sight.jumped))}, or the machine was asleep"
    return Symptom("clock", far, reason, calm=_LONG)


def _files(vitals: Iterable[Vitals], limits: Limits) -> Symptom:
    shares = {one.process: one.fds / one.fd_limit for one in vitals if one.fd_limit and not one.ended}
    process = max(shares, key=lambda name: shares[name], default="")
    share = shares.get(process, 0.0)
    reason = f"{process} has {share:.0%} of its open files in use; raise their limit, or run fewer checks at once"
    return Symptom("files", _between(share, limits.files), reason, after=_BRIEFLY, calm=limits.calm)


def _disk(sight: Sight, limits: Limits) -> Iterator[Symptom]:
    disk, wanted = sight.disk, limits.disk_free
    if disk is None:
        reason = f"the disk of the database cannot be looked at: {sight.disk_trouble}"
        yield Symptom("disk", True if sight.disk_trouble else None, reason, after=limits.lasts)
        return
    bad = None if wanted <= disk.free < wanted * _ROOM else disk.free < wanted
    level = Level.DOWN if disk.free < wanted / 4 else Level.DEGRADED
    reason = f"{_size(disk.free)} are free on the disk of the database, less than {_size(wanted)}"
    yield Symptom("disk", bad, reason, level, calm=_BRIEFLY)
    share = disk.size / disk.wanted if disk.wanted else 0.0
    bad = None if _SIZED <= share < _OVERSIZE else share >= _OVERSIZE
    reason = f"the database takes {_size(disk.size)}, more than its {_size(disk.wanted)}: what may go is gone"
    yield Symptom("history", bad, reason, after=_LONG, calm=_BRIEFLY)


def _rollups(behind: float) -> Symptom:
    bad = None if _BEHIND / 2 < behind <= _BEHIND else behind > _BEHIND
    reason = f"history has waited for {_length(behind)} to be rolled up; runs are kept for `retention.age` until it is"
    return Symptom("rollups", bad, reason)


def _delivery(name: str, waited: float, limits: Limits) -> Symptom:
    bad = None if limits.undelivered / 2 < waited <= limits.undelivered else waited > limits.undelivered
    reason = f"receiver {name} has not taken a notice for {_length(waited)}"
    return Symptom(f"{DELIVERY}{name}", bad, reason, Level.DOWN, after=_BRIEFLY / 6, calm=_BRIEFLY)


def _between(value: float, limit: float) -> bool | None:
    return None if limit * _EASED < value <= limit else value > limit


def _length(seconds: float) -> str:
    return format_duration(float(round(seconds)) if seconds >= 10 else seconds)


def _size(count: float) -> str:
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} B"
