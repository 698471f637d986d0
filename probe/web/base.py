"""What the pages and the API need of the running service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from exporters.alerting.change import Change, Ended
from exporters.alerting.explain import Explanation
from exporters.alerting.incident import Incident
from exporters.alerting.links import Link
from exporters.alerting.several import Outcome
from exporters.oncall.override import Override
from exporters.oncall.roster import Roster
from probe.config.model import Planned
from probe.store.base import Announcement
from probe.store.casebook import Filed
from thresholds.availability import Availability
from thresholds.base import Level, State, Verdict
from thresholds.limits import BaselineLimit, WindowLimit
from thresholds.maintenance import Window
from thresholds.measures import Cause, Flow, Reliability
from thresholds.occurrences import Occurrences
from thresholds.outages import Outage
from thresholds.spans import Span
from thresholds.timeline import Condition, Interval


class CheckView(Protocol):
    """One check as it stands now."""

    @property
    def planned(self) -> Planned: ...
    @property
    def state(self) -> State: ...
    @property
    def last(self) -> Verdict | None: ...
    @property
    def history(self) -> Sequence[tuple[Level, float]]:
        """The last runs, oldest first: the level of each alone and its duration in seconds."""

    def windows(self) -> Sequence[WindowLimit]:
        """Its thresholds on a while, as of the last run."""

    def baselines(self, at_ms: int) -> Sequence[BaselineLimit]:
        """Its thresholds on what is usual, in the hour of the week of an instant."""


class Board(Protocol):
    """All checks as they stand now."""

    def views(self) -> Collection[CheckView]: ...
    def view(self, name: str) -> CheckView | None: ...
    def own_states(self) -> Mapping[str, State]:
        """How the parts of Probe itself stand, by subject."""


class Subject(Protocol):
    """A check, or a service."""

    @property
    def name(self) -> str: ...
    @property
    def is_service(self) -> bool: ...
    @property
    def zone(self) -> str: ...


class Records(Protocol):
    """The past of checks and services."""

    def subject(self, name: str) -> Subject | None:
        """A service or a check of this name; None where there is none."""

    def timeline(self, subject: Any, window: Span) -> list[Interval]: ...
    def availability(self, subject: Any, window: Span) -> Availability: ...
    async def occurrences(self, store: Any, subject: Any, window: Span) -> Occurrences: ...
    def outages(self, subject: Any, window: Span, *, at_least: Condition = ...) -> list[Outage]: ...
    def reliability(self, subject: Any, window: Span) -> Reliability: ...
    def reasons(self, subject: Any, window: Span) -> list[Cause]: ...
    def flow(self, subject: Any, days: Sequence[Span]) -> list[Flow]: ...


class Changes(Protocol):
    """Changes and deploys that people told of."""

    def known(self) -> Sequence[Change]:
        """Those in progress, and those of the last days; by their beginning."""

    def lasting(self) -> Sequence[Change]:
        """Those in progress."""

    async def begin(self, change: Change) -> Change:
        """Keep one, or what is said anew of one in progress; as it is kept. Raises StoreError."""

    async def end(self, wanted: str, outcome: Ended) -> Change | None:
        """End one; None where there never was one of this id. Raises StoreError."""


class Response(Protocol):
    """Incidents, and what people do about them."""

    def open(self) -> Sequence[Filed]:
        """Those that are open, oldest first."""

    async def incidents(self, since_ms: int, limit: int) -> Sequence[Filed]:
        """Those that were open since an instant, oldest first. Raises StoreError."""

    async def find(self, number: int) -> Filed | None:
        """The incident of a number. Raises StoreError."""

    async def dossier(self, number: int) -> Any:
        """All that is known of an incident; None where there is none. Raises StoreError."""

    async def do(self, number: int, deed: Any) -> Incident | None:
        """Do something about an incident; None where there is none. Raises DeedError and StoreError."""

    def link(self, text: str) -> Link:
        """What a link in a message is for. Raises LinkError."""

    async def used(self, link: Link) -> bool:
        """Whether a link was used before. Raises StoreError."""

    async def follow(self, text: str, name: str = "") -> tuple[Link, Incident]:
        """Do what a link is for, once, as somebody of that name. Raises LinkError, DeedError and StoreError."""

    async def acknowledge(self, numbers: Sequence[int], who: str) -> Sequence[Outcome]:
        """Take several incidents; what became of each. Raises StoreError."""

    async def about(self, link: Link) -> Sequence[Outcome]:
        """What would become of each incident of a link for all of a message. Raises LinkError and StoreError."""

    async def follow_all(self, text: str, name: str = "") -> tuple[Link, Sequence[Outcome]]:
        """Take all of a message that nobody has, once; what became of each. Raises LinkError and StoreError."""

    def explain(
        self, check: str, level: Level, at_ms: int, others: Sequence[str], windows: Sequence[Window]
    ) -> Explanation | None:
        """Who would hear of a check's failure, while others stand as supposed; None where there is no such check.

        To be asked beside the loop. Raises ValueError.
        """


class OnDuty(Protocol):
    """Who is on call."""

    @property
    def roster(self) -> Roster: ...
    @property
    def overrides(self) -> Callable[[], Sequence[Override]]:
        """What people have said, beside those of the configuration."""

    @property
    def feeds(self) -> Mapping[str, str]:
        """The last good text of each calendar, by its key."""

    @property
    def receivers(self) -> Callable[[], Collection[str]]:
        """The names of those who can be told."""


class Control(Protocol):
    """What the endpoints may ask of the service."""

    @property
    def duty(self) -> OnDuty: ...

    @property
    def response(self) -> Response: ...

    @property
    def changes(self) -> Changes: ...

    def unready(self) -> str:
        """Why the service is not ready; "" when it is."""

    async def reload(self) -> Sequence[str]:
        """Read the configuration again; the problems that kept it from being used, or none."""

    def report(self) -> Mapping[str, Any]:
        """How the service does, as plain values; instants are Unix ms under names that end with _ms."""

    def metrics(self, *, openmetrics: bool) -> AsyncIterator[bytes]:
        """The exposition in chunks, none of which takes long to make."""

    def maintenance(self) -> Sequence[Window]:
        """The maintenance of the configuration; the very same object until that changes."""

    def announced(self) -> Sequence[Announcement]:
        """What people announced and is not over, and what was over lately; oldest first."""

    def accounts(self) -> Sequence[Any]:
        """How every objective stands: its promise, its standing, its burns."""

    async def records(self, since_ms: int) -> Records:
        """What is known of the past from an instant on. Raises StoreError."""

    async def trend(self, check: str, window: Span, step: int, metrics: Collection[str] | None) -> Any:
        """A check's series, in steps of so many seconds; 0 chooses. Raises StoreError, and ValueError for a step."""

    async def announce(self, announcement: Announcement) -> None:
        """Keep what somebody announced, and go by it; one of the same id is replaced. Raises StoreError."""
