"""What becomes of a result: the check's state, a row, and the people to tell."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Failure, FailureKind, Result
from exporters.alerting.case import Case
from exporters.base import Notice, NoticeKind
from exporters.route import Route
from probe.config.model import Config, Planned
from probe.engine.dispatch import Dispatcher
from probe.engine.duty import Duty
from probe.engine.hub import Hub
from probe.store.base import Entry
from probe.store.casebook import Filed
from tests.conftest import FakeClock
from thresholds.base import Level, Policy, Threshold

REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")


@dataclass(frozen=True)
class Page:
    """A check of nothing: the hub sees results only."""

    target: str = "http://shop.example/"
    host: str = "shop.example"

    async def run(self, trace, net) -> None: ...


class Silent:
    """A receiver that nothing is sent to here."""

    async def send(self, notice, post) -> None: ...


def planned(name: str, **changes) -> Planned:
    plan = Planned(CheckSpec(name, Page(), 10.0, 5.0), Policy(), "http", "shop", "team-shop", labels={"tier": "1"})
    return replace(plan, **changes)


def config(*plans: Planned, routes: tuple[Route, ...] = (Route(("chat",)),)) -> Config:
    checks = {plan.name: plan for plan in plans}
    names = dict.fromkeys(name for route in routes for name in route.to) | dict.fromkeys(("chat", "mail", "oncall"))
    receivers = {name: Silent() for name in names}
    url = "http://probe.example"
    return Config(Path("probe.yml"), "test", "127.0.0.1", 0, "", checks, receivers=receivers, routes=routes, url=url)


class Desk:
    """A hub with its dispatcher, and everything that they hand on."""

    def __init__(self, clock: FakeClock, conf: Config, states=None) -> None:
        self.clock = clock
        self.entries: list[Entry] = []
        self.exported = 0
        self.dispatcher = Dispatcher(conf, clock, lambda _act: None, Duty(conf.roster))
        self.hub = Hub(conf, clock, self.entries.append, self._export, states or {}, self.dispatcher.hear)

    def configure(self, conf: Config) -> None:
        self.dispatcher.configure(conf)
        self.hub.configure(conf)

    def filed(self) -> tuple[list[Filed], list[Case]]:
        """What the store would know of incidents."""
        book = self.dispatcher.book
        return [Filed(one, list(book.members(one.id).values())) for one in book.open()], list(self.dispatcher.cases())

    def _export(self, batch) -> None:
        self.exported += len(batch)

    def run(self, name: str, *fates: bool) -> None:
        for good in fates:
            self.clock.step_wall(10_000)
            self.hub.emit(Result(name, self.clock.now_ms(), 0.1, {"connect": 0.1}, failure=None if good else REFUSED))

    def notices(self) -> list[tuple[Notice, tuple[str, ...]]]:
        return [told for entry in self.entries if entry.act for told in entry.act.notices]


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    return Desk(clock, config(planned("a"), planned("b")))


def test_every_result_is_recorded_and_exported(desk: Desk) -> None:
    desk.run("a", True, False, True)
    assert len(desk.entries) == desk.exported == 3
    view = desk.hub.view("a")
    assert view is not None
    assert [level.name for level, _ in view.history] == ["UP", "DOWN", "UP"]


def test_an_outage_is_told_with_everything_that_people_need(desk: Desk) -> None:
    start = desk.clock.now_ms()
    desk.run("a", True, False, False)
    (notice, receivers), *rest = desk.notices()
    assert not rest
    assert receivers == ("chat",)
    assert (notice.kind, notice.level, notice.reason) == (NoticeKind.OPENED, Level.DOWN, "connection refused")
    assert notice.since_ms == start + 20_000
    assert notice.at_ms == start + 30_000
    assert notice.link == "http://probe.example/incidents/1"
    assert (notice.number, notice.severity, notice.count) == (1, "page", 1)
    assert (notice.service, notice.owner, notice.labels) == ("shop", "team-shop", {"tier": "1"})
    assert notice.evidence == {"total time": "100 ms", "connect time": "100 ms"}


def test_the_end_goes_to_those_who_heard_the_beginning(clock: FakeClock) -> None:
    desk = Desk(clock, config(planned("a"), routes=(Route(("oncall", "chat"), level=Level.DOWN), Route(("mail",)))))
    desk.run("a", True, False, False)
    desk.configure(config(planned("a"), routes=(Route(("mail",)),)))
    desk.run("a", True, True)
    (opened, first), (resolved, second) = desk.notices()
    assert first == second == ("oncall", "chat")
    assert opened.incident == resolved.incident
    assert opened.id != resolved.id
    assert (resolved.kind, resolved.ended_ms) == (NoticeKind.RESOLVED, clock.now_ms() - 10_000)


def test_a_restart_in_an_outage_tells_nobody_twice_and_ends_it_once(clock: FakeClock) -> None:
    before = Desk(clock, config(planned("a")))
    before.run("a", True, False, False, False)
    state = before.entries[-1].verdict.state
    after = Desk(clock, config(planned("a")), {"a": state})
    after.dispatcher.load(*before.filed(), 1)
    after.run("a", False, False, True, True)
    (notice, receivers), *rest = after.notices()
    assert not rest
    assert (notice.kind, notice.incident, receivers) == (NoticeKind.RESOLVED, state.incident, ("chat",))


def test_a_check_that_is_removed_in_an_outage_is_closed(desk: Desk) -> None:
    desk.run("a", True, False, False)
    desk.configure(config(planned("b")))
    desk.run("a", False)
    notice, receivers = desk.notices()[-1]
    assert (notice.kind, notice.check, receivers) == (NoticeKind.RESOLVED, "a", ("chat",))
    assert desk.entries[-1].verdict.transition is not None
    assert desk.entries[-1].verdict.transition.reason == "the check was removed from the configuration"
    assert desk.entries[-1].verdict.state.incident == ""
    assert desk.hub.view("a") is None


def test_so_is_one_that_was_removed_while_we_were_down(clock: FakeClock) -> None:
    before = Desk(clock, config(planned("gone")))
    before.run("gone", False, False)
    desk = Desk(clock, config(planned("a")))
    desk.dispatcher.load(*before.filed(), 1)
    desk.hub.configure(config(planned("a")), {"gone": before.entries[-1].verdict.state})
    assert [(notice.kind, who) for notice, who in desk.notices()] == [(NoticeKind.RESOLVED, ("chat",))]


def test_a_reload_keeps_state_and_history(desk: Desk) -> None:
    desk.run("a", True, False)
    desk.configure(config(planned("a", policy=Policy(down_after=(2, 2))), planned("c")))
    desk.run("a", False)
    assert [notice.kind for notice, _ in desk.notices()] == [NoticeKind.OPENED]
    view = desk.hub.view("a")
    assert view is not None
    assert len(view.history) == 3


def test_what_is_wrong_with_ourselves_is_told_once_but_not_to_the_one_it_is_about(clock: FakeClock) -> None:
    desk = Desk(clock, config(planned("a"), routes=(Route(("chat", "mail")),)))
    for _ in range(3):
        desk.hub.report("receiver/mail", Level.DEGRADED, "410 Gone")
    desk.hub.report("receiver/mail", Level.UP, "")
    desk.hub.report("receiver/mail", Level.UP, "")
    assert [(notice.check, notice.kind, who) for notice, who in desk.notices()] == [
        ("probe/receiver/mail", NoticeKind.OPENED, ("chat",)),
        ("probe/receiver/mail", NoticeKind.RESOLVED, ("chat",)),
    ]


def test_routes_match_the_service_and_own_labels(clock: FakeClock) -> None:
    routes = (Route(("tier2",), match={"tier": "2"}), Route(("shop",), match={"service": "shop"}))
    desk = Desk(clock, config(planned("a"), routes=routes))
    desk.run("a", False, False)
    assert desk.notices()[0][1] == ("shop",)


def test_a_result_of_nobody_is_dropped(desk: Desk) -> None:
    desk.run("removed", True)
    assert not desk.entries


def test_an_end_goes_by_the_routes_when_all_who_were_told_are_gone(clock: FakeClock) -> None:
    desk = Desk(clock, config(planned("a"), routes=(Route(("oncall",)),)))
    desk.run("a", False, False)
    conf = config(planned("a"))
    desk.configure(replace(conf, receivers={"chat": Silent()}))
    act = desk.dispatcher.tick()
    assert act is not None
    assert [(notice.kind, who) for notice, who in act.notices] == [(NoticeKind.OPENED, ("chat",))]
    desk.run("a", True, True)
    assert [who for _, who in desk.notices()] == [("oncall",), ("chat",)]


def test_a_change_is_told_to_those_before_and_to_those_whom_it_concerns(clock: FakeClock) -> None:
    routes = (Route(("oncall",), level=Level.DOWN), Route(("mail",)))
    desk = Desk(clock, config(planned("a", policy=Policy((Threshold("total", degraded=0.05),))), routes=routes))
    desk.run("a", True, True)
    desk.run("a", False, False, True, True)
    told = [(notice.kind, notice.level.name, who) for notice, who in desk.notices()]
    assert told == [
        (NoticeKind.OPENED, "DEGRADED", ("mail",)),
        (NoticeKind.CHANGED, "DOWN", ("mail",)),
        (NoticeKind.OPENED, "DOWN", ("oncall",)),
        (NoticeKind.CHANGED, "DEGRADED", ("mail", "oncall")),
    ]


def test_the_end_names_the_worst_that_it_was(clock: FakeClock) -> None:
    desk = Desk(clock, config(planned("a")))
    desk.run("a", True, False, False)
    desk.hub.emit(Result("a", clock.now_ms() + 1, 0.1, failure=Failure(FailureKind.LOCAL, "connect", "our side")))
    desk.run("a", True, True)
    assert [notice.level for notice, _ in desk.notices()] == [Level.DOWN, Level.DOWN]


def test_checks_that_cannot_be_judged_are_found(desk: Desk) -> None:
    desk.run("b", True)
    at_ms = desk.clock.now_ms()
    ours = Failure(FailureKind.LOCAL, "connect", "no file descriptors left")
    for name in ("a", "b"):
        desk.hub.emit(Result(name, at_ms, 0.1, failure=ours))
    assert desk.hub.unknown_since(at_ms) == ["a", "b"]
    assert desk.hub.unknown_since(at_ms - 1) == []
    desk.run("b", True)
    assert desk.hub.unknown_since(at_ms) == ["a"]
