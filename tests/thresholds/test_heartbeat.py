"""What follows from what jobs say, and from what they do not: a table per rule."""

from datetime import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import FailureKind
from tests.jobs import DAY, HOUR, MINUTE, Job, at, nightly, periodic, said, stage
from thresholds.heartbeat import Outcome, Rules, Signal
from thresholds.heartbeat_due import BRIDGED, next_ms, reconfigured, set_back
from thresholds.heartbeat_times import cron_times

A, B, C = ("00000000-0000-4000-8000-00000000000" + digit for digit in "abc")


# When nothing is heard.


def test_a_job_that_never_pings_is_down_after_its_first_due_time_and_grace():
    job = Job(nightly(start_within=None, grace=1800.0), since="01:00")
    assert job.wait("02:59") == []
    (result,) = job.wait("03:00")
    assert (result.at_ms, said(result)) == (
        at("03:00"),
        "DOWN no run began by 2026-11-02 03:00 UTC; it was due at 2026-11-02 02:30 UTC",
    )
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TIMEOUT


def test_every_due_time_without_a_run_is_told():
    job = Job(nightly())
    assert [result.at_ms for result in job.wait("03:00", day=2)] == [at("02:40", day) for day in range(3)]


def test_healthchecks_simple_schedule_is_the_same_here():
    """hc/api/tests/test_ping.py: alert_after is last_ping + timeout (1 d) + grace (1 h)."""
    job = Job(periodic(86400.0, grace=3600.0))
    job.ping("09:00")
    assert next_ms(job.rules, job.standing) == at("10:00", day=1)


def test_healthchecks_start_waits_for_grace_where_nothing_more_exact_is_said():
    """hc/api/models.py: with a start, going down is at last_start + grace."""
    job = Job(periodic(86400.0, grace=3600.0))
    job.start("09:00")
    assert next_ms(job.rules, job.standing) == at("10:00")


def test_start_and_run_have_limits_of_their_own():
    job = Job(nightly(start_within=600.0, max_run=7200.0))
    job.start("02:35")
    assert job.wait("04:34") == []
    assert [said(result) for result in job.wait("04:35")] == [
        "DOWN the run that began 2026-11-02 02:35 UTC has not ended after 2h, by 2026-11-02 04:35 UTC"
    ]


@pytest.mark.parametrize(
    ("changes", "start", "deadline"),
    [
        ({"finish_by": 7200.0, "max_run": None}, "02:35", at("04:30")),
        ({"finish_by": time(6), "max_run": None}, "02:35", at("06:00")),
        ({"finish_by": time(6), "max_run": 3600.0}, "02:35", at("03:35")),
        ({"finish_by": time(3), "max_run": 3600.0}, "02:35", at("03:00")),
        ({"finish_by": time(1), "max_run": None}, "02:35", at("01:00", day=1)),
        # By hand, when the time is over already: only its own length counts.
        ({"finish_by": time(3), "max_run": 3600.0}, "09:00", at("10:00")),
        ({"finish_by": time(3), "max_run": None}, "09:00", at("10:00")),
        ({"max_run": None, "grace": 900.0}, "02:35", at("02:50")),
    ],
)
def test_a_run_ends_at_the_first_of_its_deadlines(changes, start: str, deadline: int):
    job = Job(nightly(**changes))
    job.start(start)
    assert job.standing.runs[0].deadline_ms == deadline


@pytest.mark.parametrize(
    ("changes", "heard_by"),
    [
        ({"start_within": 60.0, "grace": 3600.0, "finish_by": time(6)}, "02:31"),
        ({"start_within": None, "grace": 1800.0, "finish_by": time(6)}, "03:00"),
        ({"start_within": None, "finish_by": time(6)}, "06:00"),
        ({"start_within": None}, "03:30"),
    ],
)
def test_what_is_said_most_exactly_decides_by_when_something_is_heard(changes, heard_by: str):
    assert next_ms(nightly(**changes), Job(nightly(**changes)).standing) == at(heard_by)


def test_finish_by_is_a_wall_clock_in_the_job_s_zone():
    """Berlin, 25 October 2026: clocks go back from 03:00 to 02:00, so 06:00 is 05:00 UTC."""
    rules = nightly(zone="Europe/Berlin", finish_by=time(6))
    due = at("00:30", day=-8)  # 02:30 CEST
    assert rules.by(time(6), due) == at("05:00", day=-8)


# What counts for which due time.


@pytest.mark.parametrize(
    ("start", "met"),
    [("02:28:30", False), ("02:29:01", True), ("02:30", True), ("02:40", True), ("09:00", True)],
)
def test_a_run_that_begins_a_little_early_is_the_one_that_is_due(start: str, met: bool):
    job = Job(nightly(start_within=86000.0))
    job.start(start)
    assert (job.standing.due_ms == at("02:30", day=1)) is met
    assert job.standing.runs[0].due_ms == (at("02:30") if met else 0)


def test_a_success_without_a_start_is_a_run_that_nobody_timed():
    job = Job(nightly())
    job.ping("02:31")
    (result,) = job.results
    assert (said(result), result.duration, dict(result.phases)) == ("UP", 0.0, {})
    assert job.runs[1].outcome is Outcome.SUCCESS
    assert not job.runs[1].started


def test_a_run_keeps_how_long_it_took():
    job = Job(nightly())
    job.start("02:30")
    job.ping("02:52")
    (result,) = job.results
    assert (result.at_ms, result.duration, dict(result.phases)) == (at("02:52"), 1320.0, {"run": 1320.0})


def test_a_run_longer_than_its_period_is_not_late_with_the_next_as_well():
    job = Job(periodic(600.0, grace=60.0, max_run=7200.0))
    job.start("10:00")
    assert job.wait("11:59") == []
    job.ping("11:59")
    assert job.told == ["UP"]


def test_a_due_time_without_a_run_of_its_own_is_missed_while_another_goes_on():
    job = Job(nightly(max_run=2 * 86400.0))
    job.start("02:30")
    assert len(job.wait("02:40", day=1)) == 1


# Failure.


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "the job failed"),
        ({"exit": 2}, "exit code 2"),
        ({"exit": 2, "body": "one\ntwo\n\nthree\nfour\n"}, "exit code 2: two | three | four"),
        ({"body": "\x1b[31mno \u202espace\r\n"}, "the job failed: [31mno space"),
        ({"body": "x" * 9000}, "the job failed: …" + "x" * 199),
    ],
)
def test_a_failure_is_down_at_once_and_says_why(more, reason: str):
    job = Job(nightly())
    job.start("02:30")
    job.fail("02:31", **more)
    assert job.told == [f"DOWN {reason}"]
    assert (job.runs[1].outcome, job.runs[1].exit) == (Outcome.FAILED, more.get("exit"))


@pytest.mark.parametrize(
    ("changes", "body", "told"),
    [
        ({"failure": ("ERROR",)}, "3 rows\nERROR: disk", 'DOWN the body says "ERROR": 3 rows | ERROR: disk'),
        ({"failure": ("ERROR",), "success": ("done",)}, "done, 1 ERROR", 'DOWN the body says "ERROR": done, 1 ERROR'),
        ({"success": ("done", "nothing to do")}, "nothing to do", "UP"),
        ({"success": ("done",)}, "who knows", 'DOWN the body says nothing of "done": who knows'),
        ({"success": ("done",)}, "", 'DOWN the body says nothing of "done"'),
        ({"failure": ("ERROR",)}, "error", "UP"),
    ],
)
def test_words_in_a_body_decide_failure_first(changes, body: str, told: str):
    job = Job(nightly(**changes))
    job.ping("02:31", body=body)
    assert job.told == [told]


def test_words_in_a_log_decide_nothing():
    job = Job(nightly(failure=("ERROR",)))
    job.ping("02:31", Signal.LOG, body="ERROR")
    assert job.told == []
    assert job.standing.heard_ms == at("02:31")
    assert job.standing.due_ms == at("02:30")  # a log is no run


# Late, and well again.


def test_a_late_success_resolves_and_says_how_late_it_is():
    job = Job(nightly())
    job.start("02:30")
    job.wait("03:30")
    job.ping("03:42")
    assert job.well
    assert said(job.results[-1]) == "UP"
    assert (job.results[-1].facts["heartbeat.late"], job.results[-1].facts["heartbeat.note"]) == (720.0, "late by 12m")


def test_a_late_start_says_how_late_it_was_once_it_has_succeeded():
    job = Job(nightly())
    job.wait("02:40")
    job.start("03:00")
    assert not job.well
    job.ping("03:10")
    assert job.well
    assert job.results[-1].facts["heartbeat.note"] == "late by 20m"


def test_running_begins_the_longest_time_anew_but_not_the_schedule_s():
    job = Job(nightly(max_run=3600.0, finish_by=time(5)))
    job.start("02:30")
    job.ping("03:20", Signal.RUNNING)
    assert job.standing.runs[0].deadline_ms == at("04:20")
    job.ping("04:15", Signal.RUNNING)
    assert job.standing.runs[0].deadline_ms == at("05:00")
    assert job.wait("04:59") == []


def test_running_alone_says_that_there_is_a_run():
    job = Job(nightly())
    job.ping("02:31", Signal.RUNNING, A)
    job.start("02:32", A)  # it was slower
    job.ping("02:40", rid=A)
    assert job.told == ["UP"]
    assert job.results[0].duration == 540.0


# Several runs at once.


def test_one_that_hangs_alerts_although_others_succeed():
    job = Job(periodic(3600.0, max_run=1800.0))
    job.start("10:00", A)
    job.start("10:10", B)
    job.ping("10:20", rid=B)
    job.start("10:20", C)
    assert job.told == ["UP"]
    job.wait("10:30")
    assert "has not ended after 30m" in job.told[-1]
    job.ping("10:31", rid=C)  # began before the other hung
    assert job.told[-1].startswith("DOWN the run that began 2026-11-02 10:00 UTC")
    job.ping("10:35", rid=A)
    assert job.told[-1] == "UP"
    assert job.well


def test_a_run_that_began_after_the_trouble_proves_that_the_job_works():
    job = Job(periodic(600.0, grace=600.0, max_run=900.0))
    job.start("10:00", A)
    job.wait("10:15")
    job.start("10:16", B)
    job.ping("10:18", rid=B)
    assert job.told[-1] == "UP"
    assert job.runs[1].outcome is Outcome.LOST
    assert job.standing.runs == ()


def test_a_failure_is_not_made_good_by_a_run_that_was_under_way():
    job = Job(periodic())
    job.start("10:00", A)
    job.start("10:01", B)
    job.fail("10:02", A, exit=1)
    job.ping("10:03", rid=B)
    assert not job.well
    job.ping("10:04", rid=A)  # it tried again
    assert job.well


def test_without_run_ids_one_that_begins_tells_that_the_one_before_never_ended():
    job = Job(periodic(3600.0, grace=7200.0))
    job.start("10:00")
    job.start("11:00")
    assert job.told == ["DOWN the run that began 2026-11-02 10:00 UTC never ended: another one began"]
    job.ping("11:20")
    assert job.told[-1] == "UP"


def test_a_second_start_at_once_is_the_first_said_again():
    job = Job(periodic())
    job.start("10:00:00")
    job.start("10:00:12")
    job.ping("10:05")
    assert job.told == ["UP"]
    assert job.results[0].duration == 300.0


def test_an_end_without_a_run_id_is_of_the_only_run_there_is():
    job = Job(periodic())
    job.start("10:00", A)
    job.ping("10:05")
    assert job.standing.runs == ()
    assert job.results[0].facts["heartbeat.run"] == A


@pytest.mark.parametrize(
    ("signals", "told"),
    [
        (["start", "start", "success", "success"], ["UP"]),
        (["start", "success", "start"], ["UP"]),  # the first start, repeated, comes last
        (["start", "fail", "fail"], ["DOWN the job failed"]),
        (["start", "success", "running", "stage"], ["UP"]),
        (["success", "start", "success"], ["UP"]),
    ],
)
def test_a_ping_that_is_repeated_does_no_harm(signals: list[str], told: list[str]):
    job = Job(periodic())
    for minute, signal in enumerate(signals):
        job.ping(at("10:00") + minute * MINUTE, Signal(signal), A, stage="x" if signal == "stage" else "")
    assert job.told == told
    assert job.standing.runs == ()
    assert len(job.runs) == 1


def test_a_success_that_its_body_makes_a_failure_is_repeated_as_such():
    job = Job(periodic(failure=("ERROR",)))
    job.ping("10:00", rid=A, body="ERROR")
    assert job.ping("10:01", rid=A, body="ERROR").repeated
    assert len(job.told) == 1


def test_runs_that_come_too_often_are_wrong_until_one_keeps_its_distance():
    job = Job(periodic(min_interval=300.0))
    job.ping("10:00")
    job.start("10:02", A)
    assert job.told[-1] == "DOWN a run began 2m after the one before it, at least 5m is wanted"
    job.ping("10:03", rid=A)
    assert not job.well
    job.start("10:08", B)
    job.ping("10:09", rid=B)
    assert job.told[-1] == "UP"


def test_more_runs_at_once_than_wanted_are_wrong():
    job = Job(periodic(max_concurrent=1))
    job.start("10:00", A)
    job.start("10:01", B)
    assert job.told == ["DOWN 2 runs at once, at most 1 are wanted"]
    job.ping("10:02", rid=B)
    assert job.told[-1] == "UP"


# Stages.

STAGES = (stage("dump", within=2400.0), stage("upload", due_by=time(4)), stage("verify"))


def test_stages_are_phases_of_the_run():
    job = Job(nightly(max_run=7200.0, stages=STAGES))
    job.start("02:30", A)
    job.stage("02:50", "dump", A)
    job.stage("03:30", "upload", A)
    job.stage("03:35", "verify", A)
    job.ping("03:36", rid=A)
    assert dict(job.results[0].phases) == {"dump": 1200.0, "upload": 2400.0, "verify": 300.0, "run": 60.0}


@pytest.mark.parametrize(
    ("reached", "deadline", "name"),
    [([], "03:10", "dump"), (["dump"], "04:00", "upload"), (["upload"], "03:10", "dump")],
)
def test_a_stage_that_is_not_reached_in_time_fails_by_its_name(reached: list[str], deadline: str, name: str):
    job = Job(nightly(max_run=7200.0, stages=STAGES))
    job.start("02:30", A)
    for one in reached:
        job.stage("02:40", one, A)
    assert job.wait(at(deadline) - 1) == []
    assert [said(one) for one in job.wait(deadline)] == [
        f"DOWN stage {name} was not reached by 2026-11-02 {deadline} UTC"
    ]


def test_a_stage_that_came_late_is_a_warning_once_the_run_has_succeeded():
    job = Job(nightly(max_run=7200.0, stages=STAGES[:1]))
    job.start("02:30", A)
    job.wait("03:10")
    job.stage("03:15", "dump", A)
    job.ping("03:20", rid=A)
    assert job.told[-1] == "UP"
    assert job.results[-1].facts["heartbeat.warnings"] == "stage dump was late by 5m"


def test_a_run_that_ends_without_a_stage_has_failed():
    job = Job(nightly(stages=STAGES))
    job.start("02:30", A)
    job.stage("02:40", "dump", A)
    job.ping("02:50", rid=A)
    assert job.told == ["DOWN it ended without stage upload, verify"]
    assert job.runs[1].outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("stages", "warnings"),
    [
        (["dump", "nonsense", "upload", "verify"], "stage nonsense is not configured"),
        (["upload", "dump", "verify"], "stage dump came after upload"),
        (["dump", "upload", "verify", "x1", "x2", "x3", "x4", "x5", "x6"], "; ".join(
            f"stage x{n} is not configured" for n in range(1, 6)
        )),
    ],
)  # fmt: skip
def test_unknown_stages_and_their_order_are_warnings(stages: list[str], warnings: str):
    job = Job(nightly(stages=STAGES))
    job.start("02:30", A)
    for one in stages:
        job.stage("02:31", one, A)
    job.ping("02:32", rid=A)
    assert (job.told, job.results[0].facts["heartbeat.warnings"]) == (["UP"], warnings)


def test_a_stage_of_a_run_that_began_too_late_for_it_is_not_waited_for():
    job = Job(nightly(max_run=7200.0, stages=STAGES))
    job.start("09:00", A)
    assert [one.failure.phase for one in job.wait("09:39") if one.failure] == []


# Time in which nobody listened.


def test_a_deadline_that_passed_while_we_were_away_is_moved_by_that():
    job = Job(nightly())
    job.start("02:30", A)
    job.away("03:29:50", "03:30:05")
    assert job.wait("03:30:14") == []
    assert [result.at_ms for result in job.wait("03:30:15")] == [at("03:30:15")]


def test_a_job_that_was_due_while_we_were_away_is_not_known_to_have_missed_it():
    job = Job(nightly())
    job.away("02:00", "04:00")
    assert [said(one) for one in job.wait("04:40")] == [
        "UNKNOWN not heard of, and not listened to: Probe was away until 2026-11-02 04:00 UTC"
    ]
    assert job.well
    assert job.wait("02:39", day=1) == []
    assert job.wait("02:40", day=1)[0].failure is not None


def test_a_job_that_is_heard_after_we_were_away_is_well():
    job = Job(nightly())
    job.away("02:00", "03:00")
    job.ping("03:10")
    assert (job.told, job.standing.due_ms) == (["UP"], at("02:30", day=1))


def test_what_is_due_after_we_are_back_is_missed_as_ever():
    hourly = periodic(3600.0, grace=600.0)
    job = Job(hourly)
    job.ping("10:00")
    job.away("10:30", "15:30")
    assert [(one.at_ms, said(one)[:7]) for one in job.wait("17:00")] == [
        (at("16:10"), "UNKNOWN"),
        (at("16:40"), "DOWN no"),
    ]


def test_what_was_due_since_we_are_back_is_a_miss_also_before_the_moved_deadline():
    times = cron_times("30 * * * *", "UTC")
    job = Job(Rules("hourly", schedule="hourly", times=times, start_within=600.0))
    job.away("00:00", "05:20")
    assert [(one.at_ms, said(one)) for one in job.wait("06:00")] == [
        (at("05:40"), "DOWN no run began by 2026-11-02 05:40 UTC; it was due at 2026-11-02 05:30 UTC")
    ]


def test_a_run_that_may_have_ended_while_we_were_away_is_not_known_to_hang():
    job = Job(nightly(max_run=3600.0))
    job.start("02:30", A)
    job.away("03:00", "03:10")
    (result,) = job.wait("05:00")
    assert said(result) == "UNKNOWN the run that began 2026-11-02 02:30 UTC may have ended while Probe was away"
    assert job.runs[1].outcome is Outcome.UNKNOWN


def test_an_absence_over_which_pings_are_repeated_leaves_no_doubt():
    job = Job(nightly(max_run=3600.0))
    job.start("02:30", A)
    job.away("03:00", "03:00:30")
    assert at("03:00:30") - at("03:00") == BRIDGED
    assert said(job.wait("05:00")[0]).startswith("DOWN the run that began")


def test_what_had_passed_before_we_went_away_stays_missed():
    job = Job(nightly())
    job.wait("02:40")
    job.away("02:41", "09:00")
    assert job.told == ["DOWN no run began by 2026-11-02 02:40 UTC; it was due at 2026-11-02 02:30 UTC"]
    assert job.wait("02:39", day=1) == []


def test_what_was_due_in_a_pause_is_not_waited_for():
    job = Job(nightly())
    job.paused("02:00", "05:00")
    assert job.wait("02:39", day=1) == []
    assert len(job.wait("02:40", day=1)) == 1


def test_a_clock_that_is_set_back_changes_no_length():
    job = Job(nightly(max_run=3600.0))
    job.start("02:40", A)
    job.standing = set_back(job.rules, job.standing, HOUR, at("01:50"))
    assert job.standing.runs[0].deadline_ms == at("02:40")
    job.ping("02:00", rid=A)
    assert (job.results[-1].at_ms, job.results[-1].duration) == (at("02:00"), 1200.0)


def test_another_schedule_makes_nothing_due_in_the_past():
    job = Job(nightly())
    job.ping("02:31")
    changed = reconfigured(periodic(600.0), job.standing, at("09:00"))
    assert changed.due_ms == at("09:00")
    assert reconfigured(nightly(), job.standing, at("09:00")) is job.standing


# Any interleaving.


def _life(number: int, begin: int, length: int, end: str, rid: str):
    """The pings of one run, each sent once or twice."""
    return [(begin, 0, number, "start", rid), (begin + length, 1, number, end, rid)]


runs = st.lists(
    st.tuples(
        st.integers(0, 600),  # minute of its beginning
        st.integers(0, 240),  # minutes until its end
        st.sampled_from(["success", "fail", "hang"]),
        st.booleans(),  # whether every ping is sent twice
    ),
    min_size=1,
    max_size=8,
)


@given(runs, st.randoms(use_true_random=False))
def test_every_run_has_its_own_deadline_whatever_the_others_do(lives, dice):
    """Runs with ids overlap as they like. Each ends once, as it said; each that is too long is told at its deadline."""
    limit = 60  # minutes
    job = Job(periodic(86400.0, grace=86400.0, max_run=limit * 60.0), since="00:00")
    said_, expected = [], {}
    for number, (begin, length, end, twice) in enumerate(lives):
        rid = f"00000000-0000-4000-8000-{number:012d}"
        expected[rid] = (begin, length, end)
        life = [one for one in _life(number, begin, length, end, rid) if one[3] != "hang"]
        said_ += life * (1 + twice)
    for minute, _, _, signal, rid in sorted(said_, key=lambda one: (one[0], one[1], dice.random())):
        job.ping(DAY + minute * MINUTE, Signal(signal), rid)
        assert len({run.rid for run in job.standing.runs}) == len(job.standing.runs)
    job.wait(DAY + 900 * MINUTE)
    overdue = {
        result.facts["heartbeat.run"]
        for result in job.results
        if "has not ended" in said(result) and not result.duration
    }
    for rid, (begin, length, end) in expected.items():
        mine = [run for run in job.runs.values() if run.rid == rid]
        too_long = end == "hang" or length > limit
        assert (rid in overdue) is too_long
        assert mine[0].began_ms == DAY + begin * MINUTE
        # One that hangs is given up once a later one has succeeded; what it says then is of a run that nobody timed.
        outcomes = [run.outcome for run in mine]
        if end != "hang" and not too_long:
            assert outcomes == [Outcome.SUCCESS if end == "success" else Outcome.FAILED]
        elif end == "hang":
            assert outcomes[0] in (Outcome.OPEN, Outcome.LOST)
    assert all(before.at_ms < after.at_ms for before, after in pairwise(job.results))


@given(runs)
def test_a_job_is_well_exactly_while_nothing_is_wrong(lives):
    """Every result agrees with the troubles that stand after it: UP without any, else the last of them."""
    job = Job(periodic(86400.0, grace=86400.0, max_run=3600.0), since="00:00")
    pings = sorted(
        one
        for number, (begin, length, end, _) in enumerate(lives)
        for one in _life(number, begin, length, end, f"00000000-0000-4000-8000-{number:012d}")
        if one[3] != "hang"
    )
    for minute, _, _, signal, rid in pings:
        before = len(job.results)
        job.ping(DAY + minute * MINUTE, Signal(signal), rid)
        if len(job.results) > before:
            assert (said(job.results[-1]) == "UP") is job.well
