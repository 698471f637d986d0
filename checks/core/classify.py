"""From an exception to a Failure: the only place where that happens."""

from __future__ import annotations

import errno
import re
import ssl

from checks.core.base import ExpectationError, ProtocolError
from checks.core.certificate import blame
from checks.core.expect import TooSlowError
from checks.core.net import CertificateError
from checks.core.peer import OURS, PeerError
from checks.core.policy import DeniedError
from checks.core.resolve import ResolveError
from checks.core.result import Failure, FailureKind, Trace
from checks.core.text import one_line
from checks.core.tls import TlsFileError
from checks.core.units import format_duration

_LONGEST = 300  # characters of a message

_WAITING = {
    "auth": "waiting for the token endpoint",
    "dns": "waiting for the name server",
    "connect": "connecting to {address}",
    "proxy": "waiting for the proxy {address}",
    "tls": "in the TLS handshake with {address}",
    "ttfb": "waiting for the first byte",
    "transfer": "receiving the answer",
}
_DURING = {"tls": " in the TLS handshake", "ttfb": " before it answered", "transfer": " in the middle of its answer"}

# What OpenSSL calls the reasons, and what they mean to the people who have to do something.
_TLS_WORDS = (
    ("WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|PACKET_LENGTH", "the server does not speak TLS here"),
    ("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL", "no version of TLS in common with the server"),
    ("CERTIFICATE_REQUIRED", "the server wants a client certificate"),
    ("UNKNOWN_CA|ALERT_(BAD|UNKNOWN|EXPIRED|REVOKED)_?CERT|CERTIFICATE_(EXPIRED|REVOKED|UNKNOWN)|BAD_CERTIFICATE",
     "the server does not accept our client certificate"),
    ("UNRECOGNIZED_NAME", "the server does not know the name that it was asked for"),
    ("HANDSHAKE_FAILURE", "the server refused the handshake: no cipher in common, or it wants a client certificate"),
    ("NO_APPLICATION_PROTOCOL", "the server does not speak HTTP/1.1 over TLS"),
    ("DH_KEY_TOO_SMALL|EE_KEY_TOO_SMALL|CA_MD_TOO_WEAK", "the server's key is too weak"),
    ("UNEXPECTED_EOF|EOF", "the server closed the connection in the TLS handshake"),
)  # fmt: skip


# Those that say themselves what is wrong.
_PLAIN: tuple[tuple[type[Exception], FailureKind], ...] = (
    (ExpectationError, FailureKind.EXPECTATION),
    (ProtocolError, FailureKind.PROTOCOL),
    (CertificateError, FailureKind.TLS),
    (DeniedError, FailureKind.LOCAL),
    (TlsFileError, FailureKind.LOCAL),
    (TooSlowError, FailureKind.LOCAL),
)


class ClassifiedError(Exception):
    """A part of a run failed that has told its failure already: it is not to be judged again by where it surfaces."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def classify(error: BaseException, trace: Trace) -> Failure:
    """The failure that an exception of a check means, in the phase that was open."""
    if isinstance(error, ClassifiedError):
        return error.failure
    kind, message = _judge(error, trace)
    return Failure(kind, trace.phase, one_line(message, _LONGEST))


def _judge(error: BaseException, trace: Trace) -> tuple[FailureKind, str]:
    for plain, kind in _PLAIN:
        if isinstance(error, plain):
            return kind, str(error)
    if isinstance(error, TimeoutError):
        return _timeout(error, trace)
    if isinstance(error, ResolveError):
        return FailureKind.LOCAL if error.ours else FailureKind.DNS, str(error)
    if isinstance(error, (PeerError, EOFError)):
        return _peer(error, trace)
    if isinstance(error, OSError):
        return _system(error, trace)
    return FailureKind.LOCAL, f"bug: {type(error).__name__}: {error}"


def _timeout(error: BaseException, trace: Trace) -> tuple[FailureKind, str]:
    refused = _refused_certificate(error)
    if refused is not None:
        # The deadline struck while the server was asked again for the certificate that had failed.
        return FailureKind.TLS, blame(refused.verify_code, refused.verify_message, (), "")
    if not trace.phase:
        spent = format_duration(trace.clock() - trace.began)
        return FailureKind.LOCAL, f"out of time after {spent}, and not waiting for the target"
    spent = format_duration(trace.duration())
    doing = _WAITING.get(trace.phase, f"in phase {trace.phase}").format(address=_address(trace))
    return FailureKind.TIMEOUT, f"timed out after {spent} {doing}"


def _refused_certificate(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    for _ in range(8):
        if error is None or isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _peer(error: PeerError | EOFError, trace: Trace) -> tuple[FailureKind, str]:
    words = str(error) or f"connection closed by {_address(trace)}"
    if isinstance(error, PeerError) and error.code in OURS:
        return FailureKind.LOCAL, words
    if isinstance(error, PeerError) and error.code == errno.ETIMEDOUT:
        return FailureKind.TIMEOUT, words
    return _cut(trace), words + _DURING.get(trace.phase, "")


def _cut(trace: Trace) -> FailureKind:
    """The kind of a connection that was cut: by what was going on over it."""
    return {"tls": FailureKind.TLS, "transfer": FailureKind.PROTOCOL}.get(trace.phase, FailureKind.CONNECT)


def _system(error: OSError, trace: Trace) -> tuple[FailureKind, str]:
    """An error of TLS, or of the system where no part of ours has put it into words."""
    if isinstance(error, ssl.SSLError):
        return FailureKind.TLS, _tls_words(error)
    words = error.strerror or str(error)
    if isinstance(error, ConnectionError):
        return _cut(trace), f"{words.lower()}{_DURING.get(trace.phase, '')}"
    return FailureKind.LOCAL, f"{words} ({type(error).__name__})"


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return blame(error.verify_code, error.verify_message, (), "")
    reason = error.reason or type(error).__name__
    for pattern, words in _TLS_WORDS:
        if re.search(pattern, reason):
            return f"{words} ({reason.replace('_', ' ').lower()})"
    return f"TLS failed: {reason.replace('_', ' ').lower()}"


def _address(trace: Trace) -> str:
    proxy = trace.facts.get("net.proxy") if trace.phase == "connect" else None
    return f"the proxy {proxy}" if proxy else str(trace.facts.get("net.address", "the target"))
