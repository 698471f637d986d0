"""Services: which checks make one, in which order, by which rule."""

import pytest

from probe.config.rules import Stated, parse_rule
from thresholds.composite import Kind, Rule

TCP = "tcp: {host: a.example, port: 1}"
THREE = f"""
checks:
  s/a: {{service: s, every: 10s, {TCP}}}
  other: {{{TCP}}}
  s/b: {{service: s, every: 2m, {TCP}}}
  s/c: {{service: s, every: 1m, {TCP}}}
"""


def test_a_service_is_its_checks_in_order_with_what_it_says(desk):
    config = desk.load(
        "defaults: {owner: them, labels: {env: prod}}\n"
        f"services: {{s: {{labels: {{tier: '1'}}, runbook: 'https://wiki.example/s'}}}}{THREE}"
    )
    (service,) = config.services.values()
    assert (service.name, service.members, service.every) == ("s", ("s/a", "s/b", "s/c"), 120.0)
    assert (service.owner, service.runbook) == ("them", "https://wiki.example/s")
    assert dict(service.labels) == {"env": "prod", "tier": "1"}
    assert (service.rule, service.zone, service.objectives) == (Rule(), "UTC", ())


def test_what_a_label_holds_is_not_shown(desk):
    desk.environment = {"TIER": "hush-hush"}
    config = desk.load(f"services: {{s: {{labels: {{tier: '${{env:TIER}}'}}}}}}{THREE}")
    assert repr(config.services["s"]) == "ServicePlan('s', 3 checks)"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("all", Rule()),
        ("any", Rule(Kind.ANY)),
        ("2 of 3", Rule(Kind.K_OF_N, 2)),
        ("2", Rule(Kind.K_OF_N, 2)),
        ("3 of 3", Rule(Kind.K_OF_N, 3)),
        ("{weights: {s/a: 3, s/b: 0.5}}", Rule(Kind.WEIGHTED, weights=(3.0, 0.5, 1.0))),
        ("{weights: {'s/*': 2, s/c: 5}, need: 60%}", Rule(Kind.WEIGHTED, weights=(2.0, 2.0, 5.0), need=0.6)),
        ("{weights: {'s/[ab]': 2, 's/*': 4}}", Rule(Kind.WEIGHTED, weights=(2.0, 2.0, 4.0))),
    ],
)
def test_a_rule_is_what_it_says(desk, text, rule):
    config = desk.load(f"services: {{s: {{up_when: {text}}}}}{THREE}")
    assert config.services["s"].rule == rule
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("some", "wants all, any, so many checks of all, as in 2 of 3, or weights"),
        ("true", "wants all, any, so many checks"),
        ("[s/a]", "wants all, any, so many checks"),
        ("0", "wants 1 <= K <= N in `K of N`"),
        ("3 of 2", "wants 1 <= K <= N in `K of N`"),
        ("4", "the service has 3 checks: 4 can never be up; write 3 of 3, or all"),
        ("4 of 5", "the service has 3 checks: 4 can never be up; write 3 of 3, or all"),
        ("{need: 50%}", ".weights: is missing"),
        ("{weights: {}}", ".weights: is empty"),
        ("{weights: {s/a: 0}}", ".weights.s/a: must be more than 0"),
        ("{weights: {s/a: much}}", ".weights.s/a: wants a number, not a text"),
        ("{weights: {s/aa: 2}}", ".weights.s/aa: no check of the service is called so; did you mean s/a?"),
        ("{weights: {other: 2}}", ".weights.other: no check of the service is called so; its checks: s/a, s/b, s/c"),
        ("{weights: {'t/*': 2}}", ".weights.t/*: no check of it matches; its checks: s/a, s/b, s/c"),
        ("{weights: {s/a: 2}, need: 0%}", ".need: must be more than 0%"),
        ("{weights: {s/a: 2}, ned: 10%}", ".ned: unknown key; did you mean need?"),
    ],
)
def test_a_rule_that_nothing_could_satisfy_is_refused(problems, text, problem):
    (found,) = problems(f"services: {{s: {{up_when: {text}}}}}{THREE}")
    key, _, message = found.split(": ", 1)[1].partition(": ")
    wanted, _, start = problem.partition(": ") if problem.startswith(".") else ("", "", problem)
    assert key == f"services.s.up_when{wanted}"
    assert message.startswith(start), found


def test_a_rule_written_for_another_number_of_checks_is_a_warning(desk):
    warnings = desk.warnings(f"services: {{s: {{up_when: 2 of 4}}}}{THREE}")
    assert warnings == [
        "probe.yml:1:25: services.s.up_when: the service has 3 checks: 2 of 3 is what holds; write 2",
    ]


def test_a_faulty_check_does_not_make_the_rule_faulty(problems):
    text = "services: {s: {up_when: {weights: {s/a: 2, s/d: 3}}}, t: {up_when: 2}}"
    found = problems(f"{text}{THREE}  s/d: {{service: s, tcp: {{host: a}}}}\n  t/a: {{service: t, tcp: {{port: 1}}}}\n")
    assert [problem.split(": ")[1] for problem in found] == ["checks.s/d.tcp.port", "checks.t/a.tcp.host"]


def test_a_service_without_checks_has_no_members_and_says_so(desk):
    config = desk.load(f"services: {{t: {{up_when: 2, slo: [{{availability: 99%, over: 30d}}]}}, s: {{}}}}{THREE}")
    assert (config.services["t"].members, config.services["t"].every) == ((), 0.0)
    (warning,) = config.warnings
    assert warning.endswith("1:12: services.t: no check belongs to it: what it promises in slo is about nothing")


def test_two_hundred_of_three_hundred_is_a_rule():
    assert parse_rule("200 of 300") == Stated(Rule(Kind.K_OF_N, 200), 300)
