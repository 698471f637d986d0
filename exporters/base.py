"""The seams: where verdicts are written, and how a notice reaches people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from thresholds.base import Level, Verdict


class Sink(Protocol):
    """Takes batches of verdicts."""

    async def write(self, batch: Sequence[Verdict]) -> None: ...


class NoticeKind(StrEnum):
    """What a notice says of its incident."""

    OPENED = "opened"
    CHANGED = "changed"
    RESOLVED = "resolved"
    PASSED = "passed"  # opened and resolved before anybody could be told: one message says both
    REPEATED = "repeated"  # still so, and nobody has acknowledged it
    ACKNOWLEDGED = "acknowledged"  # somebody takes care of it, or puts it off
    UNACKNOWLEDGED = "unacknowledged"  # nobody does any more: the acknowledgement was taken back, or has expired
    BULLETIN = "bulletin"  # about no incident: `title` and `text` are all there is to say


@dataclass(frozen=True, slots=True)
class Notice:
    """What people are told of one transition. Kept with it, so that a restart sends the very same."""

    id: str  # stable across retries: receivers drop what they have seen
    kind: NoticeKind
    incident: str  # one per incident: what PagerDuty and Alertmanager merge by
    instance: str  # which Probe says so
    check: str
    target: str
    level: Level  # DOWN or DEGRADED; of a RESOLVED or PASSED notice the worst that it was told or seen as
    since_ms: int  # Unix ms of the first failed run
    at_ms: int  # Unix ms of the decision
    ended_ms: int = 0  # Unix ms of the first good run; 0 while it lasts
    reason: str = ""  # one line: what failed, or what had failed
    service: str = ""
    owner: str = ""
    runbook: str = ""
    link: str = ""  # the page of the check
    labels: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, str] = field(default_factory=dict)  # phases and facts of the run, formatted, in order
    was: Level = Level.UNKNOWN  # of a CHANGED notice the other bad level that it left; UNKNOWN where it left none
    number: int = 0  # of the incident, as people say it; 0: none
    numbers: tuple[int, ...] = ()  # of a message about several that somebody may take: theirs, thousands at most
    severity: str = ""  # page, ticket or log; "" where nothing says so
    title: str = ""  # what it is about in few words; "": the check. Of a BULLETIN its subject
    text: str = ""  # of a BULLETIN: what it says, in lines
    count: int = 1  # checks that are bad in this incident, or were
    members: tuple[str, ...] = ()  # a line for each check or incident that it is made of, the first dozens
    acked_by: str = ""  # who takes care of it; "" while nobody does
    snoozed_ms: int = 0  # Unix ms until which it is put off; 0: it is not
    resolved_by: str = ""  # who said that it is over; "" where it recovered by itself
    again: int = 0  # how often it had been over, and came back
    recurrence: str = ""  # "5th time in 30 days, last fix open since 2026-11-03"
    changes: tuple[str, ...] = ()  # deploys and changes nearby: "CHG123 in progress for 10m: new cart"
    bridge: str = ""  # where people meet about it
    why: str = ""  # why this receiver is told: "on call in prodops, step 2"
    whys: Mapping[str, str] = field(default_factory=dict)  # the same by receiver, before it goes to any of them
    actions: Mapping[str, str] = field(default_factory=dict)  # links that act, by their words: "Acknowledge"

    @property
    def firing(self) -> bool:
        return self.ended_ms == 0

    @property
    def subject(self) -> str:
        """What it is about, in few words."""
        return self.title or self.check


class NotifyError(Exception):
    """A notice was not taken. `permanent`: trying again cannot help. `retry_after`: seconds, where it was said.

    `gone`: the receiver takes nothing any more, whatever it is told: its address is dead, or its key was revoked.
    `kind` is what metrics count it as.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        gone: bool = False,
        kind: Trouble | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent or gone
        self.retry_after = retry_after
        self.gone = gone
        self.kind = kind or Trouble.OTHER


class Trouble(StrEnum):
    """Why a receiver did not take a notice, as metrics count it."""

    REFUSED = "refused"  # a 4xx that no other fits: what was said is wrong
    SERVER = "server"  # a 5xx
    AUTH = "auth"  # 401, 403, a revoked key
    RATE = "rate_limited"
    GONE = "gone"  # 404, 410
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    OTHER = "other"


class Notifier(Protocol):
    """One configured receiver. The configuration model *is* the notifier."""

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when the receiver took it; raise NotifyError otherwise. The caller sets the deadline.

        A notice may be sent twice, and is then the same in all that identifies it. Notices of one check come in order.
        """


@runtime_checkable
class Threaded(Protocol):
    """A receiver in which all that is told of an incident stands together: one message, updated, with its replies."""

    async def tell(self, notice: Notice, post: Post, reference: str) -> str:
        """As `send`. `reference` is what the last call for this incident returned, "" at the first; kept for long."""


@runtime_checkable
class Addressed(Protocol):
    """A receiver that can reach people by an address of their own."""

    def addressed(self, to: str) -> Notifier:
        """The same receiver for one person. ValueError says what is wrong with the address, and what is right."""


@runtime_checkable
class Refreshing(Protocol):
    """A receiver that forgets what it is not told again, as Alertmanager does."""

    @property
    def refresh_every(self) -> float:
        """Seconds between two refreshes."""

    @property
    def keep_resolved(self) -> float:
        """Seconds for which a resolved notice is told again."""

    async def refresh(self, notices: Sequence[Notice], now_ms: int, post: Post) -> None:
        """Tell the receiver once more of everything that is open or has just ended. Raises as `send` does."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a receiver answered: the status, headers with lower-case names, and the first KiB of the body as text."""

    status: int
    headers: Mapping[str, str]
    text: str


class Post(Protocol):
    """How a notifier speaks HTTP: one POST, no redirect followed, answer read up to a bound.

    Raises NotifyError when there is no answer.
    """

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response: ...
