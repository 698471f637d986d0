"""How we did: availability against an objective, by service and by check, over the chosen range and over 30 days."""

from __future__ import annotations

from boards.frame import SERVICE, dashboard, row
from boards.parts import GREEN, ORANGE, RED, Json, graph, query, shown, stat, steps, table

OF = '{service=~"$service"}'
OBJECTIVE: Json = {
    "name": "slo",
    "label": "Objective, %",
    "type": "custom",
    "query": "99,99.5,99.9,99.95,99.99",
    "options": [
        {"text": value, "value": value, "selected": value == "99.9"}
        for value in ("99", "99.5", "99.9", "99.95", "99.99")
    ],
    "current": {"text": "99.9", "value": "99.9"},
    "multi": False,
    "includeAll": False,
    "hide": 0,
}
ALLOWED = "(1 - $slo / 100)"  # the error budget, as a ratio
RATIO = steps((None, RED), (0.99, ORANGE), (0.999, GREEN))
BUDGET = steps((None, RED), (0, ORANGE), (0.25, GREEN))


def board() -> Json:
    about = "Availability by runs: up and degraded ones, of those that could be judged."
    rows = (_whole(), _table("service"), _table("check"), _over_time())
    made = dashboard("probe-sla", "Probe / SLA", about, rows, (SERVICE, OBJECTIVE))
    return made | {"time": {"from": "now-7d", "to": "now"}}


def _good(by: str) -> str:
    return f'sum{by} (increase(probe_check_runs_total{{service=~"$service", level=~"up|degraded"}}[$__range]))'


def _judged(by: str) -> str:
    return f'(sum{by} (increase(probe_check_runs_total{{service=~"$service", level!="unknown"}}[$__range])) > 0)'


def _ratio(by: str) -> str:
    return f"{_good(by)} / {_judged(by)}"


def _whole() -> list[Json]:
    ratio = _ratio("")
    return row(
        "All chosen services",
        stat("Availability", ratio, width=6, unit="percentunit", colours=RATIO, defaults={"decimals": 3}),
        stat("Error budget left", f"1 - (1 - {ratio}) / {ALLOWED}", width=6, unit="percentunit", colours=BUDGET),
        stat("Error minutes", f"(1 - {ratio}) * $__range_s / 60", width=6, unit="m", defaults={"decimals": 1}),
        stat("Allowed error minutes", f"{ALLOWED} * $__range_s / 60", width=6, unit="m", defaults={"decimals": 1}),
    )


def _table(noun: str) -> list[Json]:
    by = " by (service)" if noun == "service" else " by (check, service)"
    ratio = _ratio(by)
    columns = (
        ("Availability", ratio, shown("percentunit", colours=RATIO, decimals=3)),
        (
            "30 days",
            f"min{by} ({noun}:probe_availability:ratio30d{OF})",
            shown("percentunit", colours=RATIO, decimals=3),
        ),
        ("Error minutes", f"(1 - {ratio}) * $__range_s / 60", shown("m", decimals=1)),
        ("Budget left", f"1 - (1 - {ratio}) / {ALLOWED}", shown("percentunit", colours=BUDGET, decimals=1)),
        ("Runs", _judged(by), shown("none", decimals=0)),
        ("p95, 5 min", f"max{by} ({noun}:probe_check_run_duration_seconds:p95_5m{OF} >= 0)", shown("s")),
    )
    link = "/d/probe-check?${datasource:queryparam}&var-check=${__data.fields.check}"
    return row(
        f"By {noun}",
        table(
            f"{noun.capitalize()}s over the chosen range",
            columns,
            sort="Availability",
            descending=False,
            about="Error minutes: the share of runs that failed, of the time of the range.",
            link=("check", link) if noun == "check" else None,
        ),
    )


def _over_time() -> list[Json]:
    objective = query("vector($slo / 100)", "objective")
    availability = [query(f"min by (service) (service:probe_availability:ratio1h{OF})", "{{service}}"), objective]
    burn = [query(f"max by (service) (service:probe_errors:ratio1h{OF}) / {ALLOWED}", "{{service}}")]
    return row(
        "Over time",
        graph("Availability, 1 hour", availability, unit="percentunit", limit=(None, 1)),
        graph(
            "Burn rate, 1 hour",
            burn,
            unit="none",
            colours=steps((None, GREEN), (1, ORANGE), (14.4, RED)),
            about="1 spends the budget exactly in the objective's window; 14.4 spends 2 % of 30 days' in an hour.",
        ),
    )
