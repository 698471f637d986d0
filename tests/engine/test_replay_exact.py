"""Replaying the policy that was in force over the stored runs gives the transitions that there were, one by one."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.core.base import CheckSpec
from checks.core.result import Failure, FailureKind, Result
from probe.cli.replay.history import Historian, Question
from probe.config.model import Config, Planned
from probe.engine.hub import Hub
from probe.engine.recall import parts_of, recall
from probe.store.base import Entry
from probe.store.reader import Reader
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.test_hub import Page, config
from thresholds.alerts import alerts_of
from thresholds.base import Aggregate, BaselineThreshold, Event, Policy, Threshold, Transition, WindowThreshold
from thresholds.past import Past
from thresholds.replay import Replay
from thresholds.spans import Span

NAME = "shop/home"
EVERY = 10.0
FAILURES = {
    "refused": Failure(FailureKind.CONNECT, "connect", "connection refused"),
    "late": Failure(FailureKind.TIMEOUT, "ttfb", "no answer within 5 s"),
    "ours": Failure(FailureKind.LOCAL, "", "no descriptors left"),
}
P95 = WindowThreshold("p95(total) over 1m", Aggregate.P95, "total", 60.0, 0.7, 3.0, min_samples=3)
SHARE = WindowThreshold("failure_ratio over 2m", Aggregate.FAILURE_RATIO, "", 120.0, 0.3, min_samples=4)
POLICIES = {
    "runs": Policy((Threshold("total", 0.5, 2.0), Threshold("ttfb", 0.4)), memory=630.0),
    "one of one": Policy((Threshold("total", 0.5),), (1, 1), 1),
    "windows": Policy((Threshold("total", 0.9),), (3, 5), 3, memory=630.0, windows=(P95, SHARE)),
    "without flapping": Policy((Threshold("total", 0.5),), (1, 2), 1, flap=None, windows=(P95,)),
}
FATES = ("good", "slow", "slower", "refused", "late", "ours", "lagging", "retried", "recovered")
BURSTS = st.lists(
    st.one_of(
        st.tuples(st.just("good"), st.integers(1, 12)),
        st.tuples(st.sampled_from(FATES), st.integers(1, 8)),
        st.tuples(st.sampled_from(["restart", "kill", "pause"]), st.just(1)),
    ),
    min_size=2,
    max_size=25,
)


def planned(policy: Policy) -> Planned:
    return Planned(CheckSpec(NAME, Page(), EVERY, 5.0, 1, 1.0), policy, "http", "shop")


class Live:
    """A hub over a real store, which is stopped, killed and started again."""

    def __init__(self, url: str, clock: FakeClock, conf: Config, muted: Sequence[Span] = ()) -> None:
        self.url, self.clock, self.conf, self.muted = url, clock, conf, muted
        self.entries: list[Entry] = []

    async def start(self) -> None:
        self.store = await open_store(self.url)
        checks = self.conf.checks.values()
        pasts = await recall(self.store, self.clock, checks, {}, lambda _check: lambda _span: False)
        self.hub = Hub(
            self.conf, self.clock, self.entries.append, lambda _batch: None, await self.store.states(), pasts=pasts
        )
        self.hub.muted = lambda _check, at_ms: any(first <= at_ms < last for first, last in self.muted)

    async def stop(self, *, killed: bool = False) -> None:
        if not killed:
            await self.flush()
        self.entries.clear()
        await self.store.close()

    async def flush(self) -> None:
        await self.store.append(self.entries)
        self.entries.clear()

    def run(self, fate: str, rng: random.Random) -> None:
        self.clock.step_wall(round(EVERY * 1000))
        for result in attempts(fate, self.clock.now_ms(), rng):
            self.hub.emit(result)


def attempts(fate: str, at_ms: int, rng: random.Random) -> list[Result]:
    """The runs of one turn; lengths in whole microseconds, as the runner has them."""
    total = round(rng.uniform(0.05, 0.45), 6)
    if fate in ("slow", "slower"):
        total = round(total + (0.6 if fate == "slow" else 2.5), 6)
    result = Result(NAME, at_ms, total, {"connect": 0.01, "ttfb": round(total - 0.02, 6)}, {"http.status": 200})
    if fate == "lagging":
        return [replace(result, duration=0.6, facts={"loop.lag": 0.3})]
    if fate in ("retried", "recovered"):
        failed = Result(NAME, at_ms, 0.2, {}, {}, FAILURES["refused"], 1, provisional=True)
        after = replace(result, at_ms=at_ms + 1200, attempt=2)
        return [failed, after if fate == "recovered" else replace(after, phases={}, failure=FAILURES["refused"])]
    return [result if fate not in FAILURES else replace(result, phases={}, failure=FAILURES[fate])]


async def lived(live: Live, steps: list[str], seed: int) -> None:
    rng = random.Random(seed)
    await live.start()
    for index, step in enumerate(steps):
        if step in ("restart", "kill"):
            await live.stop(killed=step == "kill")
            live.clock.step_wall(rng.choice([3_000, 65_000, 900_000]))
            await live.start()
        elif step == "pause":
            live.clock.step_wall(700_000)
        else:
            live.run(step, rng)
        if index % 7 == 0:
            await live.flush()
    await live.stop()


def told(moves: Sequence[Transition]) -> list[tuple[object, ...]]:
    """What the store keeps of transitions; `worst` is not among it."""
    return [
        (
            move.at_ms,
            move.since_ms,
            move.before,
            move.after,
            move.event,
            move.incident,
            move.reason,
            move.runs,
            move.runs_since_ms,
        )
        for move in moves
    ]


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=15)
@given(bursts=BURSTS, seed=st.integers(0, 1 << 20), muting=st.booleans())
async def test_the_unchanged_policy_gives_the_live_transitions(
    name: str, bursts: list[tuple[str, int]], seed: int, muting: bool
) -> None:
    clock = FakeClock()
    start = clock.now_ms()
    muted = [(start + 150_000, start + 400_000)] if muting else []
    plan = planned(POLICIES[name])
    steps = [step for step, times in bursts for _ in range(times)]
    with TemporaryDirectory() as folder:  # one for each example
        live = Live(f"sqlite:{folder}/probe.db", clock, config(plan), muted)
        await lived(live, steps, seed)
        stored, moves = both(Path(folder) / "probe.db", plan.policy, muted)
    assert told(moves) == told(stored)
    assert alerts_of(moves) == alerts_of(stored)


def both(database: Path, policy: Policy, muted: Sequence[Span] = ()) -> tuple[Sequence[Transition], list[Transition]]:
    """The transitions that were stored, and those of a replay of all runs."""
    with Reader(database) as reader:
        past = Past(parts_of(policy, lambda _span: False)) if policy.remembers else None
        again = Replay(policy, past, muted)
        pages = reader.runs(NAME, 0, metrics={"ttfb"})
        moves = [move for page in pages for result in page if (move := again.take(result)) is not None]
        return reader.transitions(NAME, 0), moves


async def test_a_baseline_is_replayed_from_the_middle_as_it_was(tmp_path: Path) -> None:
    """Four weeks of a run every ten minutes, with restarts; the last one is replayed, with what was learned before."""
    usual = BaselineThreshold("baseline(total)", "total", 4.0, floor=0.05, bucket=3600.0, buckets=2)
    plan = replace(planned(Policy(memory=1800.0, baselines=(usual,))), spec=CheckSpec(NAME, Page(), 600.0, 5.0))
    clock, rng = FakeClock(), random.Random(4)
    live = Live(f"sqlite:{tmp_path}/probe.db", clock, config(plan))
    await live.start()
    for index in range(4 * 7 * 144):
        clock.step_wall(600_000)
        slow = index > 3 * 7 * 144 and index % 300 > 270
        length = round(0.2 * rng.lognormvariate(0, 0.1) * (3.0 if slow else 1.0), 6)
        live.hub.emit(Result(NAME, clock.now_ms(), length))
        if index % 100 == 50:
            await live.flush()
        if index % 500 == 499:
            await live.stop(killed=index % 1000 == 999)
            clock.step_wall(200_000)
            await live.start()
    await live.stop()
    now_ms = clock.now_ms()
    with Reader(tmp_path / "probe.db") as reader:
        story = Historian(reader, Question((now_ms - 6 * 86_400_000, now_ms + 1))).story(plan)
    assert story is not None
    assert [one.alert for one in story.today] == [one.alert for one in story.would_be]
    assert len(story.today) >= 2


@pytest.mark.parametrize("name", POLICIES)
async def test_a_long_history_has_many_transitions_and_all_of_them_are_the_same(tmp_path: Path, name: str) -> None:
    rng, clock = random.Random(7), FakeClock()
    steps: list[str] = []
    while len(steps) < 1500:
        fate = rng.choice([*FATES, "good", "good", "good", "good", "restart", "kill"])
        steps += [fate] * (1 if fate in ("restart", "kill") else rng.randrange(1, 12))
    plan = planned(POLICIES[name])
    await lived(Live(f"sqlite:{tmp_path}/probe.db", clock, config(plan)), steps, 7)
    stored, moves = both(tmp_path / "probe.db", plan.policy)
    assert told(moves) == told(stored)
    assert len(stored) > 60
    assert {move.event for move in stored} == set(Event)
