"""A Deliverer over a real store, with receivers that keep what they hear; it ends at any write, and begins anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, ConfigDict, PrivateAttr

from checks.core.redact import Redactor
from exporters.base import Notice, NoticeKind, Post
from exporters.terms import Terms
from probe.engine.deliver import Deliverer, Desk
from probe.store.base import Act
from probe.store.deliveries import Delivery
from probe.store.receivers import Receivers
from probe.store.sql import SqlStore
from tests.conftest import FakeClock, settled
from thresholds.base import Level

AT_MS = 1_700_000_000_000


def notice(kind: str, incident: str = "a@1", number: int = 0, level: Level = Level.DOWN) -> Notice:
    return Notice(
        id=f"{incident}-{kind}-{number}",
        kind=NoticeKind(kind),
        incident=incident,
        instance="test",
        check=incident.split("@", maxsplit=1)[0],
        target="",
        level=level,
        since_ms=AT_MS,
        at_ms=AT_MS,
        ended_ms=AT_MS + 60_000 if kind in ("resolved", "passed") else 0,
    )


class Ear(BaseModel):
    """A receiver with a setting that can be changed, which takes notices or answers with errors, in turn."""

    model_config = ConfigDict(frozen=True)

    address: str = "one"
    _errors: list[Exception] = PrivateAttr(default_factory=list)
    _heard: list[Notice] = PrivateAttr(default_factory=list)
    _tries: list[str] = PrivateAttr(default_factory=list)

    def failing(self, *errors: Exception) -> Ear:
        self._errors.extend(errors)
        return self

    async def send(self, notice: Notice, post: Post) -> None:
        self._tries.append(notice.id)
        if self._errors:
            raise self._errors.pop(0)
        self._heard.append(notice)

    @property
    def heard(self) -> list[str]:
        return [f"{told.kind} {told.incident}" for told in self._heard]

    @property
    def whys(self) -> list[str]:
        return [told.why for told in self._heard]

    @property
    def tries(self) -> list[str]:
        return self._tries


class Thread(Ear):
    """One that knows an incident by what it returned for it."""

    _asked: list[str] = PrivateAttr(default_factory=list)

    async def tell(self, notice: Notice, post: Post, reference: str) -> str:
        await self.send(notice, post)
        self._asked.append(reference)
        return reference or f"ts{len(self._asked)}/{notice.incident}"

    @property
    def asked(self) -> list[str]:
        return self._asked


@dataclass
class PostOffice:
    """What a service would wire; `writes` waits until it is asked to write: a crash forgets it."""

    store: SqlStore
    clock: FakeClock
    writes: list[Delivery] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)
    paced: list[str] = field(default_factory=list)
    garbled: list[str] = field(default_factory=list)
    lasting: Callable[[str], bool] = lambda _incident: True
    dress: Callable[[Notice, str], Notice] = lambda notice, _receiver: notice
    book: Receivers | None = None  # where it is kept who is disabled; the store unless given

    def __post_init__(self) -> None:
        self.deliverer = Deliverer(
            Desk(
                clock=self.clock,
                post=None,  # type: ignore[arg-type]  # these receivers speak no HTTP
                redact=Redactor(["s3cr3t"]),
                settle=self.writes.append,
                refused=lambda name, why: self.refusals.append((name, why)),
                taken=lambda _name: None,
                failed=lambda _name, _trouble, _final: None,
                enabled=self.enabled.append,
                paced=self.paced.append,
                garbled=self.garbled.append,
                still=self.lasting,
                dress=self.dress,
                book=self.book or self.store,
            )
        )

    async def open(self, receivers: Mapping[str, Ear], terms: Mapping[str, Terms] | None = None) -> None:
        """As the service begins: what is known from before, then what is owed."""
        told, disabled = await self.store.told(self.clock.now_ms() - 900_000), await self.store.disabled()
        pending = await self.store.pending()
        self.deliverer.configure(receivers, told, terms=self.terms(receivers, terms), disabled=disabled)
        for delivery in pending:
            self.deliverer.accept(delivery)
        await settled()

    @staticmethod
    def terms(receivers: Mapping[str, Ear], given: Mapping[str, Terms] | None) -> Mapping[str, Terms]:
        return {name: (given or {}).get(name, Terms()) for name in receivers if "/" not in name}

    async def decide(self, what: Notice, *receivers: str) -> None:
        """A notice is decided: first a row, then it is handed on."""
        await self.store.append([Act(notices=((what, receivers),))])
        for receiver in receivers:
            self.deliverer.accept(Delivery(what, receiver))
        await settled()

    async def write(self, count: int | None = None) -> None:
        """Write down some of what became of deliveries, in order; all unless a number is given."""
        count = len(self.writes) if count is None else count
        await self.store.settle(self.writes[:count])
        del self.writes[:count]

    async def kept(self, disabled: int) -> None:
        """Wait until so many receivers are written down as disabled."""
        while len(await self.store.disabled()) != disabled:
            await settled()

    async def close(self) -> None:
        await self.deliverer.stop()

    def outcomes(self) -> Sequence[str]:
        return [f"{one.receiver} {one.notice.id} {one.outcome.value}" for one in self.writes]


def numbered(what: Notice, number: int) -> Notice:
    return replace(what, id=f"{what.id}{number}")
