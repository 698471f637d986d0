"""When runs happen, and which attempts count: the engine and the runner on a clock of the test."""

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest

from checks.core.base import CheckSpec, ExpectationError
from checks.core.net import Net
from checks.core.redact import Redactor
from checks.core.result import FailureKind, Result
from probe.engine.engine import Engine
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from probe.engine.seats import Seats
from tests.conftest import FakeClock, settled


@dataclass(eq=False)
class Target:
    """Something to check: takes so long, fails so often, then succeeds."""

    clock: FakeClock
    takes: float = 0.0
    fails: int = 0
    error: Exception = field(default_factory=lambda: ExpectationError("status 503 for s3cr3t, wanted 2xx"))
    target: str = "test"
    host: str = "test"
    under_way: int = 0
    most: int = 0

    async def run(self, trace, net) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            with trace.timed("ttfb"):
                if self.takes:
                    await self.clock.sleep(self.takes)
            if self.fails:
                self.fails -= 1
                raise self.error
        finally:
            self.under_way -= 1


class Lab:
    """An engine, what it emitted and what it counted."""

    def __init__(self, clock: FakeClock, net: Net, lag: LagMeter) -> None:
        self.results: list[Result] = []
        self.lateness: list[float] = []
        self.lost = 0
        self.clock = clock
        self.started = clock.now_ms()
        runner = Runner(net, clock, lag, Redactor(["s3cr3t"]))
        self.engine = Engine(runner, Seats(100), clock, self.results.append, self)

    def late(self, seconds: float) -> None:
        self.lateness.append(seconds)

    def skipped(self, runs: int) -> None:
        self.lost += runs

    def starts(self) -> list[float]:
        return [(result.at_ms - self.started) / 1000 for result in self.results]


@pytest.fixture
async def lab(clock: FakeClock):
    net = Net()
    lab = Lab(clock, net, LagMeter(clock))
    yield lab
    await lab.engine.stop()
    await net.close()


def spec(check: Target, name: str = "a", every: float = 10.0, **options) -> CheckSpec:
    return CheckSpec(name, check, every, options.pop("timeout", 5.0), **options)


async def test_runs_lie_on_a_grid(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock))])
    await lab.clock.advance(100)
    starts = lab.starts()
    assert len(starts) == 10
    assert [round(b - a, 3) for a, b in itertools.pairwise(starts)] == [10.0] * 9
    assert max(lab.lateness) < 0.001


async def test_a_slow_run_is_followed_by_the_next_instant_and_the_missed_are_counted(lab: Lab) -> None:
    target = Target(lab.clock, takes=25.0)
    lab.engine.plan([spec(target, timeout=60.0)])
    await lab.clock.advance(100)
    assert target.most == 1
    assert [round(b - a, 3) for a, b in zip(lab.starts(), lab.starts()[1:], strict=False)] == [30.0] * 2
    assert lab.lost >= 4


async def test_a_failure_is_repeated_and_both_attempts_are_kept(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock, fails=1), retries=1, retry_after=2.0)])
    await lab.clock.advance(13)
    first, second = lab.results
    assert (first.attempt, first.provisional, second.attempt, second.provisional) == (1, True, 2, False)
    assert first.failure is not None
    assert second.failure is None
    assert second.at_ms - first.at_ms == 2000


async def test_after_the_last_retry_the_failure_counts(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock, fails=9), retries=2, retry_after=1.0)])
    await lab.clock.advance(12.5)
    assert [(result.attempt, result.provisional) for result in lab.results] == [(1, True), (2, True), (3, False)]
    assert lab.lost == 0


async def test_a_retry_that_would_run_into_the_next_run_is_left_out(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock, fails=9), retries=1, retry_after=7.0)])
    await lab.clock.advance(11)
    assert [(result.attempt, result.provisional) for result in lab.results] == [(1, False)]


async def test_our_own_failure_is_not_repeated(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock, fails=1, error=OSError(24, "Too many open files")), retries=1)])
    await lab.clock.advance(10)
    (result,) = lab.results
    assert result.failure is not None
    assert (result.failure.kind, result.provisional) == (FailureKind.LOCAL, False)


async def test_a_bug_in_a_check_is_a_result_and_the_next_run_comes(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock, fails=1, error=KeyError("bug")))])
    await lab.clock.advance(20)
    first, second = lab.results
    assert first.failure is not None
    assert first.failure.kind is FailureKind.LOCAL
    assert second.failure is None


async def test_no_secret_is_in_a_failure(lab: Lab) -> None:
    lab.engine.plan([spec(Target(lab.clock, fails=1))])
    await lab.clock.advance(10)
    failure = lab.results[0].failure
    assert failure is not None
    assert failure.message == "status 503 for •••, wanted 2xx"


async def test_a_deadline_keeps_what_was_seen(clock: FakeClock) -> None:
    class Half(Target):
        async def run(self, trace, net) -> None:
            with trace.timed("connect"):
                trace.facts["net.address"] = "127.0.0.1"
            with trace.timed("ttfb"):
                await asyncio.Event().wait()

    net = Net()
    run = asyncio.create_task(Runner(net, clock, LagMeter(clock), str).run_once(spec(Half(clock), timeout=3.0)))
    await clock.advance(2.9)
    assert not run.done()
    await clock.advance(0.2)
    result = await run
    await net.close()
    assert result.failure is not None
    assert (result.failure.kind, result.failure.phase) == (FailureKind.TIMEOUT, "ttfb")
    assert set(result.phases) == {"connect"}
    assert result.facts["net.address"] == "127.0.0.1"


async def test_an_unchanged_check_keeps_its_run_when_others_change(lab: Lab) -> None:
    kept, gone, new = (Target(lab.clock, takes=4.0) for _ in range(3))
    same = spec(kept, "kept")
    lab.engine.plan([same, spec(gone, "gone")])
    while not kept.under_way:
        await lab.clock.advance(1)
    lab.engine.plan([same, spec(new, "new")])
    await settled()
    assert kept.under_way == 1
    await lab.clock.advance(15)
    assert {result.check for result in lab.results} >= {"kept", "new"}
    assert gone.under_way == 0


async def test_stopping_ends_every_run(lab: Lab) -> None:
    targets = [Target(lab.clock, takes=100.0) for _ in range(20)]
    lab.engine.plan([spec(target, f"t{n}", timeout=200.0) for n, target in enumerate(targets)])
    await lab.clock.advance(10)
    assert sum(target.under_way for target in targets) == 20
    await lab.engine.stop()
    assert sum(target.under_way for target in targets) == 0
    assert not lab.results


class Stalling(FakeClock):
    """Time that passes while nobody else gets a turn."""

    def block(self, seconds: float) -> None:
        self._now += seconds


@pytest.mark.parametrize(("blocked", "kind"), [(3.0, FailureKind.LOCAL), (0.05, FailureKind.TIMEOUT)])
async def test_a_deadline_missed_in_our_own_stall_is_ours(blocked: float, kind: FailureKind) -> None:
    clock = Stalling()
    lag, net = LagMeter(clock), Net()
    meter = asyncio.create_task(lag.run())
    await settled()

    class Cut(Target):
        async def run(self, trace, net) -> None:
            with trace.timed("ttfb"):
                await clock.advance(5.0 - blocked / 2)
                clock.block(blocked)  # the deadline falls into it
                raise TimeoutError

    result = await Runner(net, clock, lag, str).run_once(spec(Cut(clock)))
    meter.cancel()
    await net.close()
    assert result.failure is not None
    assert result.failure.kind is kind


@pytest.mark.parametrize(("stamped", "lag"), [(True, 0.0), (False, 0.5)])
async def test_a_stall_while_the_kernel_waits_for_us_is_not_lag(*, stamped: bool, lag: float) -> None:
    clock = Stalling()
    meter, net = LagMeter(clock), Net()
    looking = asyncio.create_task(meter.run())
    await settled()

    class Stamped(Target):
        async def run(self, trace, net) -> None:
            with trace.timed("ttfb") as first:
                clock.block(0.5)
                if stamped:
                    trace.facts["timing"] = "kernel"
                    first.arrived(clock.monotonic() - 0.2)

    result = await Runner(net, clock, meter, str).run_once(spec(Stamped(clock)))
    looking.cancel()
    await net.close()
    assert result.facts.get("loop.lag", 0.0) == pytest.approx(lag, abs=0.03)
    assert result.phases["ttfb"] == pytest.approx(0.3 if stamped else 0.5)


async def test_a_changed_check_starts_anew(lab: Lab) -> None:
    target = Target(lab.clock)
    lab.engine.plan([spec(target, every=10.0)])
    await lab.clock.advance(20)
    before = len(lab.results)
    lab.engine.plan([spec(target, every=2.0)])
    await lab.clock.advance(20)
    assert len(lab.results) - before == 10


async def test_a_check_that_ends_by_itself_ends_the_service(lab: Lab) -> None:
    class Odd(Target):
        async def run(self, trace, net) -> None:
            raise asyncio.CancelledError

    running = asyncio.create_task(lab.engine.run())
    await settled()
    lab.engine.plan([spec(Odd(lab.clock))])
    await lab.clock.advance(11)
    with pytest.raises(RuntimeError, match="check a ended"):
        await running


@pytest.mark.parametrize(
    ("phase", "kind"), [("ttfb", FailureKind.TIMEOUT), ("tls", FailureKind.LOCAL)], ids=["waiting", "shaking hands"]
)
async def test_a_target_that_hangs_is_down_although_our_loop_stutters(phase: str, kind: FailureKind) -> None:
    """Twenty small stalls in five seconds: bytes that had come in one would have been read after it."""
    clock = Stalling()
    meter, net = LagMeter(clock), Net()
    looking = asyncio.create_task(meter.run())
    await settled()

    class Hangs(Target):
        async def run(self, trace, net) -> None:
            with trace.timed(phase):
                for _ in range(20):
                    clock.block(0.05)
                    await clock.advance(0.2)
                raise TimeoutError

    result = await Runner(net, clock, meter, str).run_once(spec(Hangs(clock)))
    looking.cancel()
    await net.close()
    assert result.failure is not None
    assert result.failure.kind is kind


async def timed_run(clock: FakeClock, script, *, timeout: float = 5.0) -> tuple[Result, float]:
    """What a run of a script in phases came to, and how long it took by the clock."""

    class Scripted(Target):
        async def run(self, trace, net) -> None:
            await script(trace)

    net = Net()
    runner = Runner(net, clock, LagMeter(clock), str)
    began = clock.monotonic()
    run = asyncio.create_task(runner.run_once(spec(Scripted(clock), timeout=timeout)))
    while not run.done():
        await clock.advance(0.1)
    await net.close()
    return await run, clock.monotonic() - began


async def test_what_our_loop_did_between_two_phases_is_not_charged_to_the_deadline(clock: FakeClock) -> None:
    async def script(trace) -> None:
        for phase in ("connect", "ttfb"):
            with trace.timed(phase):
                await clock.sleep(2.0)
            await clock.sleep(1.0)

    result, took = await timed_run(clock, script)
    assert result.failure is None
    assert result.duration == pytest.approx(4.0)
    assert took > 5.0


async def test_a_phase_that_does_not_end_is_cut_off_when_the_time_is_spent(clock: FakeClock) -> None:
    async def script(trace) -> None:
        with trace.timed("connect"):
            await clock.sleep(2.0)
        await clock.sleep(1.0)
        with trace.timed("ttfb"):
            await clock.sleep(100.0)

    result, took = await timed_run(clock, script)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.phase) == (FailureKind.TIMEOUT, "ttfb")
    assert result.duration == pytest.approx(5.0)
    assert took == pytest.approx(6.0, abs=0.2)


@pytest.mark.parametrize(
    ("raised", "kind", "phase"),
    [
        (None, FailureKind.TIMEOUT, "ttfb"),
        (ExpectationError("status 503, wanted 2xx"), FailureKind.TIMEOUT, "ttfb"),
        (OSError(24, "Too many open files"), FailureKind.LOCAL, ""),
    ],
    ids=["the answer", "a bad answer", "our own trouble"],
)
async def test_what_came_after_the_deadline_is_not_judged(raised, kind, phase) -> None:
    clock = Stalling()

    async def script(trace) -> None:
        for name, seconds in (("connect", 2.0), ("ttfb", 4.0), ("transfer", 1.0)):
            with trace.timed(name) as span:
                clock.block(seconds)
                span.arrived(clock.monotonic())
        if raised is not None:
            raise raised

    result, _ = await timed_run(clock, script)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.phase) == (kind, phase)
    if kind is FailureKind.TIMEOUT:
        assert result.failure.message == "timed out: answered after 7 s, and the timeout is 5 s"


@pytest.mark.parametrize("named", [True, False], ids=["timed by our loop", "without phases"])
async def test_what_our_lag_may_have_made_late_is_judged(*, named: bool) -> None:
    clock = Stalling()
    meter, net = LagMeter(clock), Net()
    looking = asyncio.create_task(meter.run())
    await settled()

    class Late(Target):
        async def run(self, trace, net) -> None:
            if named:
                with trace.timed("ttfb"):
                    clock.block(5.2)
            else:
                clock.block(5.2)

    result = await Runner(net, clock, meter, str).run_once(spec(Late(clock)))
    looking.cancel()
    await net.close()
    assert result.failure is None
    assert result.duration == pytest.approx(5.2)


async def test_between_phases_nobody_waits_for_ever(clock: FakeClock) -> None:
    async def script(trace) -> None:
        with trace.timed("connect"):
            await clock.sleep(0.1)
        await clock.sleep(100.0)

    result, took = await timed_run(clock, script)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.LOCAL
    assert took == pytest.approx(10.0, abs=0.2)


async def test_what_is_raised_on_the_way_out_of_a_deadline_ends_one_run(lab: Lab) -> None:
    class Messy(Target):
        async def run(self, trace, net) -> None:
            try:
                with trace.timed("ttfb"):
                    await asyncio.Event().wait()
            finally:
                if self.fails:
                    self.fails -= 1
                    raise ExpectationError("in the middle of tidying up")

    running = asyncio.create_task(lab.engine.run())
    await settled()
    lab.engine.plan([spec(Messy(lab.clock, fails=1))])
    await lab.clock.advance(40)
    assert not running.done()
    kinds = [result.failure and result.failure.kind for result in lab.results]
    assert kinds == [FailureKind.EXPECTATION, FailureKind.TIMEOUT, FailureKind.TIMEOUT]
    running.cancel()
