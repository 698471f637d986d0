"""What people and programs are told of limits on many runs: how each stands, and what it has learned."""

from pathlib import Path
from typing import Any

from markupsafe import escape

from tests.conftest import FakeClock
from tests.web.stand import REFUSED, Markup, Stand, planned, standing
from thresholds.base import Aggregate, BaselineThreshold, Level, Policy, WindowThreshold
from thresholds.baseline import Baseline
from thresholds.gathered import Hour
from thresholds.profile import HOUR_MS, REACH

P95 = WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", 600.0, degraded=0.8, down=3.0)
RATIO = WindowThreshold("failure_ratio over 1h", Aggregate.FAILURE_RATIO, "", 3600.0, degraded=0.02, min_samples=2)
FAILED = WindowThreshold("failures over 10m", Aggregate.FAILURES, "", 600.0, down=9.0)
BYTES = WindowThreshold("mean(http.bytes) over 1m", Aggregate.MEAN, "http.bytes", 60.0, degraded=1e6, timing=False)
USUAL = BaselineThreshold("baseline(total)", "total", 4.0, floor=0.1, floor_ratio=0.3)


def limited(*windows: WindowThreshold, baselines: tuple[BaselineThreshold, ...] = ()):
    return planned("shop/home", policy=Policy(down_after=(1, 1), up_after=1, windows=windows, baselines=baselines))


def teach(stand: Stand, hours: int) -> None:
    """The baseline has learned so many hours up to the present one, each with a p95 of 200 ms."""
    watch = stand.hub.view("shop/home")
    assert watch is not None
    assert watch.past is not None
    baseline = watch.past.parts[-1]
    assert isinstance(baseline, Baseline)
    now = stand.clock.now_ms() // HOUR_MS
    baseline.restore(Hour((now - hours + i) * HOUR_MS, 0.2, 60, 0, 60) for i in range(hours))


async def shown(stand: Stand) -> tuple[Markup, dict[str, Any]]:
    async with stand.client() as client:
        page = Markup(await (await client.get("/checks/shop/home")).text())
        return page, await (await client.get("/api/v1/checks/shop/home")).json()


async def test_a_check_with_limits_on_each_run_alone_has_no_such_section(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home")) as stand:
        page, value = await shown(stand)
    assert "Limits on many runs" not in page.text
    assert (value["windows"], value["baselines"]) == ([], [])


async def test_windows_say_their_value_limits_and_level(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, limited(P95, RATIO, FAILED, BYTES)) as stand:
        for _ in range(5):
            stand.run("shop/home", duration=1.0)
        stand.run("shop/home", REFUSED)
        page, value = await shown(stand)
    p95, ratio, failed, size = value["windows"]
    assert (p95["level"], p95["value"], p95["runs"], p95["degraded"], p95["down"]) == ("degraded", 1.0, 5, 0.8, 3.0)
    assert (ratio["level"], ratio["value"], ratio["runs"], ratio["down"]) == ("degraded", 0.166667, 6, None)
    assert (failed["level"], failed["value"], failed["degraded"]) == ("up", 1.0, None)
    assert (size["level"], size["value"], size["runs"], size["min_runs"]) == ("unknown", None, 0, 5)
    assert "p95(total) over 10m DEGRADED 1 s 800 ms 3 s 5 runs" in page.text
    assert "failure_ratio over 1h DEGRADED 16.67% 2% 6 runs" in page.text
    assert "failures over 10m UP 1 9 6 runs" in page.text
    assert "mean(http.bytes) over 1m UNKNOWN 1000000 0 of the 5 runs that it takes" in page.text


async def test_too_few_runs_are_said_to_be_too_few(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, limited(P95)) as stand:
        for _ in range(4):
            stand.run("shop/home", duration=2.0)
        few, value = await shown(stand)
        assert value["windows"][0]["level"] == "unknown"
        stand.run("shop/home", duration=2.0)
        _, value = await shown(stand)
    assert "UNKNOWN 2 s 800 ms 3 s 4 of the 5 runs that it takes" in few.text
    assert value["windows"][0]["level"] == "degraded"


async def test_just_enough_good_runs_say_up(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, limited(P95)) as stand:
        for _ in range(5):
            stand.run("shop/home")
        _, value = await shown(stand)
    assert (value["windows"][0]["level"], value["windows"][0]["runs"]) == ("up", 5)


async def test_a_baseline_that_learns_says_how_far_it_is(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, limited(baselines=(USUAL,))) as stand:
        teach(stand, 31)
        page, value = await shown(stand)
    assert value["baselines"] == [
        {
            "name": "baseline(total)",
            "metric": "total",
            "level": "unknown",
            "stage": "learning",
            "learned_hours": 31,
            "of_hours": 840,
            "usual_seconds": None,
            "limit_seconds": None,
        }
    ]
    assert "baseline(total) UNKNOWN learning: 31 of 840 hours" in page.text


async def test_a_baseline_that_has_learned_says_what_is_usual_and_its_limit(clock: FakeClock, tmp_path: Path):
    """The farthest of three: the floor of 100 ms is beyond 30 % and four times the finest noise (1.1 %)."""
    async with standing(clock, tmp_path, limited(baselines=(USUAL,))) as stand:
        teach(stand, REACH)
        page, value = await shown(stand)
    (found,) = value["baselines"]
    assert (found["level"], found["stage"], found["learned_hours"]) == ("up", "hour of week", 840)
    assert (found["usual_seconds"], found["limit_seconds"]) == (0.2, 0.3)
    assert "UP 300 ms usual 200 ms, by hour of week, from 840 of 840 hours" in page.text


async def test_what_holds_in_the_state_is_the_level_shown(clock: FakeClock, tmp_path: Path):
    """After a restart the state is known before the next run says the same."""
    async with standing(clock, tmp_path, limited(P95, baselines=(USUAL,))) as stand:
        watch = stand.hub.view("shop/home")
        assert watch is not None
        held = ((P95.name, Level.DOWN), (USUAL.name, Level.DEGRADED))
        watch.state = type(watch.state)(level=Level.DOWN, confirmed=Level.DOWN, held=held)
        _, value = await shown(stand)
    assert (value["windows"][0]["level"], value["baselines"][0]["level"]) == ("down", "degraded")


async def test_names_are_redacted_and_escaped(clock: FakeClock, tmp_path: Path):
    name = "p95(<b>hunter2-secret) over 1m"
    odd = WindowThreshold(name, Aggregate.P95, "<b>hunter2-secret", 60.0, degraded=1.0)
    async with standing(clock, tmp_path, limited(odd)) as stand, stand.client() as client:
        text = await (await client.get("/checks/shop/home")).text()
        json = await (await client.get("/api/v1/checks/shop/home")).text()
    assert "hunter2" not in text + json
    assert str(escape("p95(<b>•••) over 1m")) in text
