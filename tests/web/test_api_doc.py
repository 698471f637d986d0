"""docs/api.md shows the very keys that are returned, and names every endpoint."""

import json
import re
from pathlib import Path

import pytest

from exporters.alerting.change import Change
from exporters.alerting.rules import Inhibition
from exporters.alerting.settings import Settings
from exporters.route import Route
from probe.store.base import Announcement, Kind
from tests.conftest import FakeClock
from tests.web.responding import equip
from tests.web.stand import REFUSED, planned, standing
from thresholds.base import Aggregate, BaselineThreshold, Level, Policy, WindowThreshold
from thresholds.maintenance import OneOff, Window

DOC = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
LIMITS = Policy(
    down_after=(1, 1),
    windows=(WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", 600.0, degraded=0.8),),
    baselines=(BaselineThreshold("baseline(ttfb)", "ttfb", 4.0),),
)
OPEN = {
    "labels",
    "phases",
    "facts",
    "dropped",
    "seen",
    "with",
    "by",
    "equal",
    "source",
}  # whose keys are the configuration's, the run's, or reasons


def documented(heading: str):
    """The JSON examples under a heading."""
    section = DOC.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]


def keys(value, path: str = "") -> set[str]:
    """Every key in a value, with the way to it."""
    if isinstance(value, list):
        return {key for part in value for key in keys(part, f"{path}[]")}
    if not isinstance(value, dict) or path.rpartition(".")[2] in OPEN:
        return set()
    return {f"{path}.{key}" for key in value} | {key for name in value for key in keys(value[name], f"{path}.{name}")}


@pytest.mark.parametrize(
    ("heading", "path"),
    [
        ("GET /api/v1/checks", "/api/v1/checks"),
        ("GET /api/v1/checks/{name}", "/api/v1/checks/shop/checkout"),
        ("GET /api/v1/vitals", "/api/v1/vitals"),
        ("GET /api/v1/maintenance", "/api/v1/maintenance"),
        ("GET /api/v1/changes", "/api/v1/changes"),
        ("GET /api/v1/exclusions", "/api/v1/exclusions"),
        ("GET /api/v1/incidents", "/api/v1/incidents"),
        ("GET /api/v1/silences", "/api/v1/silences"),
    ],
)
async def test_the_keys_in_the_documentation_are_those_returned(clock: FakeClock, tmp_path: Path, heading, path):
    async with standing(
        clock, tmp_path, planned("shop/checkout", labels={"tier": "1"}, policy=LIMITS), planned("shop/search")
    ) as stand:
        stand.run("shop/checkout", REFUSED, facts={"http.status": 503})
        stand.run("shop/search")
        stand.hub.report("store", Level.DOWN, "disk full")
        stand.service.own.set_receivers(["chat"])
        await stand.keep()
        now_ms = clock.now_ms()
        await stand.plan(Window("restart", OneOff((now_ms + 1000, now_ms + 2000)), ("shop/*",)))
        for kind in Kind:
            await stand.judgement.announce(Announcement(f"{kind}", kind, now_ms - 1000, now_ms + 1000, ("shop/*",)))
        await stand.service.changes.begin(Change("CHG123", now_ms - 1000, services=("shop",)))
        async with stand.client() as client:
            value = await (await client.get(path)).json()
    assert keys(documented(heading)[0]) == keys(value)


async def test_the_keys_of_an_incident_and_of_a_route_are_those_returned(clock: FakeClock, tmp_path: Path):
    checkout = planned("shop/checkout", labels={"tier": "1"}, depends_on=("net/gw",))
    async with standing(clock, tmp_path, checkout, planned("net/gw", service="net")) as stand:
        rule = Inhibition({"service": "net"}, {"service": "shop"})
        equip(stand, Route(("chat",), by=("service",), name="route 1"), settings=Settings(inhibitions=(rule,)))
        stand.run("shop/checkout", REFUSED)
        await stand.keep()
        async with stand.client() as client:
            for path in ("actions", "notes"):
                await client.post(f"/api/v1/incidents/1/{path}", json={"author": "ana", "text": "warm the cache"})
            incident = await (await client.get("/api/v1/incidents/1")).json()
            asked_all = {"numbers": [1], "author": "ana"}
            taken = await (await client.post("/api/v1/incidents/acknowledge", json=asked_all)).json()
            asked = {"checks": ["shop/*"], "for": "1h", "reason": "load test", "author": "ana"}
            made = await (await client.post("/api/v1/silences", json=asked)).json()
            route = await (await client.get("/api/v1/route?check=shop/checkout&with=net/gw=degraded")).json()
            await client.post(f"/api/v1/silences/{made['id']}/end")
            asked = {"checks": ["shop/*"], "for": "1h", "reason": "weekly", "author": "ana"}
            await client.post("/api/v1/maintenance", json=asked)
            muted = await (await client.get("/api/v1/route?check=shop/checkout")).json()
            route |= {"hears": muted["hears"], "maintenance": muted["maintenance"]}
    assert keys(documented("GET /api/v1/incidents/{number}")[0]) == keys(incident)
    assert keys(documented("POST /api/v1/incidents/acknowledge")[0]) == keys(taken)
    assert keys(documented("GET /api/v1/route")[0]) == keys(route)
    assert keys(documented("GET /api/v1/silences")[0]["silences"][0]) == keys(made)


async def test_every_endpoint_is_documented(clock: FakeClock, tmp_path: Path):
    table = set(re.findall(r"^\| (GET|POST) \| `([^`]+)` \|", DOC, re.MULTILINE))
    async with standing(clock, tmp_path) as stand:
        routes = {
            (route.method, route.resource.canonical)
            for route in stand.app().router.routes()
            if route.resource is not None and route.method not in ("HEAD", "*")
        }
    assert routes - {("GET", "/static/{name}")} == table


def test_the_identity_of_an_incident_fits_its_instant():
    """2026-11-22T03:28:50.020Z is 1795318130020 (date -u -d @1795318130)."""
    incident = documented("GET /api/v1/checks")[0]["checks"][0]["incident"]
    assert incident["id"].endswith("@1795318130020")
