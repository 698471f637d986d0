"""The store as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from checks.core.evidence import Evidence
from checks.core.result import Result
from exporters.alerting.case import Case
from exporters.alerting.incident import Happening, Incident, Member
from exporters.base import Notice
from probe.store.beats import Beats
from probe.store.casebook import Incidents
from probe.store.deliveries import Delivery
from probe.store.exhibits import Exhibits
from probe.store.marked import Marked
from thresholds.base import Level, State, Transition, Verdict
from thresholds.spans import Span


class StoreError(Exception):
    """The store could not do it, and may be able to later: a full disk, a locked or unreadable file. One line."""


@dataclass(frozen=True, slots=True)
class Spent:
    """A link that was used."""

    digest: bytes
    expires_ms: int
    at_ms: int  # when it was used: those that had expired by then are forgotten


@dataclass(frozen=True, slots=True)
class Act:
    """What was decided about incidents: how they stand, what happened to them, and who is told.

    All of it is written in one transaction; writing it twice changes nothing.
    """

    incidents: tuple[Incident, ...] = ()
    members: tuple[tuple[str, Member], ...] = ()  # by incident
    happenings: tuple[Happening, ...] = ()
    cases: tuple[Case, ...] = ()
    notices: tuple[tuple[Notice, tuple[str, ...]], ...] = ()  # with the receivers of each
    spent: tuple[Spent, ...] = ()  # links that it was asked for by: they are used when it is done, and not before


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict on its way to the store, with what was decided because of it.

    `verdict.result` is stored, `verdict.state` becomes the check's state, `verdict.transition` is kept for good, and
    every receiver gets a delivery row: all in the transaction of the batch. Appending
    an entry twice keeps it once.
    """

    verdict: Verdict
    act: Act | None = None
    gap: Span | None = None  # before this run there was none for so long, although there should have been
    evidence: Evidence | None = None  # of a failing run, where it is worth keeping


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored result with the level of that run alone, and why."""

    result: Result
    level: Level
    reason: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the runs of some time came to. Runs, not the attempts that were repeated."""

    at_ms: int  # Unix ms of its beginning
    step: int  # s
    up: int = 0
    degraded: int = 0
    down: int = 0
    unknown: int = 0  # that failed through us: LOCAL
    kinds: Mapping[str, int] = field(default_factory=dict)  # failures by kind
    sketches: Mapping[str, bytes] = field(default_factory=dict)  # of good runs' latencies: "total" and phases


class Kind(StrEnum):
    """What people announce while the service runs, and what the configuration planned when its time came."""

    PLANNED = "planned"  # by the configuration: written down when it begins, with the end that it is to have
    MAINTENANCE = "maintenance"
    EXCLUSION = "exclusion"  # time that does not count, decided afterwards
    SILENCE = "silence"  # nobody is told
    OVERRIDE = "override"  # somebody else is on call: `labels` say in which schedule, and who for whom


@dataclass(frozen=True, slots=True)
class Announcement:
    """Maintenance, or time that does not count: for whom, from when to when, why, and who says so."""

    id: str
    kind: Kind
    began_ms: int
    ended_ms: int  # 0: until it is ended
    checks: tuple[str, ...] = ()  # patterns as of a shell
    services: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    mode: str = "mute"  # or "pause"
    counted: bool = False  # whether it counts against SLOs all the same
    reason: str = ""
    author: str = ""
    closed_ms: int = 0  # Unix ms when somebody ended or withdrew it; 0: nobody did, it ended by itself or goes on
    closed_by: str = ""  # who did; "" where they did not say


class Rollups(Protocol):
    """Results come to buckets, and fine buckets to coarse ones; here is what the store does of that.

    A bucket is made again, whole, from what it is made of, so that no crash counts anything twice. What is stored after
    its bucket was made marks that bucket as late, in the transaction that stores it. Checks are known by number.
    """

    async def roll(self, check: str, buckets: Sequence[Bucket]) -> None:
        """Keep buckets of a check. One that is there is replaced, unless it counts more runs."""

    async def buckets(self, check: str, step: int, since_ms: int, until_ms: int) -> Sequence[Bucket]:
        """Buckets of a check that begin in a window, oldest first."""

    async def rolled(self) -> Mapping[int, int]:
        """Up to when buckets of each step have been made, in Unix ms."""

    async def roll_until(self, step: int, until_ms: int) -> None:
        """Say that buckets of a step have been made up to an instant."""

    async def seal(self, until_ms: int) -> None:
        """From now on, results of before that instant are late. Said before they are read to be rolled."""

    async def settled(self) -> Mapping[int, int]:
        """Up to when the buckets of each step are made, and none waits to be made again."""

    async def late(self) -> Sequence[tuple[int, int]]:
        """(step, Unix ms) of buckets that wait to be made again, for whatever checks: fine ones first, in order."""

    async def late_checks(self, step: int, at_ms: int) -> Mapping[int, int]:
        """The checks for which a bucket waits to be made again, and a mark that changes when it has to be once more."""

    async def late_buckets(self, check: str) -> Sequence[tuple[int, int]]:
        """(step, Unix ms) of the buckets of one check that wait to be made again."""

    async def numbers(self) -> Sequence[int]:
        """Every check there ever was, by number, in order."""

    def sums(self, step: int, at_ms: int, checks: Sequence[int]) -> AsyncIterator[Mapping[int, Bucket]]:
        """A bucket as it is by now, made of runs or of finer buckets, by check, for a few checks at a time.

        Checks without a run in it have none.
        """

    async def keep(
        self,
        step: int,
        at_ms: int,
        buckets: Mapping[int, Bucket],
        *,
        late: Mapping[int, int] | None = None,
        coarser: int = 0,
        until_ms: int = 0,
    ) -> None:
        """Keep one bucket of several checks, as `roll` does, and take back its `late` marks where they are still these.

        With the step of a coarser bucket, that one is late from now on for each of the checks that have one here. With
        `until_ms`, say that buckets of this step have been made up to then. All in one transaction.
        """

    async def next_run(self, since_ms: int) -> int | None:
        """When the first run at or after an instant began, of any check."""

    async def next_bucket(self, step: int, since_ms: int) -> int | None:
        """When the first bucket of a step at or after an instant begins, of any check."""

    async def first(self, check: str, step: int) -> int | None:
        """When the oldest bucket of a check begins that is kept; with step 0, its oldest run."""

    async def prune_buckets(self, step: int, before_ms: int, limit: int) -> int:
        """Delete at most `limit` buckets of a step that are older; how many went."""


class Store(Rollups, Marked, Exhibits, Beats, Incidents, Protocol):
    """Every method may raise StoreError. Instants are Unix ms; windows are half-open."""

    async def append(self, entries: Sequence[Entry | Act]) -> None:
        """Results, states, transitions, incidents and deliveries in one transaction; all or nothing; idempotent."""

    async def states(self) -> Mapping[str, State]:
        """The last state of every check, also of those that are no longer configured."""

    async def pending(self) -> Sequence[Delivery]:
        """Deliveries that are still owed, oldest transition first."""

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Write down what became of deliveries, or how often they were tried."""

    async def told(self, since_ms: int) -> Sequence[Delivery]:
        """The last delivered notice of each receiver and incident: of those open, and of those ended after `since_ms`.

        Only incidents of which the receiver's last delivered notice is firing, or resolved at or after `since_ms`.
        """

    async def results(self, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Kept]:
        """The newest `limit` results of a check in a window, oldest first."""

    async def transitions(self, check: str | None, since_ms: int, until_ms: int, limit: int) -> Sequence[Transition]:
        """The newest `limit` transitions of one check or of all in a window, oldest first."""

    async def standing(self, at_ms: int) -> Sequence[Transition]:
        """The last transition of every check that was decided before an instant."""

    async def last_runs(self) -> Mapping[str, int]:
        """When the last stored run of every check began; checks without one are absent."""

    async def gaps(self, since_ms: int, until_ms: int) -> Mapping[str, Sequence[Span]]:
        """Time without runs that touches a window, by check, in order."""

    def runs(self, check: str, since_ms: int, until_ms: int) -> AsyncIterator[Sequence[Kept]]:
        """All results of a check in a window, oldest first, some hundred at a time."""

    async def announce(self, announcement: Announcement) -> None:
        """Keep an announcement; one of the same id is replaced."""

    async def announcements(self, since_ms: int) -> Sequence[Announcement]:
        """Announcements that have not ended before an instant, oldest first."""

    async def forget(self, checks: Sequence[str]) -> None:
        """Drop the states of checks that are no longer configured. Their results and transitions stay."""

    async def prune(self, before_ms: int, limit: int) -> int:
        """Delete at most `limit` results older than `before_ms`; how many went. Transitions are never deleted."""

    async def prune_oldest(self, limit: int) -> int:
        """Delete the `limit` oldest results, whatever their age: for a database over its size."""

    async def oldest(self) -> Mapping[int, int]:
        """When the oldest result (step 0) and the oldest bucket of each step began; what there is none of is absent."""

    async def size(self) -> int:
        """Bytes that the database uses, without pages that are free to be used again."""

    async def close(self) -> None: ...
