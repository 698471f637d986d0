"""One check in depth: how it stood, how fast it answered and where the time went, its certificate, its failures."""

from __future__ import annotations

from typing import Any

from boards.frame import SERVICE, dashboard, row, variable
from boards.parts import (
    GREEN,
    GREY,
    LEVEL_MAPPING,
    ORANGE,
    RED,
    Json,
    counted,
    graph,
    heatmap,
    panel,
    quantiles,
    query,
    stat,
    steps,
    table,
)

OF = '{check="$check"}'
RUN = "probe_check_run_duration_seconds"
HIDDEN: Json = {"custom.hidden": True}  # an info series says everything by its labels
CHECK = variable("check", "Check", 'label_values(probe_check_info{service=~"$service"}, check)', several=False)
RATIO = steps((None, RED), (0.99, ORANGE), (0.999, GREEN))


def board() -> Json:
    about = "One check: its state, latency by percentile and phase, certificate, answers and failures."
    rows = (_now(), _latency(), _certificate(), _failures())
    return dashboard("probe-check", "Probe / Check", about, rows, (SERVICE, CHECK))


def _runs(levels: str) -> str:
    return f'sum(increase(probe_check_runs_total{{check="$check", {levels}}}[$__range]))'


def _now() -> list[Json]:
    good, judged = _runs('level=~"up|degraded"'), _runs('level!="unknown"')
    availability = f"{good} / {judged}"
    level = {"mappings": LEVEL_MAPPING}
    timeline = panel(
        "state-timeline",
        "Level",
        [query(f"max(probe_check_level{OF})", "level")],
        size=(24, 5),
        about="DOWN and DEGRADED as confirmed, not as single runs were.",
        defaults={"mappings": LEVEL_MAPPING, "custom": {"fillOpacity": 80, "lineWidth": 0}},
        options={"mergeValues": True, "showValue": "auto", "rowHeight": 0.8, "legend": {"showLegend": False}},
    )
    colours = steps((None, GREY), (1, GREEN), (2, ORANGE), (3, RED))
    expiry = steps((None, RED), (3 * 86400, ORANGE), (21 * 86400, GREEN))
    return row(
        "Now",
        stat("Level", f"max(probe_check_level{OF})", unit="none", colours=colours, defaults=level),
        _age("For", "probe_check_level_since_timestamp_seconds"),
        stat("Availability, chosen range", availability, unit="percentunit", colours=RATIO, defaults={"decimals": 3}),
        stat("Last run took", f"max(probe_duration_seconds{OF})", unit="s"),
        _age("Last run ago", "probe_check_last_run_timestamp_seconds"),
        stat(
            "Certificate expires in",
            f"min(probe_ssl_earliest_cert_expiry{OF}) - time()",
            unit="dtdurations",
            colours=expiry,
            defaults={"decimals": 0},
        ),
        timeline,
    )


def _age(title: str, metric: str) -> Json:
    return stat(title, f"time() - max({metric}{OF})", unit="dtdurations", defaults={"decimals": 0})


def _latency() -> list[Json]:
    rate = f"rate({RUN}_%s{OF}[$__rate_interval])"
    mean = query(f"sum({rate % 'sum'}) / sum({rate % 'count'})", "mean")
    runs = [query(f"max(probe_duration_seconds{OF})", "last run")]
    return row(
        "Latency",
        graph("Percentiles", [*quantiles(RUN, OF), mean], about="Of runs without a failure."),
        graph("Phases", _phases(), stacked=True, about="Of the last run at each scrape; redirects summed."),
        graph("Runs", runs, about="The last run at each scrape, failed ones too."),
        heatmap("Durations", RUN, OF, about="Of runs without a failure."),
    )


def _phases() -> list[Json]:
    """In the order in which they happen, stacked from the bottom up."""
    names = {
        "resolve": "resolve",
        "connect": "connect",
        "tls": "TLS",
        "processing": "first byte",
        "transfer": "transfer",
    }
    return [
        query(f'max(probe_http_duration_seconds{{check="$check", phase="{phase}"}})', f"{number} {name}")
        for number, (phase, name) in enumerate(names.items(), start=1)
    ]


def _certificate() -> list[Json]:
    left = [
        query(f"(min(probe_ssl_earliest_cert_expiry{OF}) - time()) / 86400", "first of the chain to expire"),
        query(f"(min(probe_ssl_last_chain_expiry_timestamp_seconds{OF}) - time()) / 86400", "verified chain"),
    ]
    labels = "subject, issuer, subjectalternative, serialnumber, fingerprint_sha256"
    chain = ("Value", f"max by ({labels}) (probe_ssl_last_chain_info{OF})", HIDDEN)
    version = f"max by (version) (probe_tls_version_info{OF})"
    cipher = f"max by (cipher) (probe_tls_cipher_info{OF})"
    return row(
        "Connection and certificate",
        stat("TLS version", version, width=6, text="name", legend="{{version}}"),
        stat("Cipher", cipher, width=6, text="name", legend="{{cipher}}"),
        stat("HTTP version", f"max(probe_http_version{OF})", width=6, unit="none"),
        stat("IP version", f"max(probe_ip_protocol{OF})", width=6, unit="none"),
        graph("Days until expiry", left, unit="d", colours=steps((None, RED), (3, ORANGE), (21, GREEN))),
        table("Certificate", [chain], width=12, height=8),
    )


def _failures() -> list[Json]:
    kinds = [query(counted("probe_check_failures_total", OF, by="kind") + " > 0", "{{kind}}")]
    levels = [query(counted("probe_check_runs_total", OF, by="level") + " > 0", "{{level}}")]
    repeated = f"{counted('probe_check_attempts_total', OF)} - {counted('probe_check_runs_total', OF)}"
    sizes = [
        query(f"max(probe_http_uncompressed_body_length{OF})", "body"),
        query(f"max(probe_http_content_length{OF}) >= 0", "Content-Length"),
    ]
    status = [query(f"max(probe_http_status_code{OF})", "status")]
    redirects = [query(f"max(probe_http_redirects{OF})", "redirects")]
    about = f"max by (check, service, type, target, owner, runbook) (probe_check_info{OF})"
    bars: dict[str, Any] = {"unit": "none", "width": 8, "bars": True}
    again = "A failure is repeated before it counts."
    return row(
        "Answers and failures",
        graph("Status", status, unit="none", width=8, about="0 without an answer."),
        graph("Failed runs by kind", kinds, stacked=True, **bars),
        graph("Runs by level", levels, stacked=True, **bars),
        graph("Repeated attempts", [query(repeated, "attempts")], about=again, **bars),
        graph("Redirects", redirects, unit="none", width=8),
        graph("Size of the answer", sizes, unit="bytes", width=8),
        table("What is checked", [("Value", about, HIDDEN)], height=4),
    )
