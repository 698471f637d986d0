"""A dispatcher at work, without anything around it: checks fail, people act, time passes; it is written who hears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from exporters.alerting.book import Failing
from exporters.alerting.case import Case
from exporters.alerting.incident import Happening, Incident, Member
from exporters.alerting.settings import Settings
from exporters.base import Notice
from exporters.oncall.roster import Roster
from exporters.route import Route
from probe.config.model import Config
from probe.engine.dispatch import Dispatcher
from probe.engine.duty import Duty
from probe.store.base import Act
from probe.store.casebook import Filed
from tests.conftest import FakeClock
from thresholds.base import Event, Level, Transition

Heard = tuple[int, str, tuple[str, ...]]  # seconds since the beginning, kind, receivers


class Silent:
    """A receiver that nothing is sent to here."""

    async def send(self, notice: object, post: object) -> None: ...


@dataclass
class Kept:
    """What a store would have, made of what was decided."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    members: dict[tuple[str, str], Member] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)

    def take(self, act: Act) -> None:
        self.incidents |= {one.id: one for one in act.incidents}
        self.members |= {(identity, member.check): member for identity, member in act.members}
        self.happenings += act.happenings
        for case in act.cases:
            self.cases[case.id] = case
            if case.ended:
                del self.cases[case.id]

    def filed(self) -> list[Filed]:
        return [
            Filed(one, [member for (identity, _), member in self.members.items() if identity == one.id])
            for one in self.incidents.values()
        ]


class Stage:
    """`told` is who heard what, when, in order."""

    def __init__(
        self,
        clock: FakeClock,
        *routes: Route,
        roster: Roster | None = None,
        settings: Settings | None = None,
        receivers: Sequence[str] = ("chat", "mail", "oncall"),
        url: str = "",
    ) -> None:
        self.clock = clock
        self.began_ms = clock.now_ms()
        self.told: list[Heard] = []
        self.notices: list[Notice] = []
        self.kept = Kept()
        self.levels: dict[str, tuple[Level, str, int]] = {}  # of checks that are bad: level, alarm, since
        names = {*receivers, *(name for route in routes for name in route.to if ":" not in name)}
        if roster is not None:
            names |= {way.receiver for user in roster.users.values() for way in user.ways("page")}
        self.config = Config(
            Path("probe.yml"),
            "test",
            "127.0.0.1",
            0,
            "",
            {},
            receivers={name: Silent() for name in names},
            routes=tuple(replace(route, name=route.name or f"route {n}") for n, route in enumerate(routes, 1)),
            roster=roster or Roster(),
            alerting=settings or Settings(),
            url=url,
        )
        self.start()

    def start(self) -> None:
        """Begin, or go on after a crash with what was kept."""
        self.duty = Duty(self.config.roster)
        self.dispatcher = Dispatcher(self.config, self.clock, self.take, self.duty)
        last = max((one.number for one in self.kept.incidents.values()), default=0)
        self.dispatcher.load(self.kept.filed(), self.kept.cases.values(), last)

    def configure(self, *routes: Route) -> None:
        named = tuple(replace(route, name=route.name or f"route {n}") for n, route in enumerate(routes, 1))
        self.config = replace(self.config, routes=named)
        self.dispatcher.configure(self.config)

    def take(self, act: Act | None) -> None:
        if act is None:
            return
        self.kept.take(act)
        for notice, receivers in act.notices:
            seconds = round((self.clock.now_ms() - self.began_ms) / 1000)
            self.told.append((seconds, notice.kind.value, receivers))
            self.notices.append(notice)

    # What happens.

    def fail(self, check: str, reason: str = "status 503, wanted 2xx", level: Level = Level.DOWN, **known: Any) -> None:
        """A check is bad from now on; `known` is of Failing."""
        now_ms = self.clock.now_ms()
        before, alarm, since_ms = self.levels.get(check, (Level.UP, f"{check}@{now_ms}", now_ms))
        event = Event.CHANGED if before.bad else Event.OPENED
        self.levels[check] = level, alarm, since_ms
        causes = (f"reason:{reason}",)
        failing = Failing(**{"subject": "shop", "service": "shop", "causes": causes, **known})
        self.take(
            self.dispatcher.hear(
                Transition(check, now_ms, now_ms, before, level, event, alarm, since_ms, reason, max(before, level)),
                failing,
            )
        )
        self.take(self.dispatcher.tick())

    def recover(self, check: str) -> None:
        now_ms = self.clock.now_ms()
        before, alarm, since_ms = self.levels.pop(check)
        self.take(
            self.dispatcher.hear(
                Transition(check, now_ms, now_ms, before, Level.UP, Event.RESOLVED, alarm, since_ms, "", before),
                Failing(),
            )
        )
        self.take(self.dispatcher.tick())

    async def after(self, seconds: float) -> None:
        """Let time pass, and look at every instant at which something is due."""
        end = self.clock.monotonic() + seconds
        for _ in range(10_000):
            self.take(self.dispatcher.tick())
            left = end - self.clock.monotonic()
            if left <= 0:
                return
            await self.clock.advance(min(left, self.dispatcher.until_next(left)))
        raise AssertionError("it looks again and again")

    def incident(self, number: int = 1) -> Incident:
        return next(one for one in self.kept.incidents.values() if one.number == number)

    def deed(self, name: str, *values: object, number: int = 1) -> None:
        self.take(getattr(self.dispatcher, name)(self.incident(number).id, *values))

    def heard(self) -> list[Heard]:
        """What was told since the last time that this was asked."""
        told, self.told = self.told, []
        return told

    def deeds(self, number: int = 1) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for one in self.kept.happenings:
            if one.incident == self.incident(number).id:
                found[one.deed.value] = found.get(one.deed.value, 0) + 1
        return found
