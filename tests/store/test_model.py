"""Whatever is appended, settled, forgotten and pruned, in any order, over restarts: the store is these dictionaries."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.base import Notice
from probe.store.base import Entry, Kept, Store
from probe.store.deliveries import Delivery, Outcome
from probe.store.sqlite import open_store
from tests.store.samples import AT_MS, notice, telling, verdict
from thresholds.base import Level, State, Transition

FOREVER = 2**53


@dataclass
class Model:
    """What the store promises, without a store."""

    results: dict[tuple[str, int, int], Kept] = field(default_factory=dict)
    states: dict[str, tuple[int, State]] = field(default_factory=dict)
    transitions: dict[tuple[str, int, Level], Transition] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)  # of notices, by id
    deliveries: dict[tuple[str, str], Delivery] = field(default_factory=dict)
    told: dict[tuple[str, str], Delivery] = field(default_factory=dict)

    def append(self, entries: Sequence[Entry]) -> None:
        last: dict[str, Entry] = {}
        for entry in entries:
            run, change = entry.verdict.result, entry.verdict.transition
            kept = Kept(run, entry.verdict.level, entry.verdict.reason)
            self.results.setdefault((run.check, run.at_ms, run.attempt), kept)
            last[run.check] = entry
            if change is not None:
                self.transitions.setdefault((change.check, change.at_ms, change.after), change)
            for told, receivers in entry.act.notices if entry.act is not None else ():
                self._number(told)
                for receiver in receivers:
                    self.deliveries.setdefault((told.id, receiver), Delivery(told, receiver))
        for check, entry in last.items():
            at_ms = entry.verdict.result.at_ms
            self.states[check] = (at_ms, entry.verdict.state)

    def settle(self, delivery: Delivery) -> None:
        key = (delivery.notice.id, delivery.receiver)
        self._number(delivery.notice)
        before = self.deliveries.get(key)
        if before is None or before.outcome is Outcome.PENDING or delivery.outcome is not Outcome.PENDING:
            self.deliveries[key] = delivery
        refused_end = delivery.outcome is Outcome.FAILED and not delivery.notice.firing
        if delivery.outcome is Outcome.DELIVERED or refused_end:
            place = (delivery.notice.incident, delivery.receiver)
            known = self.told.get(place)
            if known is None or self.order[known.notice.id] <= self.order[delivery.notice.id]:
                self.told[place] = delivery

    def _number(self, what: Notice) -> None:
        self.order.setdefault(what.id, len(self.order))

    def pending(self) -> list[Delivery]:
        owed = [delivery for delivery in self.deliveries.values() if delivery.outcome is Outcome.PENDING]
        return sorted(owed, key=lambda delivery: (self.order[delivery.notice.id], delivery.receiver))

    def told_since(self, since_ms: int) -> list[Delivery]:
        known = [self.deliveries[told.notice.id, told.receiver] for told in self.told.values()]
        found = [told for told in known if told.notice.firing or told.notice.ended_ms >= since_ms]
        return sorted(found, key=lambda delivery: (self.order[delivery.notice.id], delivery.receiver))

    def prune(self, before_ms: int) -> int:
        old = [key for key in self.results if key[1] < before_ms]
        for key in old:
            del self.results[key]
        return len(old)


checks = st.sampled_from(["a", "b", "c"])
offsets = st.integers(0, 12).map(lambda step: step * 250)
receivers = st.sampled_from(["chat", "oncall"])


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    check, at_ms = draw(checks), AT_MS + draw(offsets)
    level = draw(st.sampled_from(Level))
    before = draw(st.none() | st.sampled_from(Level))
    judged = verdict(check, at_ms, level, moved_from=before)
    judged = replace(judged, result=replace(judged.result, attempt=draw(st.integers(1, 2))))
    if before is None or not draw(st.booleans()):
        return Entry(judged)
    return Entry(judged, telling(draw(notices(check, at_ms)), *draw(st.lists(receivers, unique=True))))


@st.composite
def notices(draw: st.DrawFn, check: str, at_ms: int) -> Notice:
    incident = f"{check}@{draw(st.integers(1, 2))}"
    if draw(st.booleans()):
        return notice("resolved", incident, at_ms, ended_ms=at_ms)
    return notice("opened", incident, at_ms)


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    told = draw(notices(draw(checks), AT_MS + draw(offsets)))
    return Delivery(told, draw(receivers), draw(st.sampled_from(Outcome)), draw(st.integers(1, 3)), "e", AT_MS)


steps = st.one_of(
    st.tuples(st.just("append"), st.lists(entries(), max_size=6)),
    st.tuples(st.just("again"), st.integers(0, 9)),
    st.tuples(st.just("settle"), st.lists(deliveries(), max_size=4)),
    st.tuples(st.just("settle owed"), st.tuples(st.integers(0, 9), st.sampled_from(Outcome))),
    st.tuples(st.just("forget"), st.lists(checks, max_size=2)),
    st.tuples(st.just("prune"), offsets),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(steps, min_size=4, max_size=12))
def test_the_store_is_what_the_model_says(script: list[tuple[str, object]]) -> None:
    asyncio.run(_play(script))


async def _play(script: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:{Path(folder) / 'probe.db'}"
        store, model, batches = await open_store(url), Model(), list[Sequence[Entry]]()
        try:
            for what, value in script:
                if what == "restart":
                    await store.close()
                    store = await open_store(url)
                else:
                    await _step(store, model, batches, what, value)
                await _compare(store, model)
        finally:
            await store.close()


async def _step(store: Store, model: Model, batches: list[Sequence[Entry]], what: str, value: object) -> None:
    match what, value:
        case "append", list(batch):
            batches.append(batch)
            await store.append(batch)
            model.append(batch)
        case "again", int(index) if batches:
            before = batches[index % len(batches)]
            await store.append(before)
            model.append(before)
        case "settle", list(settled):
            await store.settle(settled)
            for delivery in settled:
                model.settle(delivery)
        case "settle owed", (int(index), Outcome() as outcome):
            if owed := model.pending():
                delivery = replace(owed[index % len(owed)], outcome=outcome, attempts=9)
                await store.settle([delivery])
                model.settle(delivery)
        case "forget", list(names):
            await store.forget(names)
            for name in names:
                model.states.pop(name, None)
        case "prune", int(offset):
            assert await store.prune(AT_MS + offset, 1000) == model.prune(AT_MS + offset)


async def _compare(store: Store, model: Model) -> None:
    for check in "abc":
        expected = [kept for key, kept in sorted(model.results.items(), key=lambda item: item[0]) if key[0] == check]
        assert await store.results(check, 0, FOREVER, 1000) == expected
    assert await store.states() == {check: state for check, (_, state) in sorted(model.states.items())}
    changes = sorted(model.transitions.values(), key=lambda change: change.at_ms)
    assert await store.transitions(None, 0, FOREVER, 1000) == changes
    assert await store.pending() == model.pending()
    for since_ms in (0, AT_MS + 1000, FOREVER):
        assert await store.told(since_ms) == model.told_since(since_ms)
