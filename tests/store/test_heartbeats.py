"""What jobs say, and how they stand, come back as they were written."""

import sqlite3
from pathlib import Path
from typing import cast

import pytest

from checks.core.result import Failure, FailureKind, Result
from probe.store.base import Entry, Store
from probe.store.beats import Beat, Said
from tests.jobs import Job, at, nightly, stage
from thresholds.base import Level, State, Verdict
from thresholds.heartbeat import Outcome, Run, Signal

NAME = "backup/db"
RID = "00000000-0000-4000-8000-00000000000a"


def troubled() -> Job:
    """A job of which everything is remembered that there is."""
    job = Job(nightly(max_run=7200.0, stages=(stage("dump", within=60.0),)))
    job.wait("02:40")
    job.start("02:41", RID)
    job.stage("02:41", "dump", RID)
    job.stage("02:42", "whatever", RID)
    job.fail("02:43", RID, exit=3)
    job.start("02:50")
    job.away("02:55", "03:30")
    return job


async def test_a_standing_comes_back_as_it_was(store: Store) -> None:
    job = troubled()
    await store.beat(Beat({NAME: job.standing}))
    assert await store.standings() == {NAME: job.standing}
    later = Job(nightly()).standing
    await store.beat(Beat({NAME: later, "other": later}))
    assert await store.standings() == {NAME: later, "other": later}


async def test_runs_and_what_they_said_come_back_newest_first(store: Store) -> None:
    job = troubled()
    said = [
        Said(NAME, at("02:41"), Signal.START, 1, source="192.0.2.7", method="POST"),
        Said(NAME, at("02:42"), Signal.STAGE, 1, stage="whatever"),
        Said(NAME, at("02:43"), Signal.FAIL, 1, exit=3, body="disk full\n\ud800"),
        Said(NAME, at("02:50"), Signal.START, 2),
    ]
    await store.beat(Beat({NAME: job.standing}, [(NAME, run) for run in job.runs.values()], said))
    assert await store.job_runs(NAME, 10) == [job.runs[2], job.runs[1]]
    assert await store.job_runs(NAME, 10, before=2) == [job.runs[1]]
    assert [one.signal for one in await store.job_pings(NAME, 1, 1, 10)] == [Signal.FAIL, Signal.STAGE, Signal.START]
    assert (await store.job_pings(NAME, 1, 1, 1))[0].body == "disk full\n?"
    assert await store.job_pings("other", 0, 99, 10) == []


async def test_a_result_is_owed_until_it_is_among_the_results(store: Store) -> None:
    failure = Failure(FailureKind.EXPECTATION, "run", "exit code 3")
    results = [Result(NAME, at("02:43") + n, 2.5, {"run": 2.5}, {"heartbeat.exit": 3}, failure) for n in (0, 1)]
    await store.beat(Beat({NAME: troubled().standing}, owed=results))
    await store.beat(Beat({NAME: troubled().standing}, owed=results))  # again, after an error
    assert await store.owed_results() == results
    await store.append([Entry(Verdict(results[0], Level.DOWN, "exit code 3", State(Level.DOWN)))])
    assert await store.owed_results() == results[1:]
    await store.beat(Beat(at_ms=at("03:00")))
    assert await store.owed_results() == results[1:]
    assert await store.last_beat() == at("03:00")


async def test_without_any_word_nobody_ever_listened(store: Store) -> None:
    assert await store.last_beat() == 0


async def test_old_runs_go_and_the_last_ones_stay(store: Store, path: Path) -> None:
    runs = [(NAME, Run(n, "", at("02:30", n), ended_ms=at("02:31", n), outcome=Outcome.SUCCESS)) for n in range(1, 21)]
    runs.append(("monthly", Run(1, "", at("02:30"), ended_ms=at("02:31"))))
    open_ = (NAME, Run(21, "", at("02:30", 2)))
    said = [Said(check, run.began_ms, Signal.SUCCESS, run.number, body="words") for check, run in [*runs, open_]]
    said.append(Said(NAME, at("02:30"), Signal.LOG, 0, body="words"))
    await store.beat(Beat({}, [*runs, open_], said))
    await store.prune_jobs(5, 2, at("00:00", 3))
    assert [run.number for run in await store.job_runs(NAME, 99)] == [21, 20, 19, 18, 17]
    assert [(one.run, one.body) for one in await store.job_pings(NAME, 0, 99, 99)] == [
        (21, "words"), (20, "words"), (19, ""), (18, ""), (17, ""),
    ]  # fmt: skip
    assert len(await store.job_runs("monthly", 99)) == 1
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM heartbeat_pings").fetchone() == (6,)
    connection.close()


async def test_all_of_a_beat_is_written_or_nothing(store: Store, path: Path) -> None:
    bad = Said(NAME, at("02:30"), Signal.LOG, run=cast("int", None))
    with pytest.raises(Exception, match="NOT NULL"):
        await store.beat(Beat({NAME: troubled().standing}, said=[bad]))
    assert await store.standings() == {}
