"""Warnings of what is asked of judgement and cannot be given, each told once, at its place."""

from itertools import zip_longest

import pytest

from probe.config import load
from thresholds.calendar import parse_instant

TCP = "tcp: {host: a.example, port: 1}"
NOW = parse_instant("2026-11-20T12:00", "UTC")
UNZONED = "no time zone is named: it is Mon-Fri 08:00-20:00 UTC; name it there, or as zone"


def warned(desk, text):
    path = desk.write(text)
    return [warning.removeprefix(f"{path}:") for warning in load(path, {}, NOW).warnings]


def beginnings(told, wanted):
    """What is told, cut to the length of what is wanted of it."""
    return [one[: len(start)] for one, start in zip_longest(told, wanted, fillvalue="more than is wanted")]


@pytest.mark.parametrize(
    ("limits", "warnings"),
    [
        ("p95(total) over 10m: {degraded: 9s}", []),
        (
            "p95(total) over 10m: {degraded: 5s, down: 10s}",
            ["p95(total) over 10m.down: never reached: timeout"],
        ),
        ("max(tls.days_left) over 10m: {degraded: 21}", []),
        ("failures over 10m: {down: 12}", []),
        ("baseline(ttfb): {degraded: 4 mad, floor: 10s}", ["baseline(ttfb).floor: never reached: timeout is 10 s"]),
        ("p95(total) over 150s: {degraded: 1s}", []),
        (
            "p95(total) over 2m: {degraded: 1s}",
            [
                "p95(total) over 2m: it never says anything: it holds 4 runs, and it takes 5; lower min_samples",
            ],
        ),
        ("p95(total) over 2m: {degraded: 1s, min_samples: 4}", []),
        ("failures over 20s: {down: 1, min_samples: 1}", ["failures over 20s: it never says anything: it holds 0.67"]),
        ("baseline(ttfb): {degraded: 4 mad, bucket: 5m}", []),
        ("p95(total) over 7d: {degraded: 1s}", []),
    ],
)
def test_a_limit_that_never_speaks_is_told_at_its_key(desk, limits, warnings):
    metric, _, limit = limits.partition(": ")
    found = warned(desk, f"checks: {{a: {{{TCP}, thresholds: {{'{metric}': {limit}}}}}}}")
    told = [one.split(": ", 1)[1].removeprefix("checks.a.thresholds.") for one in found]
    assert beginnings(told, warnings) == warnings


def test_a_bucket_with_few_runs_says_nothing_of_what_is_usual(desk):
    text = f"checks: {{a: {{every: 2m, {TCP}, thresholds: {{baseline(ttfb): {{degraded: 4 mad, bucket: 5m}}}}}}}}"
    (warning,) = warned(desk, text)
    assert warning.endswith("it holds 2.5 runs, and it takes 5; take a longer bucket, or run more often")


def test_what_many_checks_inherit_is_one_warning(desk):
    found = warned(
        desk,
        f"defaults: {{thresholds: {{p95(total) over 1m: {{degraded: 1s}}}}, hours: Mon-Fri 08:00-20:00}}\n"
        f"checks: {{a: {{{TCP}}}, b: {{{TCP}}}, c: {{every: 5s, zone: UTC, {TCP}}}}}",
    )
    assert found == [
        (
            "1:45: defaults.thresholds.p95(total) over 1m: it never says anything: it holds 2 runs, and it takes 5; "
            "lower min_samples, or look further back (of a and 1 more)"
        ),
        f"1:69: defaults.hours: {UNZONED} (of a and 1 more)",
    ]


@pytest.mark.parametrize(
    ("kept", "limits", "warning"),
    [
        ("{age: 1d}", "p95(total) over 2d: {degraded: 1s}", "retention.age, 1d"),
        ("{age: 2d}", "p95(total) over 2d: {degraded: 1s}", ""),
        ("{hours: 34d}", "baseline(ttfb): {degraded: 4 mad}", "baselines compare with the last 35d; keep so much"),
        ("{hours: 35d}", "baseline(ttfb): {degraded: 4 mad}", ""),
        ("{hours: 34d}", "p95(total) over 2d: {degraded: 1s}", ""),
    ],
)
def test_what_is_not_kept_cannot_be_looked_back_on(desk, kept, limits, warning):
    metric, _, limit = limits.partition(": ")
    found = warned(desk, f"retention: {kept}\nchecks: {{a: {{{TCP}, thresholds: {{{metric}: {limit}}}}}}}")
    assert [one.endswith(warning) for one in found] == [True] * bool(warning)


# Budgets: 99.9 % of 30 days are 43m 12s, of 7 days 10m 5s; 99.99 % of 30 days 4m 19s. Ten runs must fit.
@pytest.mark.parametrize(
    ("every", "slo", "warnings"),
    [
        ("30s", "{availability: 99.9%, over: 30d}", []),
        ("30s", "{availability: 99.9%, over: month}", []),
        ("1m", "{availability: 99.9%, over: 7d}", []),
        ("2m", "{availability: 99.9%, over: 7d}", ["99.9% available over 7d cannot be verified by a run every 2m"]),
        (
            "30s",
            "{availability: 99.99%, over: 30d}",
            ["99.99% available over 30d cannot be verified by a run"],
        ),
        ("25s", "{availability: 99.99%, over: 30d}", []),
        # Google SRE Workbook, chapter 5: a factor of 14.4 needs a target above 93.06 %, 6 one above 83.33 %.
        (
            "30s",
            "{availability: 90%, over: 30d}",
            ["90% available over 30d: the page on 14.4 x the budget over 1h can never fire; it needs a target above"],
        ),
        (
            "30s",
            "{availability: 99.9%, over: 30d, min_bad_slices: {long: 3, short: 20}}",
            ["99.9% available over 30d: the page on 14.4 x the budget over 1h can never fire: it takes 3 bad runs of"],
        ),
        ("30s", "{latency: 95% under 800ms, over: 7d}", []),
        ("30s", "{latency: 95% under 9999ms, over: 7d}", []),
        (
            "30s",
            "{latency: 95% under 10s, over: 7d}",
            ["latency: never broken: a slower run has failed"],
        ),
        (
            "30s",
            "{latency: 99% under 1s, over: 91d}",
            ["over: after a restart it counts no more than retention.five"],
        ),
        ("30s", "{latency: 99% under 1s, over: 90d}", []),
        (
            "10s",
            "{availability: 95%, over: 1h}",
            ["95% available over 1h: its fastest alert would look back 21 s, and Probe looks every 15 s: it looks"],
        ),
        (
            "30s",
            "{latency: 99% under 1s, over: 1d}",
            ["99% of total under 1 s over 1d: its fastest alert would look back 8m 34s, and runs are counted by 5m"],
        ),
        ("30s", "{latency: 99% under 1s, over: 3d}", []),
    ],
)
@pytest.mark.parametrize("owner", ["services.s", "checks.a"])
def test_what_cannot_be_promised_is_told_at_its_objective(desk, owner, every, slo, warnings):
    service, check = (f"slo: [{slo}]", "") if owner == "services.s" else ("", f"slo: [{slo}], ")
    found = warned(
        desk,
        f"services: {{s: {{{service}}}}}\n"
        f"checks: {{a: {{service: s, every: {every}, timeout: 10s, {check}{TCP}}},"
        f" b: {{service: s, every: 1s, timeout: 1s, {TCP}}}}}",
    )
    told = [one.split(": ", 1)[1].removeprefix(f"{owner}.slo[0]").lstrip(":. ") for one in found]
    assert not any("(of " in one for one in told)  # it stands where it is said
    assert beginnings(told, warnings) == warnings


def test_a_budget_is_of_the_hours_that_count(desk):
    # Twelve hours of five days are 36 % of the time, and 99.9 % of 7 days of it 3m 36s.
    text = f"checks: {{a: {{every: 30s, {{}}slo: [{{availability: 99.9%, over: 7d}}], {TCP}}}}}"
    text = text.replace("{}", "hours: Mon-Fri 08:00-20:00 UTC, ", 1)
    (warning,) = warned(desk, text)
    assert warning.endswith(
        "cannot be verified within its hours, 36% of the time, by a run every 30 s: its budget is 7.2 runs, and "
        "under 10 say too little; run every 21.6 s or more often, or promise less"
    )
    assert not warned(desk, text.replace("every: 30s", "every: 20s"))
    assert not warned(desk, text.replace("hours: Mon-Fri 08:00-20:00 UTC, ", ""))


@pytest.mark.parametrize(
    ("hours", "warning"),
    [
        ("Mon-Fri 08:00-20:00", UNZONED),
        ("Mon-Fri 08:00-20:00 UTC", ""),
        ("Mon-Fri 08:00-20:00, zone: UTC", ""),
        ("daily", ""),  # always, whatever the clock
        ("Mon 08:00-20:00 UTC; not Mon", "never open in the five years to come: nothing counts"),
        ("2025-12-24 08:00-20:00 UTC", "never open in the five years to come: nothing counts"),
        ("2029-12-24 08:00-20:00 UTC", ""),
    ],
)
@pytest.mark.parametrize("owner", ["defaults", "services.s", "checks.a"])
def test_hours_that_say_too_little_are_told_where_they_stand(desk, owner, hours, warning):
    section = owner.partition(".")[0]
    said = {part: f"hours: {hours}" if part == section else "" for part in ("defaults", "services", "checks")}
    comma = ", " if section == "checks" else ""
    found = warned(
        desk,
        f"defaults: {{{said['defaults']}}}\nservices: {{s: {{{said['services']}}}}}\n"
        f"checks: {{a: {{service: s, {TCP}{comma}{said['checks']}}}}}",
    )
    assert {one.split(": ", 1)[1].partition(" (of")[0] for one in found} == (
        {f"{owner}.hours: {warning}"} if warning else set()
    )
    assert len(found) == bool(warning)


def test_off_takes_out_what_is_inherited_and_nothing_else(desk):
    layers = "defaults: {thresholds: {total: {degraded: 1s}, ttfb: {degraded: 1s}, baseline(dns): {degraded: 4 mad}}}\n"
    config = desk.load(
        f"{layers}checks: {{a: {{{TCP}, thresholds: {{total: off, baseline(dns): off}}}}, b: {{{TCP}}}}}"
    )
    assert [one.metric for one in config.checks["a"].policy.thresholds] == ["ttfb"]
    assert config.checks["a"].policy.baselines == ()
    assert [one.metric for one in config.checks["b"].policy.thresholds] == ["total", "ttfb"]
    assert not config.warnings


def test_off_that_takes_nothing_out_is_told_with_what_there_is(desk):
    layers = "defaults: {thresholds: {p95(total) over 10m: {degraded: 1s}}}\n"
    (warning,) = warned(desk, f"{layers}checks: {{a: {{{TCP}, thresholds: {{p95(total) over 600s: off}}}}}}")
    assert warning.endswith("over 600s: takes nothing out: nobody says it before; inherited are p95(total) over 10m")
