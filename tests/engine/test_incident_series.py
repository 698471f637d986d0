"""Incidents as metrics: what is open now, by severity and status, and how many were opened."""

from prometheus_client import CollectorRegistry

from exporters.alerting.incident import Severity
from exporters.route import Route
from probe.engine.metrics import OwnMetrics
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from thresholds.base import Level


class Scraped:
    """A dispatcher whose incidents are counted as the service does."""

    def __init__(self, clock: FakeClock) -> None:
        self.registry = CollectorRegistry()
        own = OwnMetrics(self.registry)
        self.stage = Stage(clock, Route(("chat",)))
        own.incidents.open = self.stage.dispatcher.book.open
        self.stage.dispatcher.hear = own.incidents.counting(self.stage.dispatcher.hear)  # type: ignore[method-assign, assignment]

    def open(self, severity: str, status: str) -> float | None:
        return self.registry.get_sample_value("probe_incidents_open", {"severity": severity, "status": status})

    def opened(self, severity: str) -> float | None:
        return self.registry.get_sample_value("probe_incidents_total", {"severity": severity})


async def test_what_is_open_is_counted_by_severity_and_status(clock: FakeClock) -> None:
    scraped = Scraped(clock)
    stage = scraped.stage
    stage.fail("shop/home")
    stage.fail("mail/in", subject="mail", level=Level.DEGRADED)
    assert (scraped.open("page", "triggered"), scraped.open("ticket", "triggered")) == (1, 1)
    stage.deed("acknowledge", "ana")
    stage.deed("snooze", "bo", 600.0, number=2)
    assert (scraped.open("page", "triggered"), scraped.open("page", "acknowledged")) == (0, 1)
    assert (scraped.open("ticket", "triggered"), scraped.open("ticket", "snoozed")) == (0, 1)
    stage.recover("shop/home")
    stage.deed("resolve", "bo", number=2)
    assert [scraped.open(one, "acknowledged") for one in Severity] == [0, 0, 0]


async def test_each_is_counted_once_by_the_severity_that_it_began_with(clock: FakeClock) -> None:
    scraped = Scraped(clock)
    stage = scraped.stage
    assert [scraped.opened(one) for one in Severity] == [0, 0, 0]  # so that the first is an increase
    stage.fail("shop/home", level=Level.DEGRADED)
    stage.fail("shop/cart", level=Level.DEGRADED)  # joins it
    stage.fail("shop/home")  # gets worse
    assert (scraped.opened("ticket"), scraped.opened("page")) == (1, 0)
    stage.recover("shop/home")
    stage.recover("shop/cart")
    stage.fail("shop/home")  # is opened again
    assert (scraped.opened("ticket"), scraped.opened("page")) == (1, 0)
    await stage.after(3600)
    stage.recover("shop/home")
    await stage.after(3600)
    stage.fail("shop/home")
    assert (scraped.opened("ticket"), scraped.opened("page")) == (1, 1)


def test_there_is_no_series_of_what_is_resolved(clock: FakeClock) -> None:
    scraped = Scraped(clock)
    (family,) = [one for one in scraped.registry.collect() if one.name == "probe_incidents_open"]
    assert len(family.samples) == 9
    assert {sample.labels["status"] for sample in family.samples} == {"triggered", "acknowledged", "snoozed"}
