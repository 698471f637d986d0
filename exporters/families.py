"""Every series of a check: names, HELP, and how a run becomes their values. Pure.

Where a series says what blackbox_exporter's says it has that one's name and meaning, zeros included, so that the
dashboards and rules that people have go on working. docs/metrics.md is the list for users.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from checks.core.result import Fact, FailureKind, Result
from exporters.exposition import Number, family, head, number
from thresholds.base import Level

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # s
_PHASES = {"resolve": "dns", "connect": "connect", "tls": "tls", "processing": "ttfb", "transfer": "transfer"}

# What the last run saw.
SUCCESS = family("probe_success", "gauge", "Whether the last run got the answer that it wanted: 1 or 0.")
DURATION = family("probe_duration_seconds", "gauge", "How long the last run took.")
DNS = family("probe_dns_lookup_time_seconds", "gauge", "How long the last run took to resolve the host's name.")
IP_PROTOCOL = family("probe_ip_protocol", "gauge", "IP version that the last run used: 4 or 6; 0 without an address.")
HTTP_DURATION = family(
    "probe_http_duration_seconds",
    "gauge",
    "Time spent in each phase of the last run, summed over its redirects; 0 for a phase that did not end.",
    "phase",
    _PHASES,
)
HTTP_STATUS = family("probe_http_status_code", "gauge", "HTTP status of the last answer; 0 without one.")
HTTP_LENGTH = family("probe_http_content_length", "gauge", "Content-Length of the last answer; -1 without one.")
HTTP_BODY = family("probe_http_uncompressed_body_length", "gauge", "Bytes of the last answer's body, decompressed.")
HTTP_REDIRECTS = family("probe_http_redirects", "gauge", "Redirects that the last run followed.")
HTTP_SSL = family("probe_http_ssl", "gauge", "Whether the last answer came over TLS: 1 or 0.")
HTTP_VERSION = family("probe_http_version", "gauge", "HTTP version of the last answer: 1.1, 2 or 3; 0 without one.")
HTTP_MODIFIED = family(
    "probe_http_last_modified_timestamp_seconds", "gauge", "Last-Modified of the last answer, in Unix time."
)
CERT_EXPIRY = family(
    "probe_ssl_earliest_cert_expiry",
    "gauge",
    "When the first certificate of those that the target sent expires, in Unix time.",
)
CHAIN_EXPIRY = family(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "gauge",
    "When the verified chain that lasts longest expires, in Unix time.",
)
CHAIN_INFO = family("probe_ssl_last_chain_info", "info", "The certificate of the target itself.")
TLS_VERSION = family("probe_tls_version_info", "info", "TLS version that the last run agreed on.")
TLS_CIPHER = family("probe_tls_cipher_info", "info", "Cipher that the last run agreed on.")
REGEX = family("probe_failed_due_to_regex", "gauge", "Whether the last run failed a regular expression: 1 or 0.")

LAST = (
    SUCCESS, DURATION, DNS, IP_PROTOCOL, HTTP_DURATION, HTTP_STATUS, HTTP_LENGTH, HTTP_BODY, HTTP_REDIRECTS, HTTP_SSL,
    HTTP_VERSION, HTTP_MODIFIED, REGEX, CERT_EXPIRY, CHAIN_EXPIRY,
)  # fmt: skip
LAST_INFO = (CHAIN_INFO, TLS_VERSION, TLS_CIPHER)

# What is known of a check, whatever its last run saw.
RUNS = family(
    "probe_check_runs_total",
    "counter",
    "Runs that counted, by the level of each alone; unknown are those that failed on our side.",
    "level",
    [level.name.lower() for level in Level],
)
FAILURES = family("probe_check_failures_total", "counter", "Failed runs by kind.", "kind", FailureKind)
FAILURE_LINES = dict(zip(FailureKind, FAILURES.heads, strict=True))
ATTEMPTS = family(
    "probe_check_attempts_total", "counter", "Runs and the attempts whose failure was repeated before it counted."
)
LEVEL = family("probe_check_level", "gauge", "How the check stands: 0 unknown, 1 up, 2 degraded, 3 down.")
UP = family("probe_check_up", "gauge", "0 while the check is confirmed down, 1 while it is confirmed not to be.")
SINCE = family("probe_check_level_since_timestamp_seconds", "gauge", "Since when the check stands so, in Unix time.")
LAST_RUN = family("probe_check_last_run_timestamp_seconds", "gauge", "When the last run began, in Unix time.")
INTERVAL = family("probe_check_interval_seconds", "gauge", "How often the check is to run.")
INFO = family("probe_check_info", "info", "What is checked, how, and who owns it.")
LATENCY = family("probe_check_run_duration_seconds", "histogram", "How long runs without a failure took.")

KEPT = (RUNS, FAILURES, ATTEMPTS, LEVEL, UP, SINCE, LAST_RUN, INTERVAL)
ALL = (*LAST, *LAST_INFO, *KEPT, INFO, LATENCY)

Values = dict[str, Number]  # by the head of the line


_HTTP_PHASES = tuple(zip(HTTP_DURATION.heads, _PHASES.values(), strict=True))
_HTTP_FACTS: tuple[tuple[str, str, float], ...] = (
    (HTTP_STATUS.heads[0], "http.status", 0),
    (HTTP_LENGTH.heads[0], "http.content_length", -1),
    (HTTP_BODY.heads[0], "http.bytes", 0),
    (HTTP_REDIRECTS.heads[0], "http.redirects", 0),
)
_INSTANTS = (  # there or not, as the facts are
    (HTTP_MODIFIED.heads[0], "http.last_modified"),
    (CERT_EXPIRY.heads[0], "tls.not_after"),
    (CHAIN_EXPIRY.heads[0], "tls.chain_not_after"),
)

_REGEX_FAILED = re.compile(r"(?:body|header [^ ]+) (?:does not match|matches) the regex ")


def seen(type_: str, result: Result) -> Values:
    """What a finished run says of its target, by line; nothing when our own side failed: it saw nothing."""
    failure = result.failure
    if failure is not None and failure.kind is FailureKind.LOCAL:
        return {}
    facts = result.facts
    family_ = facts.get("net.family", 0)
    values: Values = {
        SUCCESS.heads[0]: int(failure is None),
        DURATION.heads[0]: number(result.duration),
        DNS.heads[0]: number(result.phases.get("dns", 0.0)),
        IP_PROTOCOL.heads[0]: 0 if isinstance(family_, str) else number(family_),
    }
    if type_ == "http":
        _add_http(values, result)
    for line, fact in _INSTANTS:
        instant = facts.get(fact)
        if instant is not None and not isinstance(instant, str):
            values[line] = number(instant)
    return values


def _add_http(values: Values, result: Result) -> None:
    phases, facts = result.phases, result.facts
    for line, phase in _HTTP_PHASES:
        values[line] = number(phases.get(phase, 0.0))
    for line, fact, absent in _HTTP_FACTS:
        value = facts.get(fact, absent)
        values[line] = absent if isinstance(value, str) else number(value)
    values[HTTP_SSL.heads[0]] = int(str(facts.get("http.url", "")).startswith("https:"))
    values[HTTP_VERSION.heads[0]] = _http_version(facts.get("http.version"))
    failure = result.failure
    values[REGEX.heads[0]] = int(
        failure is not None
        and failure.kind is FailureKind.EXPECTATION
        and _REGEX_FAILED.match(failure.message) is not None
    )


def _http_version(version: Fact | None) -> Number:
    text = str(version or "").rpartition("/")[2]
    return text if text in {"1.0", "1.1", "2", "2.0", "3", "3.0"} else 0


def seen_info(facts: Mapping[str, Fact], before: Mapping[str, str]) -> dict[str, str]:
    """The lines, by name, whose labels a run saw; each without the check's own labels and value.

    `before` is what the run before said: a certificate is written out once, and then seen a thousand times.
    """
    lines = {}
    if version := facts.get("tls.version"):
        lines[TLS_VERSION.name] = _tls_version(str(version))
    if cipher := facts.get("tls.cipher"):
        lines[TLS_CIPHER.name] = _tls_cipher(str(cipher))
    if fingerprint := facts.get("tls.fingerprint"):
        known = before.get(CHAIN_INFO.name, "")
        same = known.startswith(f'{fingerprint}"', _FINGERPRINT_AT)
        lines[CHAIN_INFO.name] = known if same else _chain(facts)
    return lines


@lru_cache
def _tls_version(version: str) -> str:
    number_ = version.removeprefix("TLSv")
    return head(TLS_VERSION.name, {"version": f"TLS {number_}.0" if number_ == "1" else f"TLS {number_}"})


@lru_cache
def _tls_cipher(cipher: str) -> str:
    return head(TLS_CIPHER.name, {"cipher": cipher})


_CHAIN_LABELS = {
    "fingerprint_sha256": "tls.fingerprint",
    "subject": "tls.subject",
    "issuer": "tls.issuer",
    "subjectalternative": "tls.sans",
    "serialnumber": "tls.serial",
}
_FINGERPRINT_AT = len(f'{CHAIN_INFO.name}{{fingerprint_sha256="')


def _chain(facts: Mapping[str, Fact]) -> str:
    return head(CHAIN_INFO.name, {label: str(facts.get(fact, "")) for label, fact in _CHAIN_LABELS.items()})
