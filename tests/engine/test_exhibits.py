"""Which failing runs leave evidence, and of which it is kept: real runs, and histories put together by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.witness import Witness
from checks.core.base import CheckSpec
from checks.core.evidence import Evidence, to_json
from checks.core.net import Net
from checks.core.redact import Redactor
from checks.core.result import Failure, FailureKind, Result
from checks.core.wire import decode, encode
from checks.http import Http
from probe.clock import SystemClock
from probe.config.model import Config, Planned
from probe.engine.exhibits import KEPT, Making
from probe.engine.hub import Hub
from probe.engine.lag import LagMeter
from probe.engine.record import Recorder
from probe.engine.runner import Runner
from probe.store.base import Entry
from tests.conftest import FakeClock
from tests.servers import answering, response, serving
from thresholds.base import Policy, Threshold

REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
SLOW = Failure(FailureKind.TIMEOUT, "ttfb", "no answer")
HOUR = 3_600_000


# Where it is made


async def ran(url: str, kind: type[Http] = Http) -> Result:
    net, clock = Net(), SystemClock()
    try:
        spec = CheckSpec("a", kind.model_validate({"url": url}), 10.0, 5.0)
        return await Runner(net, clock, LagMeter(clock), Redactor()).run_once(spec)
    finally:
        await net.close()


async def test_a_good_run_gathers_nothing() -> None:
    async with serving(answering(response())) as served:
        with Witness() as seen:
            result = await ran(served.url())
    assert seen.calls["runner: Runner.run_once"]
    assert not [call for call in seen.calls if call.startswith(("gather:", "veil: V", "byhand:", "shorten:"))]
    assert seen.calls["veil: url"] == 1  # one look at all facts together
    assert (result.failure, result.evidence) == (None, None)


async def test_a_failing_run_has_its_evidence_and_a_line_carries_it() -> None:
    async with serving(answering(response(b"gone", "404 Not Found"))) as served:
        result = await ran(served.url())
    assert result.evidence is not None
    assert result.evidence.answer[0] == "HTTP/1.1 404 Not Found"
    assert decode(encode(result)) == result


async def test_after_a_good_run_the_next_that_fails_is_looked_at_again() -> None:
    answers = [response(b"gone", "404 Not Found")] * 12 + [response(), response(b"gone", "404 Not Found")]
    left = iter(answers)

    async def handle(reader, writer):
        await answering(next(left))(reader, writer)

    net, clock = Net(), SystemClock()
    runner = Runner(net, clock, LagMeter(clock), Redactor())
    async with serving(handle) as served:
        spec = CheckSpec("a", Http.model_validate({"url": served.url()}), 10.0, 5.0)
        results = [await runner.run_once(spec) for _ in answers]
    await net.close()
    assert [result.evidence is not None for result in results] == [True] * 10 + [False] * 3 + [True]


class Clumsy(Http):
    """Has a bug that only evidence meets."""

    def by_hand(self, address, timeout, hide):
        raise LookupError("what nobody thought of")


async def test_a_bug_in_evidence_costs_the_evidence_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(answering(response(b"gone", "404 Not Found"))) as served:
        result = await ran(served.url(), Clumsy)
    assert result.failure is not None
    assert result.failure.message == "status 404, wanted 2xx"
    assert result.evidence is None
    assert "a: no evidence of this failing run" in caplog.text


def made(runs: Sequence[tuple[Failure | None, int]]) -> list[bool]:
    """Of each failing run, whether evidence is made; (failure or None for a good run, Unix ms)."""
    making, wanted = Making(), []
    for failure, at_ms in runs:
        if failure is None:
            making.failing.pop("a", None)
        else:
            wanted.append(making.wanted("a", failure, at_ms))
    return wanted


def test_an_outage_that_goes_on_is_not_looked_at_again_and_again() -> None:
    assert made([(REFUSED, at) for at in range(0, 30_000, 1000)]) == [True] * 10 + [False] * 20


def test_what_fails_otherwise_is_looked_at_again() -> None:
    runs = [(REFUSED, at) for at in range(20)] + [(SLOW, 20)]
    assert made(runs)[-1]


def test_a_good_run_ends_the_row() -> None:
    assert made([*[(REFUSED, at) for at in range(20)], (None, 20), (REFUSED, 21)])[-1]


def test_what_still_fails_is_looked_at_once_an_hour() -> None:
    assert made([*[(REFUSED, at) for at in range(20)], (REFUSED, HOUR - 1), (REFUSED, HOUR)])[-2:] == [False, True]


# Where it is kept


class Outage:
    """A hub with one check; runs by hand."""

    def __init__(self, clock: FakeClock, *, down_after: tuple[int, int] = (2, 3)) -> None:
        self.clock = clock
        self.entries: list[Entry] = []
        check = Http.model_validate({"url": "http://shop.example/"})
        rules = Policy((Threshold("total", degraded=0.8),), down_after=down_after, up_after=1)
        planned = Planned(CheckSpec("a", check, 10.0, 5.0, retries=1), rules, "http")
        config = Config(Path("probe.yml"), "test", "127.0.0.1", 0, "", {"a": planned})
        self.hub = Hub(config, clock, self.entries.append, lambda _: None, {})

    def run(self, failure: Failure | None = None, *, attempt: int = 1, provisional: bool = False, **more) -> bool:
        """Whether the evidence of a run is kept."""
        self.clock.step_wall(10_000)
        seen = Evidence(message=f"{self.clock.now_ms()}") if failure is not None else None
        self.hub.emit(
            Result("a", self.clock.now_ms(), more.get("duration", 0.1), {}, {}, failure, attempt, provisional, seen)
        )
        entry = self.entries[-1]
        assert entry.verdict.result.evidence is None  # neither in memory nor in the result's own row
        assert entry.evidence in (None, seen)
        return entry.evidence is not None


def test_of_an_outage_the_first_runs_are_kept_with_their_attempts(clock: FakeClock) -> None:
    outage = Outage(clock)
    assert not outage.run()
    assert outage.run(REFUSED, provisional=True)
    assert outage.run(REFUSED, attempt=2)
    assert outage.run(REFUSED, provisional=True)
    assert outage.run(REFUSED, attempt=2)  # the fourth: it is the one that makes the check DOWN
    assert outage.entries[-1].verdict.transition is not None
    assert [outage.run(REFUSED) for _ in range(20)] == [False] * 20


def test_what_makes_it_worse_is_kept_however_late(clock: FakeClock) -> None:
    outage = Outage(clock, down_after=(5, 5))
    assert [outage.run(REFUSED) for _ in range(4)] == [True, True, True, False]
    assert outage.run(REFUSED)
    assert outage.entries[-1].verdict.transition is not None


def test_the_next_outage_begins_anew(clock: FakeClock) -> None:
    outage = Outage(clock)
    for _ in range(2):
        assert [outage.run(REFUSED) for _ in range(5)] == [True] * KEPT + [False] * 2
        outage.run()
        assert outage.entries[-1].verdict.transition is not None


def test_a_check_that_fails_now_and_then_is_kept_now_and_then(clock: FakeClock) -> None:
    """It never goes DOWN: three an hour, whatever happens."""
    outage = Outage(clock)
    kept = 0
    for _ in range(360):  # 10 s each, four of them in a turn: four hours
        kept += outage.run(REFUSED)
        assert not any(outage.run() for _ in range(3))
    assert 4 * KEPT <= kept <= 5 * KEPT


def test_blips_before_an_outage_do_not_use_up_its_share(clock: FakeClock) -> None:
    outage = Outage(clock)
    for _ in range(5):
        outage.run(REFUSED)
        for _ in range(3):
            outage.run()
    assert [outage.run(REFUSED) for _ in range(4)][1:] == [True, True, True]


def test_the_watch_keeps_none_in_memory(clock: FakeClock) -> None:
    outage = Outage(clock)
    outage.run(REFUSED)
    view = outage.hub.view("a")
    assert view is not None
    assert view.last is not None
    assert view.last.result.evidence is None


async def test_while_the_store_is_far_behind_evidence_is_not_kept_in_memory(clock: FakeClock) -> None:
    outage = Outage(clock)
    recorder = Recorder(None, clock, lambda _: None, lambda _: None)  # type: ignore[arg-type]  # it is never asked
    outage.run(REFUSED)
    entry = outage.entries[-1]
    assert entry.evidence is not None
    for _ in range(5_001):
        recorder.record(replace(entry, evidence=None))
    recorder.record(entry)
    assert [one.evidence for one in recorder.pump if isinstance(one, Entry)][-1] is None
    assert len(to_json(entry.evidence)) < 1000
