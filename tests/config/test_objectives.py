"""Objectives, service hours and zones: what a configuration says becomes what it promises."""

import pytest

from probe.config.objectives import parse_pace, parse_period, parse_target
from thresholds.availability import Unknown
from thresholds.calendar import Unit
from thresholds.hours import parse_hours
from thresholds.slo import Kind, Objective, Period

TCP = "tcp: {host: a.example, port: 1}"
MONTH = Period(unit=Unit.MONTH, zone="Australia/Sydney")


def promised(desk, *objectives):
    """What these objectives of a check become."""
    text = f"checks: {{a: {{zone: Australia/Sydney, {TCP}, slo: [{', '.join(objectives)}]}}}}"
    return desk.load(text).checks["a"].objectives


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        (
            "{availability: 99.9%, over: 30d}",
            Objective("availability-30d", 0.999, Period(30 * 86400)),
        ),
        (
            "{availability: 99.5%, over: month, degraded_counts_as: 50%, unknown: breaching, name: monthly}",
            Objective("monthly", 0.995, MONTH, degraded_counts_as=0.5, unknown=Unknown.BREACHING),
        ),
        (
            "{latency: 95% under 800ms, over: 7d}",
            Objective("latency-800ms-7d", 0.95, Period(7 * 86400), Kind.LATENCY, 0.8),
        ),
        (
            "{latency: 99 %  under 1.5s, over: month, metric: ttfb, min_bad_slices: {long: 5}}",
            Objective("ttfb-1.5s-month", 0.99, MONTH, Kind.LATENCY, 1.5, "ttfb", min_bad_long=5, min_bad_short=2),
        ),
        ("{availability: 99%, over: 36h}", Objective("availability-1d12h", 0.99, Period(36 * 3600))),
    ],
)
def test_an_objective_is_what_it_says(desk, text, objective):
    assert promised(desk, text) == (objective,)


def test_objectives_keep_their_order_and_have_names_of_their_own(desk):
    found = promised(
        desk,
        "{latency: 95% under 1s, over: 7d}",
        "{latency: 99% under 2s, over: 7d}",
        "{availability: 99%, over: 7d}",
        "{availability: 99.9%, over: 7d, name: better}",
    )
    assert [one.name for one in found] == ["latency-1s-7d", "latency-2s-7d", "availability-7d", "better"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{over: 7d}", "slo[0]: promises nothing; write availability: 99.9%, or latency: 95% under 800ms"),
        ("{availability: 99%}", "slo[0].over: is missing"),
        ("{availability: 99%, latency: 95% under 1s, over: 7d}", "slo[0].latency: a second promise beside availa"),
        ("{availability: 100%, over: 7d}", "slo[0].availability: wants more than 0% and less than 100%"),
        ("{availability: 0%, over: 7d}", "slo[0].availability: wants more than 0% and less than 100%"),
        ("{availability: 0.999, over: 7d}", "slo[0].availability: wants a percentage, as in 10%"),
        ("{availability: most, over: 7d}", "slo[0].availability: wants a percentage, as in 10% or 99.9%"),
        ("{latency: 800ms, over: 7d}", "slo[0].latency: wants a share of runs and a time, as in 95% under 800ms"),
        ("{latency: 95% under 800, over: 7d}", "slo[0].latency: '800' is no duration"),
        ("{latency: 95% under 0s, over: 7d}", "slo[0].latency: no run takes no time"),
        ("{availability: 99%, over: 30m}", "slo[0].over: wants from 1h to 366d"),
        ("{availability: 99%, over: 2000d}", "slo[0].over: wants from 1h to 366d"),
        ("{availability: 99%, over: decade}", "slo[0].over: wants a length as in 30d, or a day, week, month, quarter"),
        ("{availability: 99%, over: 30}", "slo[0].over: wants a length as in 30d"),
        ("{availability: 99%, over: 7d, metric: ttfb}", "slo[0].metric: metric says nothing of availability; leave"),
        ("{latency: 95% under 1s, over: 7d, unknown: ignore}", "slo[0].unknown: unknown says nothing of latency"),
        ("{latency: 95% under 1s, over: 7d, metric: tfb}", "slo[0].metric: no run has a phase or a numeric fact tfb"),
        ("{latency: 95% under 1s, over: 7d, metric: tls.days_left}", "slo[0].metric: tls.days_left is no time"),
        ("{availability: 99%, over: 7d, unknown: up}", "slo[0].unknown: wants 'missing', 'ignore', 'breaching' or"),
        ("{availability: 99%, over: 7d, name: a/b}", "slo[0].name: wants letters, digits and . _ -"),
        ("{availability: 99%, over: 7d, min_bad_slices: {long: 0}}", "slo[0].min_bad_slices.long: must be at least 1"),
        ("{availability: 99%, ovr: 7d}", "slo[0].ovr: unknown key; did you mean over?"),
        (
            "{availability: 99%, over: 7d}, {availability: 99.9%, over: 7d}",
            "slo[1]: availability-7d is the name of another one; give each a `name`",
        ),
    ],
)
@pytest.mark.parametrize("owner", ["services.shop", "checks.a"])
def test_one_mistake_is_told_once_at_its_key(problems, owner, text, problem):
    section, _, name = owner.partition(".")
    body = f"{TCP}, " if section == "checks" else ""
    rest = "" if section == "checks" else f"\nchecks: {{a: {{service: shop, {TCP}}}}}"
    (found,) = problems(f"{section}: {{{name}: {{{body}slo: [{text}]}}}}{rest}")
    assert found.split(": ", 1)[1].startswith(f"{owner}.{problem}"), found


def test_a_share_between_nothing_and_everything_is_a_target():
    assert parse_target("99.999%") == 0.99999
    assert parse_pace("95% under 1m30s") == (0.95, 90.0)
    assert [parse_period(unit).unit for unit in Unit] == list(Unit)


def test_hours_and_zone_are_inherited_and_objectives_are_not(desk):
    config = desk.load(
        f"""
        defaults: {{zone: Europe/Berlin, hours: Mon-Fri 08:00-18:00}}
        services:
          shop: {{zone: Australia/Sydney, slo: [{{availability: 99%, over: month}}]}}
          desk: {{hours: Sat 09:00-13:00}}
          open: {{hours: daily}}
        checks:
          a: {{{TCP}}}
          b: {{service: shop, {TCP}}}
          c: {{service: desk, zone: UTC, {TCP}}}
          d: {{service: desk, hours: Sun 09:00-13:00 Asia/Tokyo, {TCP}}}
          e: {{service: open, {TCP}}}
        """
    )
    checks, services = config.checks, config.services
    assert {name: (one.zone, one.hours) for name, one in checks.items()} == {
        "a": ("Europe/Berlin", parse_hours("Mon-Fri 08:00-18:00", "Europe/Berlin")),
        "b": ("Australia/Sydney", parse_hours("Mon-Fri 08:00-18:00", "Australia/Sydney")),
        "c": ("UTC", parse_hours("Sat 09:00-13:00", "UTC")),
        "d": ("Europe/Berlin", parse_hours("Sun 09:00-13:00 Asia/Tokyo")),
        "e": ("Europe/Berlin", parse_hours("daily", "Europe/Berlin")),
    }
    assert services["shop"].hours == parse_hours("Mon-Fri 08:00-18:00", "Australia/Sydney")
    assert services["desk"].hours == parse_hours("Sat 09:00-13:00", "Europe/Berlin")
    assert [one.over.zone for one in services["shop"].objectives] == ["Australia/Sydney"]
    assert not any(one.objectives for one in checks.values())


def test_without_hours_it_is_always(desk):
    config = desk.load(f"services: {{s: {{}}}}\nchecks: {{a: {{service: s, {TCP}}}}}")
    assert config.checks["a"].hours is None
    assert config.services["s"].hours is None


def test_each_of_many_checks_has_the_objectives_of_its_template(desk):
    config = desk.load(
        "checks:\n  c/{n}:\n    for_each: {n: [a, b]}\n    slo: [{availability: 99%, over: 30d, name: 'of-{n}'}]\n"
        f"    {TCP}\n"
    )
    assert [one.objectives[0].name for one in config.checks.values()] == ["of-a", "of-b"]


def test_a_check_that_is_called_as_a_service_has_objectives_of_other_names(desk):
    slo = "slo: [{availability: 99%, over: 30d}]"
    text = f"services: {{shop: {{{slo}}}}}\nchecks: {{shop: {{service: shop, {slo}, {TCP}}}}}"
    (found,) = desk.problems(text)
    message = "the service shop has an objective availability-30d, too; give one of them another name"
    assert found == f"probe.yml:2:38: checks.shop.slo[0]: {message}"
    assert desk.load(text.replace("over: 30d}], tcp", "over: 7d}], tcp"))
