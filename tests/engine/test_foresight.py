"""What is foretold is what happens: random configurations, played ahead, and then for real by hub and dispatcher."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Failure, FailureKind, Result
from exporters.alerting.advance import LASTS
from exporters.alerting.explain import Explanation
from exporters.alerting.incident import Deed, Severity
from exporters.alerting.rules import Inhibition, Quiet, Silence
from exporters.alerting.settings import Settings
from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.route import Route
from probe.config.model import Planned, ServicePlan
from probe.engine.foresight import foretold
from probe.engine.hub import Hub
from probe.engine.played import Question
from tests.conftest import FakeClock
from tests.engine.incidents import Heard, Stage
from tests.engine.test_hub import Page
from thresholds.base import Level, Policy, Threshold
from thresholds.composite import Rule
from thresholds.hours import parse_hours
from thresholds.maintenance import OneOff, Subject, Window

MIN, HOUR = 60_000, 3_600_000
ROSTER = Roster(
    users={"ana": User("ana", contacts={"mail": "ana@shop.example"})},
    escalations={"ops": EscalationPolicy("ops", (Step(("chat",), 0.0), Step(("user:ana",), 420.0)), 1, 600.0)},
)
POLICY = Policy((), down_after=(1, 1), up_after=1, flap=None)
SITE, TWIN = "shop/site", "shop/twin"


@dataclass(frozen=True)
class World:
    """A configuration, and what is so beside it."""

    routes: Sequence[Route] = (Route(("chat",)),)
    settings: Settings = field(default_factory=Settings)
    depends_on: tuple[str, ...] = ()
    silences: Sequence[Silence] = ()
    windows: Sequence[Window] = ()
    supposed: dict[str, Level] = field(default_factory=dict)
    level: Level = Level.DOWN

    def checks(self) -> dict[str, Planned]:
        oslo, rome = {"city": "oslo", "tier": "web"}, {"city": "rome", "tier": "net"}
        return {
            "net/gw": check("net/gw", "net", 60.0, rome | {"city": "oslo"}),
            "net/gw2": check("net/gw2", "net", 20.0, rome),
            TWIN: check(TWIN, "shop", 30.0, oslo, self.depends_on),
            SITE: check(SITE, "shop", 30.0, oslo, self.depends_on),
            "mail/in": check("mail/in", "mail", 30.0, rome, self.depends_on[:1]),
        }


def check(name: str, service: str, every: float, labels: dict[str, str], on: tuple[str, ...] = ()) -> Planned:
    policy = replace(POLICY, thresholds=(Threshold(slow(name), degraded=0.8),))
    return Planned(CheckSpec(name, Page(), every, 5.0), policy, "http", service, labels=labels, depends_on=on)


def slow(name: str) -> str:
    """What takes too long where a check is DEGRADED: of two that are supposed by themselves, two things."""
    return "tls" if name == TWIN else "connect"


def staged(clock: FakeClock, world: World) -> Stage:
    stage = Stage(clock, *world.routes, roster=ROSTER, settings=world.settings)
    checks = world.checks()
    members: dict[str, tuple[str, ...]] = {}
    for name, planned in checks.items():
        members[planned.service] = (*members.get(planned.service, ()), name)
    services = {name: ServicePlan(name, Rule(), of) for name, of in members.items()}
    stage.config = replace(stage.config, checks=checks, services=services)
    stage.start()
    stage.dispatcher.held.silences = lambda: world.silences
    return stage


def told(explanation: Explanation) -> list[Heard]:
    return [(round(one.after), one.kind.value, tuple(one.receivers)) for one in explanation.hearings]


async def lived(clock: FakeClock, stage: Stage, world: World, hours: float) -> list[Heard]:
    """The same by the hub and the dispatcher, run by run: who heard of it while nobody acted."""
    hub = Hub(stage.config, clock, lambda entry: stage.take(entry.act), lambda _: None, {}, stage.dispatcher.hear)
    hub.muted = lambda name, at_ms: muted_until(world, name, at_ms) > 0
    stage.dispatcher.held.dependence.watch = hub.view
    stage.dispatcher.held.dependence.services = stage.config.services
    for name in stage.config.checks:
        hub.emit(Result(name, clock.now_ms() - HOUR, 0.0))
    began_ms, bad = clock.now_ms(), {SITE: world.level}
    for name, level in sorted(world.supposed.items(), key=lambda one: one[0] in stage.config.checks):
        members = stage.config.services[name].members if name in stage.config.services else (name,)
        bad |= {member: level for member in members if member != SITE}
    for at_ms, name in runs(stage, world, bad, began_ms):
        if at_ms > clock.now_ms():
            await stage.after((at_ms - clock.now_ms()) / 1000)
        ran(hub, name, at_ms, bad.get(name, Level.UP))
    await stage.after((began_ms + hours * HOUR - clock.now_ms()) / 1000)
    return heard(stage, began_ms)


def runs(stage: Stage, world: World, bad: dict[str, Level], began_ms: int) -> list[tuple[int, str]]:
    """When each check runs: what is bad at once and after its maintenance, the others just before, and on and on."""
    found = []
    for name, planned in stage.config.checks.items():
        if name in bad:
            found += [(began_ms, name), (muted_until(world, name, began_ms) or began_ms, name)]
        else:
            every_ms = round(planned.spec.every * 1000)
            found += [(began_ms - 1 + turn * every_ms, name) for turn in range(HOUR // every_ms)]
    order = [*bad]
    return sorted(found, key=lambda one: (one[0], one[1] == SITE, order.index(one[1]) if one[1] in bad else -1))


def ran(hub: Hub, name: str, at_ms: int, level: Level) -> None:
    phases = {slow(name): 1.0} if level is Level.DEGRADED else {}
    why = f"broken {'twin' if name == TWIN else name.partition('/')[0]}"
    failure = Failure(FailureKind.PROTOCOL, "read", why) if level is Level.DOWN else None
    hub.emit(Result(name, at_ms, 0.0, phases, failure=failure))


def muted_until(world: World, name: str, at_ms: int) -> int:
    planned = world.checks()[name]
    covering = [one for one in world.windows if one.covers(Subject(name, planned.service, planned.labels))]
    spans = [span for one in covering for span in one.spans((at_ms, at_ms + 1))]
    return max((one.times.span[1] for one in covering if isinstance(one.times, OneOff)), default=0) if spans else 0


def heard(stage: Stage, began_ms: int) -> list[Heard]:
    """What was told of the site, without that it lasts."""
    incident = stage.dispatcher.book.of_check(SITE)
    ours = {
        one.notice
        for one in stage.kept.happenings
        if incident and one.incident == incident.id and one.deed is Deed.TOLD
    }
    return [
        (round((notice.at_ms - began_ms) / 1000), kind, receivers)
        for (_, kind, receivers), notice in zip(stage.told, stage.notices, strict=True)
        if notice.id in ours and not (kind == "repeated" and set(notice.whys.values()) == {LASTS})
    ]


def some(random: Random, now_ms: int) -> World:
    """A configuration by chance."""
    pick = random.choice
    routes = [
        Route(
            pick([("chat",), ("mail",), ("escalation:ops",), ("user:ana", "chat"), ("escalation:ops", "mail")]),
            pick([{}, {}, {"service": "shop"}, {"city": "oslo"}, {"severity": "page"}]),
            pick([Level.DEGRADED, Level.DEGRADED, Level.DOWN]),
            go_on=pick([True, False]),
            by=pick([(), (), ("",), ("service",), ("city",)]),
            wait=pick([0.0, 0.0, 30.0, 200.0]),
            interval=pick([30.0, 300.0]),
            repeat=pick([0.0, 0.0, 3600.0]),
        )
        for _ in range(random.randint(1, 3))
    ]
    rules = [
        Inhibition({"tier": "net", "level": pick(["down", "degraded"])}, {"tier": "web"}, pick([(), ("city",)])),
        Inhibition({"check": "mail/in"}, {"check": "~shop/.*"}),
    ]
    hours = parse_hours(pick(["daily 20:00-23:00", "daily 22:14-22:20"]), "UTC")  # it is 22:13:20
    end_ms, until_ms = (now_ms + pick([minute, minute + 35]) * MIN for minute in (7, 8))
    beside = {name: pick([Level.DOWN, Level.DEGRADED]) for name in (pick(["net/gw", "net"]), TWIN, "mail/in")}
    return World(
        routes,
        Settings(
            storm_over=pick([0, 1, 2, 20]),
            inhibitions=tuple(random.sample(rules, random.randint(0, 2))),
            quiet=pick([(), (), (Quiet((pick([Severity.PAGE, Severity.TICKET]),), hours, {}),)]),
        ),
        depends_on=pick([(), ("net/gw",), ("net",), ("net/gw2", "net/gw")]),
        silences=pick([(), (), (Silence("s", now_ms - 1, end_ms, pick([("shop/*",), (SITE,)]), author="ana"),)]),
        windows=pick(
            [(), (), (Window("w", OneOff((now_ms - MIN, until_ms)), pick([("shop/*",), ("*",), ("net/*",)])),)]
        ),
        supposed={name: beside[name] for name in random.sample(sorted(beside), random.randint(0, 2))},
        level=pick([Level.DOWN, Level.DOWN, Level.DEGRADED]),
    )


@pytest.mark.parametrize("seed", range(60))
async def test_what_is_foretold_is_what_happens(clock: FakeClock, seed: int) -> None:
    world = some(Random(seed), clock.now_ms())
    stage = staged(clock, world)
    question = Question(SITE, world.level, clock.now_ms(), world.supposed)
    explanation = foretold(stage.config, stage.duty, question, world.silences, world.windows)
    held = max((one.until or 0.0 for one in explanation.holds), default=0.0) / 3600
    began = max(0, explanation.muted_ms - clock.now_ms()) / HOUR
    assert told(explanation) == await lived(clock, stage, world, 4 + max(held, began)), world
