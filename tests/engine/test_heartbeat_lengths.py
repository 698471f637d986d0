"""How long a job took that never said that it began nobody knows: no number says that it took no time."""

from pathlib import Path

import pytest

from checks.core.result import Result
from checks.heartbeat import Heartbeat
from exporters.prometheus import CheckSeries
from probe.config import load
from probe.config.model import Planned
from probe.config.passive import rules_of
from probe.web import facts, shape, spark
from tests.jobs import at
from thresholds.base import Aggregate, Level, State, Verdict, WindowThreshold
from thresholds.heartbeat import Ping, Signal, Standing
from thresholds.heartbeat_hear import hear
from thresholds.past import Past
from thresholds.rollup import Tally
from thresholds.track import Track
from thresholds.window import Window


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    path = tmp_path / "probe.yml"
    path.write_text("checks: {job: {heartbeat: {period: 1h, keys: [a-key-of-a-heartbeat]}}}")
    return load(path).checks["job"]


def runs(planned: Planned, seconds: list[float | None]) -> list[Result]:
    """What comes of jobs that took so long; None: only their end is heard."""
    assert isinstance(planned.spec.check, Heartbeat)
    rules = rules_of("job", planned.spec.check, "UTC")
    now_ms = at("02:00")
    standing, found = Standing(now_ms, "", now_ms + 3_600_000), list[Result]()
    for lasts in seconds:
        if lasts is not None:
            standing = hear(rules, standing, Ping(now_ms, Signal.START, "")).standing
            now_ms += round(lasts * 1000)
        step = hear(rules, standing, Ping(now_ms, Signal.SUCCESS, ""))
        standing, now_ms = step.standing, now_ms + 1_800_000
        found += step.results
    return found


@pytest.mark.parametrize("lengths", [[None, 100.0, None, 300.0, None], [None, None], [0.0, None]])
def test_lengths_are_of_runs_whose_beginning_was_heard(planned: Planned, lengths: list[float | None]) -> None:
    found = runs(planned, lengths)
    known = [lasts for lasts in lengths if lasts is not None]
    tally, track, series = Tally(), Track(), CheckSeries(lambda: found[-1].at_ms)
    window = Window(WindowThreshold("", Aggregate.P50, "total", 86400.0, 1.0, min_samples=1))
    past = Past([window])
    series.set_checks({"job": planned})
    for result in found:
        tally.take(result, Level.UP)
        track.take(result)
        past.take(result)
        series.record([Verdict(result, Level.UP, "", State(Level.UP))])
    sketch = tally.sketches.get("total")
    assert tally.up == len(lengths)
    assert (sketch.count if sketch else 0, sketch.least if sketch else None) == (len(known), min(known, default=None))
    assert list(track.values) == known
    assert window.count == len(known)
    text = b"".join(series.render(openmetrics=False)).decode()

    (count,) = [line for line in text.splitlines() if line.startswith("probe_check_run_duration_seconds_count")]
    assert count.endswith(f" {len(known)}")
    assert ("\nprobe_duration_seconds{" in text) is (lengths[-1] is not None)


def test_no_page_says_that_it_took_no_time(planned: Planned) -> None:
    unknown, known = runs(planned, [None, 100.0])
    assert [facts.lasted(run) for run in (unknown, known)] == ["—", "1m 40s"]
    assert [shape.summary(Verdict(run, Level.UP, ""))["duration"] for run in (unknown, known)] == [None, 100.0]
    history = [(Level.UP, run.duration) for run in (unknown, known)]
    assert spark.described(history) == "last 2 runs: 2 up; 1m 40s to 1m 40s"
    assert spark.described(history[:1]) == "last 1 runs: 1 up"
