"""Every series of a check: names, HELP, and how a run becomes their values. Pure.

Where a series says what blackbox_exporter's says it has that one's name and meaning, zeros included, so that the
dashboards and rules that people have go on working. docs/metrics.md is the list for users.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from checks.core.result import Fact, FailureKind, Result
from exporters.exposition import Family, family, head
from thresholds.base import Level
from thresholds.measured import timed

Reader = Callable[[Result], float | None]  # a run's value for one line; None: the line is not there

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # s
# By the label's value. blackbox_exporter has the first five, always; the others are those that only some checks have.
_PHASES = {"resolve": "dns", "connect": "connect", "tls": "tls", "processing": "ttfb", "transfer": "transfer"}
_MORE_PHASES = {"proxy": "proxy", "auth": "auth"}

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
    (*_PHASES, *_MORE_PHASES),
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

# What is known of a check, whatever its last run saw.
RUNS = family(
    "probe_check_runs_total",
    "counter",
    "Runs that counted, by the level of each alone; unknown are those that failed on our side.",
    "level",
    [level.name.lower() for level in Level],
)
FAILURES = family("probe_check_failures_total", "counter", "Failed runs by kind.", "kind", FailureKind)
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

_REGEX_FAILED = re.compile(r"(?:body|header [^ ]+) (?:does not match|matches) the regex ")
_HTTP_VERSIONS = {"1.0": 1.0, "1.1": 1.1, "2": 2, "2.0": 2, "3": 3, "3.0": 3}


def _fact(name: str, absent: float | None) -> Reader:
    """A numeric fact, or what stands for none."""

    def read(result: Result) -> float | None:
        value = result.facts.get(name)
        return absent if value is None or isinstance(value, str) else value + 0  # True is 1

    return read


def _phase(name: str, absent: float | None = 0.0) -> Reader:
    return lambda result: result.phases.get(name, absent)


def _ssl(result: Result) -> int:
    return int(str(result.facts.get("http.url", "")).startswith("https:"))


def _http_version(result: Result) -> float:
    return _HTTP_VERSIONS.get(str(result.facts.get("http.version", "")).rpartition("/")[2], 0)


def _regex(result: Result) -> int:
    failure = result.failure
    if failure is None or failure.kind is not FailureKind.EXPECTATION:
        return 0
    return int(_REGEX_FAILED.match(failure.message) is not None)


# How a run becomes the values of its lines: for each family, a function for each of its heads.
EVERY: tuple[tuple[Family, tuple[Reader, ...]], ...] = (
    (SUCCESS, (lambda result: int(result.failure is None),)),
    (DURATION, (lambda result: result.duration if timed(result) else None,)),
    (DNS, (_phase("dns"),)),
    (IP_PROTOCOL, (_fact("net.family", 0),)),
    (HTTP_MODIFIED, (_fact("http.last_modified", None),)),
    (CERT_EXPIRY, (_fact("tls.not_after", None),)),
    (CHAIN_EXPIRY, (_fact("tls.chain_not_after", None),)),
)
OF_HTTP: tuple[tuple[Family, tuple[Reader, ...]], ...] = (
    (HTTP_DURATION, (*map(_phase, _PHASES.values()), *(_phase(name, None) for name in _MORE_PHASES.values()))),
    (HTTP_STATUS, (_fact("http.status", 0),)),
    (HTTP_LENGTH, (_fact("http.content_length", -1),)),
    (HTTP_BODY, (_fact("http.bytes", 0),)),
    (HTTP_REDIRECTS, (_fact("http.redirects", 0),)),
    (HTTP_SSL, (_ssl,)),
    (HTTP_VERSION, (_http_version,)),
    (REGEX, (_regex,)),
)


def tls_version(facts: Mapping[str, Fact]) -> str:
    """The head of the line whose label is the TLS version of a run; "" without TLS."""
    version = facts.get("tls.version")
    return _tls_version(str(version)) if version else ""


def tls_cipher(facts: Mapping[str, Fact]) -> str:
    """The head of the line whose label is the cipher of a run; "" without TLS."""
    cipher = facts.get("tls.cipher")
    return _tls_cipher(str(cipher)) if cipher else ""


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


def certificate(facts: Mapping[str, Fact], before: str) -> str:
    """The head of the line whose labels are the certificate of a run; "" without one.

    `before` is what this said last: a certificate is written out once, and then seen a thousand times.
    """
    fingerprint = facts.get("tls.fingerprint")
    if not fingerprint:
        return ""
    if before.startswith(f'{fingerprint}"', _FINGERPRINT_AT):
        return before
    return head(CHAIN_INFO.name, {label: str(facts.get(fact, "")) for label, fact in _CHAIN_LABELS.items()})


ALL = (
    *(family for family, _ in (*EVERY, *OF_HTTP)),
    *(CHAIN_INFO, TLS_VERSION, TLS_CIPHER),
    *(RUNS, FAILURES, ATTEMPTS, LEVEL, UP, SINCE, LAST_RUN, INTERVAL, INFO, LATENCY),
)
