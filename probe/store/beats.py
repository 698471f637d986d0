"""What the store does of jobs that report to us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from checks.core.result import Result
from thresholds.heartbeat import Run, Signal, Standing


@dataclass(frozen=True, slots=True)
class Said:
    """One ping as it is kept."""

    check: str
    at_ms: int
    signal: Signal
    run: int = 0  # the number of the run that it is of; 0: of none that is known
    stage: str = ""
    exit: int | None = None
    source: str = ""  # the address that it came from
    method: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """What is written together: how jobs stand, and what they said and did. All of it or nothing."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    runs: Sequence[tuple[str, Run]] = ()  # by check
    said: Sequence[Said] = ()
    owed: Sequence[Result] = ()  # that are to be among the results, sooner or later
    at_ms: int = 0  # we listened until then; 0: no word of it


class Beats(Protocol):
    """Jobs by the names of their checks. Every method may raise StoreError."""

    async def beat(self, beat: Beat) -> None:
        """Keep it, on disk when this returns."""

    async def standings(self) -> Mapping[str, Standing]:
        """How every job stood, also those that are no longer configured."""

    async def owed_results(self) -> Sequence[Result]:
        """Results that are not among the results yet, oldest first."""

    async def last_beat(self) -> int:
        """When somebody listened last, in Unix ms; 0: never."""

    async def job_runs(self, check: str, limit: int, before: int = 1 << 53) -> Sequence[Run]:
        """The newest runs of a job with lower numbers, newest first."""

    async def job_pings(self, check: str, first: int, last: int, limit: int) -> Sequence[Said]:
        """The newest pings of some runs of a job, by their numbers, newest first."""

    async def prune_jobs(self, runs: int, bodies: int, before_ms: int) -> None:
        """Keep so many runs of each job, of fewer what they said, and what belongs to no run since an instant."""
