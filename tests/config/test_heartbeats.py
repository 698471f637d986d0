"""Heartbeats in a configuration: what they become, and what is wrong with them."""

from datetime import time

import pytest

from checks.heartbeat import Heartbeat
from probe.config.passive import rules_of
from thresholds.heartbeat import Rules

KEY = "0123456789abcdef0123"


def heartbeat(body: str, more: str = "") -> str:
    return f"checks:\n  backup/db:\n    zone: UTC\n    {more}\n    heartbeat: {{keys: [{KEY}], {body}}}\n"


def rules(desk, body: str, more: str = "") -> Rules:
    planned = desk.load(heartbeat(body, more)).checks["backup/db"]
    assert isinstance(planned.spec.check, Heartbeat)
    return rules_of("backup/db", planned.spec.check, planned.zone)


def test_every_key_arrives(desk):
    found = rules(
        desk,
        'cron: "30 2 * * *", zone: Europe/Berlin, start_within: 10m, max_run: 2h, finish_by: "06:00", grace: 5m, '
        "min_interval: 1h, max_concurrent: 2, failure: [ERROR], success: [done], "
        'stages: [{name: dump, within: 40m}, {name: upload, due_by: "05:30"}, {name: verify, due_by: 3h}]',
    )
    assert (found.zone, found.start_within, found.max_run, found.finish_by, found.grace) == (
        "Europe/Berlin", 600.0, 7200.0, time(6), 300.0,
    )  # fmt: skip
    assert (found.min_interval, found.max_concurrent, found.failure, found.success) == (
        3600.0,
        2,
        ("ERROR",),
        ("done",),
    )
    assert [(one.name, one.within, one.due_by) for one in found.stages] == [
        ("dump", 2400.0, None), ("upload", None, time(5, 30)), ("verify", None, 10800.0),
    ]  # fmt: skip
    assert found.schedule == "cron 30 2 * * * Europe/Berlin"


def test_the_check_s_zone_holds_where_the_schedule_names_none(desk):
    assert rules(desk, "cron: 30 2 * * *").zone == "UTC"


@pytest.mark.parametrize(
    ("body", "every", "timeout"),
    [
        ("cron: 30 2 * * *", 86400.0, 3600.0),
        ("cron: 30 2 * * *, max_run: 2h", 86400.0, 7200.0),
        ("cron: 30 2 * * 1-5", 3 * 86400.0, 3600.0),
        ("period: 1h, grace: 10m, max_run: 3h", (3600 + 600 + 10800) / 1.5, 10800.0),
    ],
)
def test_a_run_speaks_for_the_job_until_the_next_may_be_missed(desk, body: str, every: float, timeout: float):
    spec = desk.load(heartbeat(body)).checks["backup/db"].spec
    assert (spec.every, spec.timeout, spec.retries) == (every, timeout, 0)


@pytest.mark.parametrize(
    ("more", "down_after", "up_after"),
    [("", (1, 1), 1), ("down_after: 2", (2, 2), 1), ("up_after: 3", (1, 1), 3)],
)
def test_one_deadline_is_an_outage_unless_the_check_itself_says_otherwise(desk, more: str, down_after, up_after: int):
    text = f"defaults: {{down_after: 3 of 5, up_after: 4}}\n{heartbeat('period: 1h', more)}"
    policy = desk.load(text).checks["backup/db"].policy
    assert (policy.down_after, policy.up_after) == (down_after, up_after)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "wants one of period, cron and calendar, not none"),
        ("period: 1h, cron: 0 0 * * *", "not period and cron"),
        ("cron: 30 25 * * *", "bad hour"),
        ("calendar: [FREQ=DAILY]", "at what time"),
        ("cron: 30 2 * * *, zone: Europe/Berln", "did you mean Europe/Berlin"),
        ("period: 1h, finish_by: 3h", "with period write max_run and within"),
        ("cron: 30 2 * * *, finish_by: noon", "a time of day, as in 06:00"),
        ("period: 1h, stages: [{name: run}]", "means the whole run"),
        ("period: 1h, stages: [{name: a}, {name: a}]", "two stages are called a"),
        ("period: 1h, methods: get", "methods"),
        ("period: 500ms", "period"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(desk, body: str, complaint: str):
    problems = desk.problems(heartbeat(body))
    assert len(problems) == 1
    assert complaint in problems[0]
    assert problems[0].startswith("probe.yml:5:")
    assert KEY not in problems[0]


@pytest.mark.parametrize("key", ["short", "with space in it 0123", "slash/0123456789abcdef", ""])
def test_a_key_that_is_weak_or_no_part_of_an_address_is_refused(desk, key: str):
    (problem,) = desk.problems(f"checks: {{a: {{heartbeat: {{period: 1h, keys: ['{key}']}}}}}}")
    assert "16 to 200" in problem
    assert not key or key not in problem


def test_two_that_cannot_be_told_apart_are_an_error(desk):
    body = f"heartbeat: {{period: 1h, keys: [{KEY}]}}"
    (problem,) = desk.problems(f"checks: {{a/b: {{{body}}}, a-b: {{{body}}}}}")
    assert "a/b has the same key, and the same name in an address" in problem
    assert desk.load(f"checks: {{a/b: {{{body}}}, a-c: {{{body}}}}}")


@pytest.mark.parametrize("name", ["start", "log", "12"])
def test_a_name_that_means_a_signal_is_refused(desk, name: str):
    (problem,) = desk.problems(f"checks: {{'{name}': {{heartbeat: {{period: 1h, keys: [{KEY}]}}}}}}")
    assert "means a signal" in problem


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (f"checks: {{a: {{every: 5m, heartbeat: {{period: 1h, keys: [{KEY}]}}}}}}", "a heartbeat is not probed"),
        (f"checks: {{a: {{heartbeat: {{cron: 0 2 * * *, keys: [{KEY}]}}}}}}", "no time zone is named"),
    ],
)
def test_what_has_no_effect_is_warned_of(desk, text: str, warning: str):
    (found,) = desk.warnings(text)
    assert warning in found


def test_what_suits_a_job_is_not_warned_of(desk):
    text = heartbeat("cron: '*/5 * * * *', max_run: 2h", "thresholds: {total: {degraded: 1h}}")
    assert desk.warnings(f"defaults: {{every: 10s, timeout: 5s}}\n{text}") == []


def test_keys_are_secrets(desk):
    assert KEY in desk.load(heartbeat("period: 1h")).secrets
