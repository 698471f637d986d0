"""Jobs at work: what is answered is on disk, what passes is told, and time in which nobody listened is forgiven."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from checks.core.result import Result
from probe.config import load
from probe.config.model import Config
from probe.engine.heartbeat_series import HeartbeatSeries
from probe.engine.heartbeats import Heartbeats
from probe.store.base import Entry, StoreError
from probe.store.beats import Said
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver
from tests.conftest import FakeClock, settled
from tests.jobs import at, said
from thresholds.base import Level, State, Verdict
from thresholds.heartbeat import Outcome, Ping, Signal

KEY = "0123456789abcdef0123"
HOURLY = f"{{cron: 30 * * * *, start_within: 2m, max_run: 10m, keys: [{KEY}]}}"
RID = "00000000-0000-4000-8000-00000000000a"


def config(folder: Path, **jobs: str) -> Config:
    lines = [f"  {name}: {{zone: UTC, service: ops, heartbeat: {body}}}" for name, body in jobs.items()]
    path = folder / "probe.yml"
    path.write_text("services: {ops: {}}\nchecks:\n  other: {tcp: {host: 127.0.0.1, port: 1}}\n" + "\n".join(lines))
    return load(path, now_ms=at("00:00"))


class Desk:
    """A service's heartbeats over a real file, with the results that they emitted."""

    def __init__(self, clock: FakeClock, store: SqlStore) -> None:
        self.clock, self.store = clock, store
        self.results: list[Result] = []
        self.heartbeats = Heartbeats(store, clock, self.results.append)

    async def ping(self, signal: Signal = Signal.SUCCESS, check: str = "hourly", rid: str = "", body: str = "") -> None:
        now_ms = self.clock.now_ms()
        heard = self.heartbeats.hear(Ping(now_ms, signal, rid, body=body), Said(check, now_ms, signal, body=body))
        await asyncio.wait_for(heard, 20)

    async def until(self, clock: str) -> list[str]:
        """What is told until then."""
        before = len(self.results)
        while (left := (at(clock) - self.clock.now_ms()) / 1000) > 0:
            await self.clock.advance(min(left, 5.0))
            await self.quiet()
        return [said(result) for result in self.results[before:]]

    async def quiet(self) -> None:
        """The disk has answered, however long that takes it: no time passes meanwhile."""
        await settled()
        async with self.heartbeats._changing:
            pass
        await settled()


@asynccontextmanager
async def working(clock: FakeClock, folder: Path, loaded: Config) -> AsyncIterator[Desk]:
    driver = SqliteDriver(folder / "probe.db", patience=0.1)
    await driver.open()
    desk = Desk(clock, SqlStore(driver))
    try:
        await desk.heartbeats.open(loaded)
        task = asyncio.create_task(desk.heartbeats.run())
        try:
            yield desk
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await desk.store.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(at("02:25"))


async def test_what_is_answered_is_on_disk(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:31")
        await desk.ping(Signal.START, rid=RID)
        await desk.until("02:34")
        await desk.ping(rid=RID, body="3 rows")
        with closing(sqlite3.connect(tmp_path / "probe.db")) as other:
            pings = other.execute("SELECT run, signal, body FROM heartbeat_pings ORDER BY id").fetchall()
            owed = other.execute("SELECT at_ms FROM heartbeat_owed").fetchall()
        assert pings == [(1, "start", ""), (1, "success", "3 rows")]
        assert owed == [(at("02:34"),)]
        assert [said(one) for one in desk.results] == ["UP"]
        (run,) = await desk.store.job_runs("hourly", 10)
        assert (run.rid, run.outcome, run.duration) == (RID, Outcome.SUCCESS, 180.0)


async def test_deadlines_are_told_in_their_time(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        assert await desk.until("02:31:59") == []
        assert len(await desk.until("02:32")) == 1
        assert desk.results[0].at_ms == at("02:32")


async def test_pings_at_once_are_one_write(clock: FakeClock, tmp_path: Path):
    jobs = {f"job-{n}": f"{{period: 1h, keys: [{KEY}{n:04}]}}" for n in range(50)}
    async with working(clock, tmp_path, config(tmp_path, **jobs)) as desk:
        await asyncio.gather(*(desk.ping(check=name) for name in jobs))
        assert [said(one) for one in desk.results] == ["UP"] * 50
        with closing(sqlite3.connect(tmp_path / "probe.db")) as other:
            assert other.execute("SELECT count(DISTINCT check_id) FROM heartbeat_owed").fetchone() == (50,)


async def test_a_ping_that_cannot_be_kept_did_not_happen(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:31")
        with closing(sqlite3.connect(tmp_path / "probe.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError):
                await desk.ping()
            assert desk.results == []
            assert len(await desk.until("02:32")) == 1  # told all the same
            other.execute("ROLLBACK")
        await desk.ping()
        assert [said(one)[:4] for one in desk.results] == ["DOWN", "UP"]
        assert desk.heartbeats.jobs["hourly"].standing.number == 1
        assert len(await desk.store.owed_results()) == 2


async def test_what_was_answered_and_is_no_result_yet_becomes_one_after_a_crash(clock: FakeClock, tmp_path: Path):
    loaded = config(tmp_path, hourly=HOURLY)
    async with working(clock, tmp_path, loaded) as desk:
        await desk.until("02:31")
        await desk.ping(Signal.FAIL, body="no space")
        before = list(desk.results)
    async with working(clock, tmp_path, loaded) as desk:
        assert desk.results == before
        await desk.store.append([Entry(Verdict(before[0], Level.DOWN, "no space", State(Level.DOWN)))])
    async with working(clock, tmp_path, loaded) as desk:
        assert desk.results == []
        assert [one.reason for one in desk.heartbeats.jobs["hourly"].standing.troubles] == ["the job failed: no space"]


async def test_our_own_downtime_is_no_miss(clock: FakeClock, tmp_path: Path):
    loaded = config(tmp_path, hourly=HOURLY)
    async with working(clock, tmp_path, loaded) as desk:
        await desk.until("02:28")
    await clock.advance(32 * 60)
    async with working(clock, tmp_path, loaded) as desk:
        assert await desk.until("03:03:55") == []
        (told,) = await desk.until("03:05")
        assert told == "UNKNOWN not heard of, and not listened to: Probe was away until 2026-11-02 03:00 UTC"
        assert [one[:4] for one in await desk.until("03:33")] == ["DOWN"]


async def test_a_short_restart_moves_deadlines_and_leaves_no_doubt(clock: FakeClock, tmp_path: Path):
    loaded = config(tmp_path, hourly=HOURLY)
    async with working(clock, tmp_path, loaded) as desk:
        await desk.until("02:31")
    await clock.advance(15)
    async with working(clock, tmp_path, loaded) as desk:
        assert await desk.until("02:32:10") == []
        assert [one[:8] for one in await desk.until("02:33")] == ["DOWN no "]


async def test_the_instant_at_which_a_job_was_first_known_outlives_a_restart(clock: FakeClock, tmp_path: Path):
    loaded = config(tmp_path, sync=f"{{period: 10m, grace: 1m, keys: [{KEY}]}}")
    async with working(clock, tmp_path, loaded) as desk:
        await desk.until("02:30")
    async with working(clock, tmp_path, loaded) as desk:
        assert desk.heartbeats.jobs["sync"].standing.since_ms == at("02:25")
        assert await desk.until("02:35:59") == []
        assert len(await desk.until("02:36:30")) == 1


async def test_a_machine_that_slept_missed_nothing(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:28")
        clock.step_wall(32 * 60_000)
        assert await desk.until("03:03:55") == []
        assert [told[:7] for told in await desk.until("03:05")] == ["UNKNOWN"]


async def test_a_clock_that_is_set_back_leaves_runs_their_length(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:31")
        await desk.ping(Signal.START, rid=RID)
        clock.step_wall(-3_600_000)
        assert await desk.until("01:36") == []
        await desk.ping(rid=RID)
        assert (said(desk.results[-1]), desk.results[-1].duration) == ("UP", 300.0)


async def test_a_process_that_was_stopped_missed_nothing(clock: FakeClock, tmp_path: Path):
    """SIGSTOP and SIGCONT: both clocks go on, and nobody wakes."""
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:28")
        clock._now += 32 * 60
        assert await desk.until("03:03:55") == []
        assert [told[:7] for told in await desk.until("03:05")] == ["UNKNOWN"]


async def test_in_a_pause_nothing_is_missed_and_pings_are_kept(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:28")
        await desk.heartbeats.pause({"hourly"})
        assert await desk.until("02:40") == []
        await desk.ping(Signal.LOG, body="by hand")
        await desk.until("02:50")
        await desk.heartbeats.pause(())
        assert await desk.until("03:31:55") == []
        assert len(await desk.until("03:32")) == 1
        assert [one.body for one in await desk.store.job_pings("hourly", 0, 9, 9)] == ["by hand"]


async def test_a_reload_keeps_jobs_and_begins_those_anew_that_come_back(clock: FakeClock, tmp_path: Path):
    sync = f"{{period: 10m, grace: 1m, keys: [{KEY}]}}"
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY, sync=sync)) as desk:
        await desk.ping(check="sync")
        await desk.ping(Signal.START, check="sync")
        await desk.until("02:29")
        kept = desk.heartbeats.jobs["hourly"].standing
        await desk.heartbeats.configure(config(tmp_path, hourly=HOURLY))
        assert desk.heartbeats.jobs["hourly"].standing is kept
        with pytest.raises(StoreError, match="no such heartbeat"):
            await desk.ping(check="sync")
        await desk.until("02:45")
        await desk.heartbeats.configure(config(tmp_path, hourly=HOURLY, sync=sync))
        back = desk.heartbeats.jobs["sync"].standing
        assert (back.runs, back.due_ms, back.number) == ((), at("02:55"), 2)


async def test_at_the_end_pings_are_refused_and_the_rest_is_written(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        await desk.until("02:33")
        await desk.heartbeats.end()
        with pytest.raises(StoreError, match="stopping"):
            await desk.ping()
        assert await desk.store.last_beat() == clock.now_ms()
        assert (await desk.store.standings())["hourly"].troubles


async def test_heartbeats_are_metrics(clock: FakeClock, tmp_path: Path):
    async with working(clock, tmp_path, config(tmp_path, hourly=HOURLY)) as desk:
        registry = CollectorRegistry()
        registry.register(HeartbeatSeries(desk.heartbeats))
        of = {"check": "hourly", "service": "ops"}
        assert registry.get_sample_value("probe_heartbeat_last_ping_timestamp_seconds", of) is None
        await desk.until("02:31")
        await desk.ping(Signal.START, rid=RID)
        values = {
            name: registry.get_sample_value(f"probe_heartbeat_{name}", of)
            for name in ("last_ping_timestamp_seconds", "due_timestamp_seconds", "runs_open", "runs_overdue")
        }
        assert values == {
            "last_ping_timestamp_seconds": at("02:31") / 1000,
            "due_timestamp_seconds": at("03:30") / 1000,
            "runs_open": 1,
            "runs_overdue": 0,
        }
        assert registry.get_sample_value("probe_heartbeat_pings_total", of | {"signal": "start"}) == 1
