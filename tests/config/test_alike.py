"""What many checks say in the same words is read once and kept once, and nothing but that is shared."""

import gc

import pytest

from probe.config import load

SITES = """
services: {s: {labels: {tier: "1"}, thresholds: {total: {down: 4s}}}}
checks:
  a: {service: s, every: 20s, tcp: {host: a.example, port: 1}}
  b: {service: s, every: 20s, tcp: {host: b.example, port: 1}}
  c: {service: s, every: 20s, labels: {site: c}, tcp: {host: c.example, port: 1}}
  d: {service: s, every: 20s, labels: {tier: "2"}, tcp: {host: d.example, port: 1}}
  e: {service: s, every: 20s, thresholds: {ttfb: {down: 1s}}, tcp: {host: e.example, port: 1}}
  f: {every: 20s, tcp: {host: f.example, port: 1}}
"""


def test_what_is_said_alike_is_one_object(desk):
    checks = desk.load(SITES).checks
    a, b, c, d, e, f = checks.values()
    assert a.policy is b.policy is c.policy is d.policy
    assert a.labels is b.labels
    assert a.labels == {"tier": "1"}
    assert (c.labels, d.labels) == ({"tier": "1", "site": "c"}, {"tier": "2"})
    assert [threshold.metric for threshold in e.policy.thresholds] == ["total", "ttfb"]
    assert (f.policy.thresholds, f.labels) == ((), {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("down_after: 3", "down_after: '3 of 5'"),
        ("confirm: {retries: 0}", "confirm: {retries: 0, after: 3s}"),
        ("thresholds: {total: {down: 1s}}", "thresholds: {ttfb: {down: 1s}}"),
        ("thresholds: {tls.days_left: {down: 1}}", "thresholds: {tls.days_left: {degraded: 1}}"),
    ],
)
def test_what_differs_a_little_stays_different(desk, one, other):
    tcp = "tcp: {host: a.example, port: 1}"
    a, b = desk.load(f"checks: {{a: {{{one}, {tcp}}}, b: {{{other}, {tcp}}}}}").checks.values()
    alone = desk.load(f"checks: {{b: {{{other}, {tcp}}}}}").checks["b"]
    assert (a.policy, a.spec.retry_after) != (b.policy, b.spec.retry_after)
    assert (b.policy, b.spec.retry_after) == (alone.policy, alone.spec.retry_after)


def test_what_was_given_is_known_of_each_check(desk):
    a, b, c = desk.load(
        "checks:\n"
        "  a: {tcp: {host: a.example, port: 1}}\n"
        "  b: {tcp: {host: b.example, port: 2}}\n"
        "  c: {tcp: {host: c.example, port: 3, send: PING}}\n"
    ).checks.values()
    given = [planned.spec.check.model_fields_set for planned in (a, b, c)]
    assert given == [{"host", "port"}, {"host", "port"}, {"host", "port", "send"}]
    assert given[0] is given[1]


def test_a_mistake_is_told_at_each_place_where_it_stands(problems):
    assert problems(
        "checks:\n"
        "  good: {up_after: 2, tcp: {host: a.example, port: 1}}\n"
        "  a: {up_after: 0, tcp: {host: a.example, port: 1}}\n"
        "  b: {up_after: 0, tcp: {host: a.example, port: 1}}\n"
        "  c: {up_after: 2, tcp: {host: a.example, port: 0}}\n"
        "  d: {up_after: 2, labels: {tier: 1}, tcp: {host: a.example, port: 1}}\n"
        "  e: {up_after: 2, labels: , tcp: {host: a.example, port: 1}}\n"
        "  f: {up_after: 0, labels: {tier: 1}, tcp: {host: a.example, port: 0}}\n"
    ) == [
        "probe.yml:3:17: checks.a.up_after: must be at least 1",
        "probe.yml:4:17: checks.b.up_after: must be at least 1",
        "probe.yml:5:49: checks.c.tcp.port: must be at least 1",
        "probe.yml:6:35: checks.d.labels.tier: wants a text, not a number; put it in quotes",
        "probe.yml:7:20: checks.e.labels: wants a mapping, `key: value`; there is nothing",
        "probe.yml:8:17: checks.f.up_after: must be at least 1",
        "probe.yml:8:35: checks.f.labels.tier: wants a text, not a number; put it in quotes",
        "probe.yml:8:68: checks.f.tcp.port: must be at least 1",
    ]


def test_the_same_words_in_two_folders_may_name_two_files(desk):
    for team in ("red", "blue"):
        desk.write(team, f"{team}/owner")
        check = f"{team}: {{owner: '${{file:owner}}', tcp: {{host: a.example, port: 1}}}}"
        desk.write(f"checks: {{{check}}}", f"{team}/checks.yml")
    checks = desk.load("include: ['*/checks.yml']\n").checks
    assert {name: planned.owner for name, planned in checks.items()} == {"red": "red", "blue": "blue"}


def test_warnings_name_the_layer_that_says_it_for_each_check(desk):
    assert desk.warnings(
        "defaults: {timeout: 20s}\n"
        "checks:\n"
        "  a: {every: 5s, tcp: {host: a.example, port: 1}}\n"
        "  b: {every: 5s, timeout: 9s, tcp: {host: a.example, port: 1}}\n"
        "  c: {every: 5s, timeout: 9s, tcp: {host: a.example, port: 1}}\n"
    ) == [
        f"probe.yml:{place}: longer than every, 5 s: a run that takes so long makes the next one skip{note}"
        for place, note in (
            ("1:21: defaults.timeout", " (of a)"),
            ("4:27: checks.b.timeout", ""),
            ("5:27: checks.c.timeout", ""),
        )
    ]


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_left_as_it_was(desk, collects):
    path = desk.write(SITES)
    before = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        load(path, {})
        assert gc.isenabled() is collects
    finally:
        gc.enable() if before else gc.disable()
