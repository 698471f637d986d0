"""What is exposed reads back, by parsers that are not ours, as what was seen."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from checks.core.base import CheckSpec, ExpectationError
from checks.core.expect import HttpExpect, judge_body
from checks.core.result import Failure, FailureKind, Result
from checks.http import METRICS
from exporters import families
from exporters.exposition import escaped, number, written
from exporters.prometheus import CheckSeries, check_labels, exposition, label_name, negotiate
from tests.conftest import FakeClock
from thresholds.base import Level, State, Verdict
from thresholds.measured import LAG

NOW = 1_700_000_000_000
HTTP_PHASES = "probe_http_duration_seconds"
READERS: dict[bool, Callable[[str], Iterable[Metric]]] = {False: read_text, True: read_openmetrics}


@dataclass(frozen=True)
class Target:
    """As much of a check as its series need."""

    target: str = "https://shop.example/"
    host: str = "shop.example"

    async def run(self, trace: object, net: object) -> None: ...


@dataclass(frozen=True)
class Configured:
    spec: CheckSpec
    type: str = "http"
    service: str = "shop"
    owner: str = "team-shop"
    runbook: str = "https://wiki.example/shop"
    labels: Mapping[str, str] = field(default_factory=dict)


def configured(name: str = "shop/home", *, target: str = "https://shop.example/", **more) -> dict[str, Configured]:
    return {name: Configured(CheckSpec(name, Target(target), every=10, timeout=5), **more)}


def good(name: str = "shop/home", at_ms: int = NOW, duration: float = 0.3, **facts: Any) -> Verdict:
    phases = {"dns": 0.01, "connect": 0.02, "tls": 0.03, "ttfb": 0.2, "transfer": 0.04}
    state = State(Level.UP, NOW, Level.UP, NOW)
    return Verdict(Result(name, at_ms, duration, phases, facts or dict(FACTS)), Level.UP, "", state)


def took(**phases: float) -> Verdict:
    verdict = good()
    return replace(verdict, result=replace(verdict.result, phases=phases))


def bad(kind: FailureKind = FailureKind.TIMEOUT, message: str = "no answer", **result) -> Verdict:
    level = Level.UNKNOWN if kind is FailureKind.LOCAL else Level.DOWN
    state = State(level, NOW + 5, Level.UP if level is Level.UNKNOWN else Level.DOWN, NOW)
    return Verdict(Result("shop/home", NOW, 5.0, failure=Failure(kind, "", message), **result), level, message, state)


FACTS: dict[str, Any] = {
    "net.address": "192.0.2.1",
    "net.family": 4,
    "http.status": 200,
    "http.version": "1.1",
    "http.bytes": 5120,
    "http.content_length": 1024,
    "http.redirects": 1,
    "http.url": "https://shop.example/",
    "http.last_modified": 1_699_000_000.0,
    "tls.version": "TLSv1.3",
    "tls.cipher": "TLS_AES_256_GCM_SHA384",
    "tls.not_after": 1_710_000_000.0,
    "tls.chain_not_after": 1_720_000_000.0,
    "tls.fingerprint": "ab" * 32,
    "tls.subject": "CN=shop.example",
    "tls.issuer": "CN=R11,O=Let's Encrypt,C=US",
    "tls.sans": "shop.example,www.shop.example",
    "tls.serial": "03ff",
}


def fed(*verdicts: Verdict, checks: Mapping[str, Configured] | None = None, now_ms: int = NOW) -> CheckSeries:
    series = CheckSeries(lambda: now_ms)
    series.set_checks(checks if checks is not None else configured())
    series.record(verdicts)
    return series


def text(series: CheckSeries, *, openmetrics: bool = False) -> str:
    return b"".join(exposition(series, CollectorRegistry(), openmetrics=openmetrics)).decode()


def metrics(series: CheckSeries, *, openmetrics: bool = False) -> dict[str, Metric]:
    return {metric.name: metric for metric in READERS[openmetrics](text(series, openmetrics=openmetrics))}


def values(series: CheckSeries, name: str, label: str = "") -> dict[str, float]:
    """A series' values by one of its labels; the check without one."""
    samples = (sample for metric in metrics(series).values() for sample in metric.samples if sample.name == name)
    return {sample.labels.get(label or "check", ""): sample.value for sample in samples}


def value(series: CheckSeries, name: str) -> float | None:
    return values(series, name).get("shop/home")


# blackbox_exporter's names with the values that it would give: prober/handler.go, http.go, prober.go.
BLACKBOX = {
    "probe_success": 1,
    "probe_duration_seconds": 0.3,
    "probe_dns_lookup_time_seconds": 0.01,
    "probe_ip_protocol": 4,
    "probe_http_status_code": 200,
    "probe_http_content_length": 1024,
    "probe_http_uncompressed_body_length": 5120,
    "probe_http_redirects": 1,
    "probe_http_ssl": 1,
    "probe_http_version": 1.1,
    "probe_http_last_modified_timestamp_seconds": 1_699_000_000,
    "probe_failed_due_to_regex": 0,
    "probe_ssl_earliest_cert_expiry": 1_710_000_000,
    "probe_ssl_last_chain_expiry_timestamp_seconds": 1_720_000_000,
}


@pytest.mark.parametrize(("name", "wanted"), BLACKBOX.items())
def test_a_run_says_what_blackbox_exporter_would(name, wanted):
    assert value(fed(good()), name) == wanted


def test_phases_have_the_names_that_blackbox_exporter_gives_them():
    wanted = {"resolve": 0.01, "connect": 0.02, "tls": 0.03, "processing": 0.2, "transfer": 0.04}
    assert values(fed(good()), HTTP_PHASES, "phase") == wanted


def test_phases_that_only_some_runs_have_are_there_where_they_were():
    seen = values(fed(took(**good().result.phases, proxy=0.05, auth=0.5)), HTTP_PHASES, "phase")
    assert (seen["proxy"], seen["auth"], seen["tls"]) == (0.05, 0.5, 0.03)
    assert not {"proxy", "auth"} & values(fed(good()), HTTP_PHASES, "phase").keys()


def test_every_phase_that_an_http_check_may_have_is_exported():
    phases = {name for name in METRICS if "." not in name}
    every = {phase: number / 8 for number, phase in enumerate(sorted(phases), 1)}
    assert sorted(values(fed(took(**every)), HTTP_PHASES, "phase").values()) == sorted(every.values())


def test_certificate_and_tls_are_labels():
    series = fed(good())
    (chain,) = metrics(series)["probe_ssl_last_chain_info"].samples
    assert {name: text for name, text in chain.labels.items() if name not in ("check", "service")} == {
        "fingerprint_sha256": "ab" * 32,
        "subject": "CN=shop.example",
        "issuer": "CN=R11,O=Let's Encrypt,C=US",
        "subjectalternative": "shop.example,www.shop.example",
        "serialnumber": "03ff",
    }
    assert values(series, "probe_tls_version_info", "version") == {"TLS 1.3": 1}
    assert values(series, "probe_tls_cipher_info", "cipher") == {"TLS_AES_256_GCM_SHA384": 1}


def test_a_renewed_certificate_replaces_the_one_before():
    renewed = {**FACTS, "tls.fingerprint": "cd" * 32, "tls.serial": "0400"}
    series = fed(good(), good(), good(**renewed))
    assert values(series, "probe_ssl_last_chain_info", "serialnumber") == {"0400": 1}


def test_without_an_answer_an_http_check_has_blackbox_exporters_zeros():
    series = fed(good(), bad(FailureKind.CONNECT, "refused", phases={"dns": 0.01}))
    assert value(series, "probe_success") == 0
    assert value(series, "probe_http_status_code") == 0
    assert value(series, "probe_http_content_length") == -1
    assert value(series, "probe_http_version") == 0
    assert values(series, HTTP_PHASES, "phase")["tls"] == 0
    assert values(series, HTTP_PHASES, "phase")["resolve"] == 0.01
    assert value(series, "probe_ssl_earliest_cert_expiry") is None  # of another run: it must not outlive it


def test_a_tcp_check_has_no_http_series():
    facts: dict[str, Any] = {"net.family": 6}
    series = fed(good(**facts), checks=configured(type="tcp"))
    assert value(series, "probe_ip_protocol") == 6
    assert not [name for name in metrics(series) if name.startswith("probe_http_")]


@pytest.mark.parametrize(
    ("rule", "failed"),
    [({"regex": "^ready$"}, 1), ({"not_regex": "err"}, 1), ({"contains": "does not match the regex 'x'"}, 0)],
)
def test_failed_due_to_regex_follows_the_words_of_the_expectation(rule, failed):
    with pytest.raises(ExpectationError) as caught:
        judge_body(HttpExpect.model_validate({"body": rule}), b"error", "text/plain", 1.0)
    series = fed(bad(FailureKind.EXPECTATION, str(caught.value)))
    assert value(series, "probe_failed_due_to_regex") == failed


def test_a_failure_on_our_side_says_nothing_of_the_target():
    series = fed(good(), bad(FailureKind.LOCAL))
    assert value(series, "probe_success") is None
    assert not values(series, "probe_tls_version_info")
    assert value(series, "probe_check_level") == 0
    assert value(series, "probe_check_up") == 1  # what was confirmed before still stands
    assert values(series, "probe_check_runs_total", "level") == {"unknown": 1, "up": 1, "degraded": 0, "down": 0}
    assert values(series, "probe_check_failures_total", "kind")["local"] == 1


def test_counters_are_there_before_they_count():
    series = fed()
    assert values(series, "probe_check_failures_total", "kind") == dict.fromkeys(FailureKind, 0)
    assert values(series, "probe_check_runs_total", "level") == {level.name.lower(): 0 for level in Level}
    assert value(series, "probe_check_attempts_total") == 0
    assert value(series, "probe_success") is None
    assert value(series, "probe_check_up") is None


def test_an_attempt_that_is_repeated_is_no_run():
    series = fed(good(), bad(provisional=True))
    assert value(series, "probe_check_attempts_total") == 2
    assert sum(values(series, "probe_check_runs_total", "level").values()) == 1
    assert sum(values(series, "probe_check_failures_total", "kind").values()) == 0
    assert value(series, "probe_success") == 1
    assert value(series, "probe_check_last_run_timestamp_seconds") == NOW / 1000


def test_the_stored_state_shows_before_the_first_run():
    series = CheckSeries(lambda: NOW)
    series.set_checks(configured(), {"shop/home": State(Level.DOWN, NOW - 60_000, Level.DOWN, NOW - 60_000)})
    assert value(series, "probe_check_level") == 3
    assert value(series, "probe_check_up") == 0
    assert value(series, "probe_check_level_since_timestamp_seconds") == NOW / 1000 - 60


def test_the_histogram_counts_runs_without_a_failure():
    durations = (0.05, 0.051, 0.3, 29.0, 45.0)  # a bucket holds its own limit
    series = fed(*(good(duration=duration) for duration in durations), bad())
    buckets = values(series, "probe_check_run_duration_seconds_bucket", "le")
    assert buckets == {
        limit: sum(duration <= float(limit) for duration in durations)
        for limit in map(str, (*families.BUCKETS, "+Inf"))
    }
    assert value(series, "probe_check_run_duration_seconds_count") == 5
    assert value(series, "probe_check_run_duration_seconds_sum") == pytest.approx(sum(durations))


@pytest.mark.parametrize(("lag", "counted"), [(0.02, 2), (0.05, 1), (0.5, 1)])
def test_a_latency_that_our_own_lag_could_explain_enters_no_percentile(lag, counted):
    facts: dict[str, Any] = {**FACTS, LAG: lag}
    series = fed(good(duration=0.3), good(duration=0.3, **facts))
    assert value(series, "probe_check_run_duration_seconds_count") == counted
    assert values(series, "probe_check_runs_total", "level")["up"] == 2


def test_what_the_last_run_saw_ends_when_runs_stop():
    clock = FakeClock(NOW)
    series = CheckSeries(clock.now_ms)
    series.set_checks(configured())
    series.record([good()])
    limit = 3 * 10 + 5 + 2  # three intervals, and as long as a run may take
    clock.step_wall(limit * 1000 - 1)
    assert value(series, "probe_success") == 1
    clock.step_wall(1)
    assert value(series, "probe_success") is None
    assert value(series, "probe_check_level") == 1


def test_the_series_of_a_removed_check_vanish():
    series = fed(good(), checks={**configured(), **configured("shop/api")})
    series.set_checks(configured("shop/api"))
    assert "shop/home" not in text(series)
    series.record([good()])  # a run that was under way
    assert "shop/home" not in text(series)


def test_counters_of_a_check_that_stays_survive_a_reload():
    series = fed(good(), good())
    series.set_checks(configured(labels={"tier": "1"}))
    assert value(series, "probe_check_attempts_total") == 2
    assert all('tier="1"' in line for line in text(series).splitlines() if line.startswith("probe_"))


def test_a_check_of_another_type_begins_anew():
    series = fed(good())
    series.set_checks(configured(type="tcp"))
    assert value(series, "probe_http_status_code") is None
    assert value(series, "probe_check_attempts_total") == 0


def test_secrets_are_masked_in_labels():
    series = CheckSeries(lambda: NOW)
    series.set_checks(
        configured(target="https://shop.example/?key=s3cret"), redact=lambda text: text.replace("s3cret", "…")
    )
    assert "s3cret" not in text(series)


@pytest.mark.parametrize(
    ("name", "exposed"),
    [
        ("tier", "tier"),
        ("data-centre", "data_centre"),
        ("2nd", "_2nd"),
        ("check", "exported_check"),
        ("instance", "exported_instance"),
        ("le", "exported_le"),
        ("__name__", "exported___name__"),
        ("", "_"),
        ("größe", "gr__e"),
    ],
)
def test_a_label_that_is_taken_or_impossible_gets_another_name(name, exposed):
    assert label_name(name) == exposed


def test_labels_that_become_the_same_name_stay_apart():
    (described,) = configured(labels={"a-b": "1", "a.b": "2", "a_b": "3"}).values()
    labels = check_labels("shop/home", described)
    assert {name: text for name, text in labels.items() if name[0] == "a"} == {"a_b": "1", "a_b_": "2", "a_b__": "3"}


def test_reserved_names_are_all_those_that_our_lines_use():
    own = set(re.findall(r'(\w+)="', text(fed(good(), bad()))))
    from exporters.prometheus import RESERVED

    assert own <= RESERVED


@pytest.mark.parametrize("openmetrics", [False, True])
def test_lines_of_a_family_stand_together_under_one_header(openmetrics):
    checks = {f"c{n}": one for n in range(600) for one in configured(f"c{n}").values()}
    series = fed(*(good(name) for name in checks), checks=checks)
    order: list[str] = []
    for line in text(series, openmetrics=openmetrics).splitlines():
        name = line.split()[2] if line.startswith("# TYPE") else ""
        if name:
            assert name not in order
            order.append(name)
        elif not line.startswith("#"):
            assert line.startswith(order[-1])
    assert len(order) == len(families.ALL)


def test_chunks_stay_small():
    checks = {f"c{n}": one for n in range(3000) for one in configured(f"c{n}").values()}
    series = fed(*(good(name) for name in checks), checks=checks)
    chunks = [len(chunk) for chunk in series.render(openmetrics=False)]
    assert max(chunks) < 256 << 10
    assert sum(chunks) / len(chunks) > 32 << 10  # and are not many: each is a write and a turn of the loop


def test_a_reload_while_a_scrape_is_sent_leaves_it_whole():
    checks = {f"c{n}": one for n in range(100) for one in configured(f"c{n}").values()}
    series = fed(*(good(name) for name in checks), checks=checks)
    chunks = exposition(series, CollectorRegistry(), openmetrics=True)
    begun = [next(chunks) for _ in range(3)]
    series.set_checks(configured("c1"))
    whole = b"".join([*begun, *chunks]).decode()
    (runs,) = (metric for metric in READERS[True](whole) if metric.name == "probe_check_attempts")
    assert len(runs.samples) == 100


def test_a_scrape_shows_one_run_of_a_check_whatever_comes_in_meanwhile():
    series = fed(good(duration=0.25))
    chunks = exposition(series, CollectorRegistry(), openmetrics=True)
    begun = [next(chunk for chunk in chunks if chunk)]
    series.record([bad(FailureKind.CONNECT, "refused")])
    whole = b"".join([*begun, *chunks]).decode()
    read = {metric.name: metric.samples[0].value for metric in READERS[True](whole)}
    assert (read["probe_success"], read["probe_duration_seconds"], read["probe_http_status_code"]) == (1, 0.25, 200)
    assert read["probe_check_attempts"] == 1
    assert value(series, "probe_success") == 0


def test_a_first_scrape_gives_others_a_turn_while_labels_are_written():
    checks = {f"c{n}": one for n in range(1000) for one in configured(f"c{n}").values()}
    series = fed(checks=checks)
    turns = sum(not chunk for chunk in series.render(openmetrics=False))
    assert turns >= 1000 / 25
    assert sum(not chunk for chunk in series.render(openmetrics=False)) < turns  # they are kept


def test_values_stand_beside_their_own_check_where_others_have_none():
    checks = {**configured("a"), **configured("b", type="tcp"), **configured("c"), **configured("d")}
    series = fed(good("a", duration=1, **HTTP_FACTS), good("b", **TCP_FACTS), good("c", duration=3), checks=checks)
    assert values(series, "probe_ssl_earliest_cert_expiry") == {"c": 1_710_000_000}
    assert values(series, "probe_http_status_code") == {"a": 200, "c": 200}
    assert values(series, "probe_duration_seconds") == {"a": 1, "b": 0.3, "c": 3}
    assert values(series, "probe_check_up") == {"a": 1, "b": 1, "c": 1}
    assert values(series, "probe_tls_cipher_info") == {"c": 1}
    assert values(series, "probe_check_run_duration_seconds_sum") == {"a": 1, "b": 0.3, "c": 3, "d": 0}


def test_labels_that_change_with_a_reload_show_in_the_next_scrape():
    series = fed(good())
    assert 'tier="1"' not in text(series)
    series.set_checks(configured(labels={"tier": "1"}, owner="team-cart"))
    assert values(series, "probe_success", "tier") == {"1": 1}
    assert values(series, "probe_check_info", "owner") == {"team-cart": 1}


def test_openmetrics_names_types_and_units():
    series = fed(good())
    read = metrics(series, openmetrics=True)
    assert read["probe_check_runs"].type == "counter"
    assert {sample.name for sample in read["probe_check_runs"].samples} == {"probe_check_runs_total"}
    assert read["probe_tls_version"].type == "info"
    assert read["probe_check_run_duration_seconds"].type == "histogram"
    assert read["probe_check_run_duration_seconds"].unit == "seconds"
    assert text(series, openmetrics=True).count("# EOF") == 1
    assert text(series, openmetrics=True).endswith("# EOF\n")
    assert "# EOF" not in text(series)


def test_the_process_follows_the_checks():
    registry = CollectorRegistry()
    Gauge("probe_runs_in_flight", "Runs.", registry=registry).set(7)
    for openmetrics, read in READERS.items():
        whole = b"".join(exposition(fed(good()), registry, openmetrics=openmetrics)).decode()
        seen = {metric.name: metric for metric in read(whole)}
        assert seen["probe_runs_in_flight"].samples[0].value == 7
        assert seen["probe_success"].samples[0].value == 1


# Everything that a text can hold but what cannot be told as UTF-8, and NUL, at which Prometheus would stop reading.
TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
NUMBERS = st.one_of(st.floats(), st.integers(-(2**53), 2**53))


@example(name='50% "off" %s', label="a\\\nb", subject="\\n", duration=0.1, expiry=math.nan)
@given(name=TEXTS.filter(bool), label=TEXTS, subject=TEXTS, duration=st.floats(0, 1e6), expiry=NUMBERS)
def test_whatever_is_in_labels_and_values_reads_back(name, label, subject, duration, expiry):
    facts = {**FACTS, "tls.subject": subject, "tls.not_after": expiry, "http.bytes": 3}
    series = fed(good(name, duration=duration, **facts), checks=configured(name, labels={"label": label}))
    for openmetrics in (False, True):
        read = {name: metric.samples for name, metric in metrics(series, openmetrics=openmetrics).items()}
        (seen,) = read["probe_duration_seconds"]
        assert seen.value == duration
        assert seen.labels == {"check": name, "service": "shop"} | ({"label": label} if label else {})
        assert (
            read["probe_ssl_last_chain" if openmetrics else "probe_ssl_last_chain_info"][0].labels.get("subject", "")
            == subject
        )
        told = read["probe_ssl_earliest_cert_expiry"][0].value
        assert told == expiry or (math.isnan(told) and math.isnan(expiry))


@given(text=st.text(st.characters(whitelist_categories=["Cs", "Cc", "Lu"]), max_size=20))
def test_no_label_can_break_the_scrape(text):
    seen = escaped(text)
    assert not set("\0\n") & set(seen)
    seen.encode()


def test_a_label_of_any_length_is_bounded():
    assert len(escaped("x" * 100_000)) == 1024


def test_many_numbers_are_written_as_each_of_them_would_be():
    numbers = [0, 1, -3, 2**53, 0.0, -0.0, 0.1, 1e-7, 1e22, 1.7e9, 1 / 3, 5e-324, math.pi]
    assert [float(word) for word in written(numbers).split(",")] == numbers
    assert written([1, math.nan, math.inf, -math.inf, 0.5]) == "1,NaN,+Inf,-Inf,0.5"


@pytest.mark.parametrize(
    ("value", "written"),
    [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (True, "1"), (0.1, "0.1"), (1e-7, "1e-07"), (3, "3")],
)
def test_numbers_are_written_as_the_formats_say(value, written):
    assert f"{number(value)}" == written


PROMETHEUS_2 = (  # scrape/scrape.go of Prometheus 2.42
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (  # scrape/scrape.go of Prometheus 3.0
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (PROMETHEUS_2, "openmetrics-text; version=1.0.0"),
        (PROMETHEUS_3, "openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=0.0.1", "openmetrics-text; version=0.0.1"),
        ("application/openmetrics-text", "openmetrics-text; version=1.0.0"),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", "openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=2.0.0, text/plain", "plain; version=0.0.4"),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.9", "plain; version=0.0.4"),
        ("application/openmetrics-text;q=0", "plain; version=0.0.4"),
        ("application/openmetrics-text;q=high", "plain; version=0.0.4"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "plain; version=0.0.4"),
        ("*/*", "plain; version=0.0.4"),
        ("", "plain; version=0.0.4"),
        (None, "plain; version=0.0.4"),
        (";;,=;q=,", "plain; version=0.0.4"),
    ],
)
def test_the_format_is_the_one_asked_for(accept, version):
    content_type, openmetrics = negotiate(accept)
    assert f"/{version};" in content_type
    assert openmetrics is ("openmetrics" in content_type)


def test_every_series_has_help_and_a_name_of_its_own():
    names = [family.name for family in families.ALL]
    assert len(set(names)) == len(names)
    for family in families.ALL:
        assert family.help.endswith(".")
        assert family.name.endswith("_total") is (family.type == "counter")
        assert family.name.endswith("_info") is (family.type == "info")


HTTP_FACTS = {name: fact for name, fact in FACTS.items() if not name.startswith("tls.")}
TCP_FACTS = {"net.family": 4}


@pytest.mark.parametrize(
    ("type_", "facts", "lines"), [("http", FACTS, 52), ("http", HTTP_FACTS, 47), ("tcp", TCP_FACTS, 34)]
)
def test_a_check_costs_as_many_series_as_the_documentation_says(type_, facts, lines):
    exposed = text(fed(good(**facts), checks=configured(type=type_)))
    assert sum(not line.startswith("#") for line in exposed.splitlines()) == lines
    assert re.search(rf"\b{lines}\b", (Path(__file__).parents[2] / "docs/metrics.md").read_text())


async def test_it_is_a_sink():
    series = fed()
    await series.write([good(), good()])
    assert value(series, "probe_check_attempts_total") == 2


def test_labels_of_the_same_check_do_not_repeat():
    by_series: dict[str, int] = defaultdict(int)
    for line in text(fed(good(), bad())).splitlines():
        if not line.startswith("#"):
            by_series[line.rpartition(" ")[0]] += 1
    assert set(by_series.values()) == {1}
