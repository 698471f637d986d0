"""From exceptions to failures."""

import errno
import ssl

import pytest

from checks.core.base import ExpectationError, ProtocolError
from checks.core.certificate import blame
from checks.core.classify import classify
from checks.core.peer import PeerError
from checks.core.resolve import ResolveError
from checks.core.result import FailureKind, Trace

DNS, CONNECT, TLS, TIMEOUT = FailureKind.DNS, FailureKind.CONNECT, FailureKind.TLS, FailureKind.TIMEOUT
PROTOCOL, EXPECTATION, LOCAL = FailureKind.PROTOCOL, FailureKind.EXPECTATION, FailureKind.LOCAL
PEER = "192.0.2.1:80"


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "phase", "kind", "message"),
    [
        (ExpectationError("status 503, wanted 2xx"), "", EXPECTATION, "status 503, wanted 2xx"),
        (ProtocolError("no HTTP answer"), "transfer", PROTOCOL, "no HTTP answer"),
        (TimeoutError(), "dns", TIMEOUT, "timed out after 10 s waiting for the name server"),
        (TimeoutError(), "connect", TIMEOUT, "timed out after 10 s connecting to 192.0.2.1"),
        (TimeoutError(), "tls", TIMEOUT, "timed out after 10 s in the TLS handshake with 192.0.2.1"),
        (TimeoutError(), "ttfb", TIMEOUT, "timed out after 10 s waiting for the first byte"),
        (TimeoutError(), "transfer", TIMEOUT, "timed out after 10 s receiving the answer"),
        (TimeoutError(), "send", TIMEOUT, "timed out after 10 s in phase send"),
        (TimeoutError(), "", LOCAL, "out of time after 10 s, and not waiting for the target"),
        (PeerError(errno.ECONNREFUSED, PEER), "connect", CONNECT, "connection refused by 192.0.2.1:80"),
        (PeerError(errno.EHOSTUNREACH, PEER), "connect", CONNECT, "no route to the host 192.0.2.1:80"),
        (PeerError(errno.ETIMEDOUT, PEER), "connect", TIMEOUT, "192.0.2.1:80 does not answer"),
        (PeerError(errno.ENETUNREACH, PEER), "connect", LOCAL, "no route from here to 192.0.2.1:80"),
        (PeerError(errno.EADDRNOTAVAIL, PEER), "connect", LOCAL, "no local address or port left to reach 192.0.2.1:80"),
        (PeerError(errno.EMFILE, PEER), "connect", LOCAL, "no file descriptor left (open files of this process)"),
        (PeerError(errno.ENFILE, PEER), "connect", LOCAL, "no file descriptor left (open files of this machine)"),
        (PeerError(errno.ENOBUFS, PEER), "connect", LOCAL, "No buffer space available (192.0.2.1:80)"),
        (PeerError(errno.EACCES, PEER), "connect", LOCAL, "connecting to 192.0.2.1:80 is not permitted here"),
        (PeerError(errno.ECONNRESET, PEER), "tls", TLS, "connection reset by 192.0.2.1:80 in the TLS handshake"),
        (PeerError(errno.ECONNRESET, PEER), "ttfb", CONNECT, "connection reset by 192.0.2.1:80 before it answered"),
        (
            PeerError(errno.ECONNRESET, PEER),
            "transfer",
            PROTOCOL,
            "connection reset by 192.0.2.1:80 in the middle of its answer",
        ),
        (EOFError(), "ttfb", CONNECT, "connection closed by 192.0.2.1 before it answered"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connect", CONNECT, "connection refused"),
        (OSError(errno.EMFILE, "Too many open files"), "dns", LOCAL, "Too many open files (OSError)"),
        (ResolveError("shop.example", 4), "dns", DNS, "no such host shop.example"),
        (ResolveError("shop.example", 11), "dns", LOCAL, "no name server could be reached to resolve shop.example"),
        (ResolveError("shop.example", 12), "dns", DNS, "no name server answered for shop.example"),
        (tls_error("WRONG_VERSION_NUMBER"), "tls", TLS, "the server does not speak TLS here (wrong version number)"),
        (
            tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            "ttfb",
            TLS,
            "the server wants a client certificate (tlsv13 alert certificate required)",
        ),
        (tls_error("BAD_SIGNATURE"), "tls", TLS, "TLS failed: bad signature"),
        (TypeError("x is no y"), "ttfb", LOCAL, "bug: TypeError: x is no y"),
        (
            ValueError("two\r\nlines \x1b[31m" + "z" * 1000),
            "",
            LOCAL,
            "bug: ValueError: two lines [31m" + "z" * 268 + "…",
        ),
    ],
)
def test_every_failure_has_a_kind_and_a_line(error, phase, kind, message):
    trace = Trace(lambda: 0.0)
    trace.clock = lambda: 10.0
    trace.phase = phase
    trace.facts["net.address"] = "192.0.2.1"
    failure = classify(error, trace)
    assert (failure.kind, failure.phase, failure.message) == (kind, phase, message)
    assert len(failure.message) <= 300


def test_a_chain_is_blamed_at_the_certificate_that_is_at_fault(authority):
    chain = [authority.issue(days=days, common_name=name).der for name, days in (("leaf", 9), ("mid", -1.5))]
    assert blame(10, "expired", chain, "h") == "certificate of an issuer expired 1 day ago (CN=mid, issuer Test CA)"
    assert blame(19, "self-signed in chain", chain, "h") == "certificate is not trusted: root mid unknown (CN=leaf)"
    assert (
        blame(68, "CA md too weak", chain, "h")
        == "certificate is not accepted: CA md too weak (CN=leaf, issuer Test CA)"
    )
    assert blame(10, "expired", [b"junk"], "h") == "certificate is not accepted: expired"
