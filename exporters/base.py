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

    @property
    def firing(self) -> bool:
        return self.ended_ms == 0


class NotifyError(Exception):
    """A notice was not taken. `permanent`: trying again cannot help. `retry_after`: seconds, where it was said."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class Notifier(Protocol):
    """One configured receiver. The configuration model *is* the notifier."""

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when the receiver took it; raise NotifyError otherwise. The caller sets the deadline.

        A notice may be sent twice, and is then the same in all that identifies it. Notices of one check come in order.
        """


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
