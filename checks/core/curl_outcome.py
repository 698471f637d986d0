"""What became of a transfer, in the terms of every check: phases and facts, and errors of libcurl as our exceptions."""

from __future__ import annotations

import errno
import re
import ssl
import time
from collections.abc import Mapping

import pycurl

from checks.core.base import ProtocolError
from checks.core.certificate import blame, certificate_facts
from checks.core.curl_transfer import Transfer
from checks.core.http1 import Answer
from checks.core.net import CertificateError
from checks.core.peer import PeerError, peer_name
from checks.core.resolve import NO_ADDRESS, ResolveError
from checks.core.result import Span, Trace
from checks.core.text import excerpt, one_line
from checks.core.tls import TlsFileError

_HOSTNAME_MISMATCH = 62  # X509_V_ERR_HOSTNAME_MISMATCH; libcurl compares names itself
_REASON = re.compile(r"error:[0-9A-Fa-f]{8}:[^:]*:[^:]*:([^:,]+)")

# CURLPX_* of curl.h: why a SOCKS proxy did not connect us.
_SOCKS: Mapping[int, str] = {
    12: "it accepts no way to log in that we have",
    17: "it does not support the kind of address",
    18: "it does not connect anybody",
    19: "the target refused the connection",
    20: "it failed",
    21: "it could not reach the target",
    22: "it found no route to the network of the target",
    23: "its rules do not allow the target",
    24: "the target is too many hops away",
    33: "it does not accept the user name and password",
}
# Of them, and of those that speak of our log-in: what no other address of the target would change.
_FOR_EVERY_TARGET = frozenset({10, 11, 12, 14, 18, 33})

_BROKEN = (pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING)
# Of curl.h, and not named by pycurl.
_WEIRD, _HTTP2_STREAM, _HTTP3, _QUIC, _PROXY, _TOO_LARGE = 8, 92, 95, 96, 97, 100
_CUT = (pycurl.E_PARTIAL_FILE, _HTTP2_STREAM, _HTTP3, _QUIC)


class ProxyError(PeerError):
    """The proxy answered, but does not connect us. `elsewhere`: it might to another address of the target."""

    def __init__(self, message: str, why: str = "", *, elsewhere: bool = False) -> None:
        Exception.__init__(self, message)
        self.code = errno.ECONNABORTED
        self.why = why
        self.elsewhere = elsewhere


def tell_connection(trace: Trace, transfer: Transfer) -> None:
    """Who was reached, and over which TLS."""
    facts, curl = trace.facts, transfer.curl
    if address := curl.getinfo(pycurl.PRIMARY_IP):
        facts["net.address"] = address
        facts["net.family"] = 6 if ":" in address else 4
        trace.leg.peer = peer_name(address, curl.getinfo(pycurl.PRIMARY_PORT))
        trace.leg.local = peer_name(curl.getinfo(pycurl.LOCAL_IP), curl.getinfo(pycurl.LOCAL_PORT))
    hop = transfer.hop
    if hop.url.scheme != "https" or hop.resumed or (hop.tunnelled and not transfer.proxied_at):
        return  # what TLS there was is the proxy's
    if transfer.secured is not None:
        facts["tls.version"], facts["tls.cipher"] = transfer.secured
    if transfer.alpn:
        facts["tls.alpn"] = transfer.alpn
    trace.leg.chain = presented = _chain(curl)
    facts.update(certificate_facts(presented, (), time.time()))


def tell_phases(trace: Trace, transfer: Transfer) -> None:
    """Write down how long each phase took, now that all of them are over."""
    _tell(trace, transfer, over=True)


def open_phase(trace: Trace, transfer: Transfer) -> Span:
    """Write down the phases that are over; the one that is not, for what went wrong in it to be raised within."""
    phase, began = _tell(trace, transfer, over=False)
    return trace.timed(phase, began=began)


def _tell(trace: Trace, transfer: Transfer, *, over: bool) -> tuple[str, float]:
    """The phase that comes after those that are over, and the instant at which it began."""
    marks = _marks(transfer, over=over)
    reached = max((number for number, (_, end) in enumerate(marks, 1) if end), default=0)
    at = transfer.began
    for phase, end in marks[:reached]:
        if end:  # else libcurl did not tell: part of the phase that follows
            with trace.timed(phase, began=at) as span:
                span.ended = at = max(at, end)
    return marks[min(reached, len(marks) - 1)][0], at


def _marks(transfer: Transfer, *, over: bool) -> list[tuple[str, float]]:
    """Every phase with the instant of its end; 0.0 for one that has none yet."""
    curl, hop = transfer.curl, transfer.hop
    # libcurl counts from a moment between our call and the first socket.
    origin = max(transfer.began, transfer.opened_at - curl.getinfo(pycurl.NAMELOOKUP_TIME_T) / 1e6)

    def instant(timer: int) -> float:
        microseconds = curl.getinfo(timer)
        return origin + microseconds / 1e6 if microseconds else 0.0

    marks = []
    if hop.wish.version == "3":
        marks.append(("connect", instant(pycurl.APPCONNECT_TIME_T)))  # of QUIC, the handshake of TLS is a part
    elif not hop.resumed:
        marks.append(("connect", instant(pycurl.CONNECT_TIME_T) or transfer.connected_at))
        if hop.wish.proxy is not None and hop.wish.proxy.greets(hop.tunnelled):
            marks.append(("proxy", transfer.proxied_at))
        if hop.url.scheme == "https":
            marks.append(("tls", instant(pycurl.APPCONNECT_TIME_T)))
    ended = instant(pycurl.TOTAL_TIME_T) if transfer.complete else transfer.last_at
    first = transfer.first_at if _joined(transfer) else 0.0  # else the bytes were the proxy's
    return [*marks, ("ttfb", first), ("transfer", ended if over else 0.0)]


def as_ours(error: pycurl.error, transfer: Transfer) -> Exception:
    """An error of libcurl as the exception that classify() knows."""
    code, text = error.args[0], str(error.args[1]) if len(error.args) > 1 else ""
    if code in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_ISSUER_ERROR):
        return _distrust(transfer, text)
    for judge in (_of_proxy, _of_tls, _of_connection, _of_http):
        if (found := judge(code, text, transfer)) is not None:
            return found
    return ProtocolError(one_line(f"libcurl gave up: {text or pycurl.easy_strerror(code)}", 200))


def _distrust(transfer: Transfer, text: str) -> Exception:
    curl, hop = transfer.curl, transfer.hop
    proxy = hop.wish.proxy
    if proxy is not None and proxy.scheme == "https" and not transfer.proxied_at:
        code, host, whose = curl.getinfo(pycurl.PROXY_SSL_VERIFYRESULT), proxy.host, "the proxy's "
    else:
        code, host, whose = curl.getinfo(pycurl.SSL_VERIFYRESULT), hop.asked_name, ""
    if transfer.misnamed:
        code = _HOSTNAME_MISMATCH
    chain = _chain(curl)
    words = re.sub(r"^SSL certificate OpenSSL verify result: | \(\d+\)$", "", text)
    return CertificateError(whose + blame(code, words, chain, host))


def _of_proxy(code: int, text: str, transfer: Transfer) -> Exception | None:
    peer = f"the proxy {transfer.hop.route.peer}"
    status = transfer.curl.getinfo(pycurl.HTTP_CONNECTCODE)
    if transfer.hop.tunnelled and status >= 300:
        login = "" if status != 407 else ": it wants another user name and password"
        return ProxyError(f"{peer} refused the tunnel with status {status}{login}")
    if code == _PROXY:
        number = transfer.curl.getinfo(pycurl.PROXY_ERROR)
        why = _SOCKS.get(number) or one_line(text, 120)
        return ProxyError(f"{peer} does not connect us: {why}", why, elsewhere=number not in _FOR_EVERY_TARGET)
    return None


def hung_up(transfer: Transfer) -> Exception:
    """The failure of a connection that was closed before an answer: names the proxy where there is one."""
    return EOFError() if transfer.hop.wish.proxy is None else PeerError(errno.EPIPE, _peer(transfer))


def _joined(transfer: Transfer) -> bool:
    """Whether what we talk to is no longer a proxy that is yet to open a tunnel."""
    return not transfer.hop.tunnelled or transfer.hop.resumed or transfer.proxied_at > 0


def _peer(transfer: Transfer) -> str:
    """Who is at the other end, for people. Through a tunnel that is the target."""
    hop = transfer.hop
    if hop.wish.proxy is None:
        return hop.route.peer
    proxy = f"the proxy {hop.route.peer}"
    joined = transfer.proxied_at and (hop.tunnelled or hop.wish.proxy.scheme.startswith("socks"))
    return f"{peer_name(hop.url.host, hop.url.port)} behind {proxy}" if joined or hop.resumed else proxy


def _of_tls(code: int, text: str, transfer: Transfer) -> Exception | None:
    tls = transfer.hop.tls
    if code == pycurl.E_SSL_CERTPROBLEM:
        return TlsFileError(f"cert: {tls.key or tls.cert} cannot be used ({one_line(text, 120)})")
    if code == pycurl.E_SSL_CACERT_BADFILE:
        return TlsFileError(f"ca: {tls.ca or 'the authorities of the system'} cannot be used ({one_line(text, 120)})")
    match = _REASON.search(text)
    reason = match[1].strip().upper().replace(" ", "_") if match else ""
    shown = tls.cert is not None and transfer.hop.trusted
    if not reason and code in _BROKEN and transfer.wants_certificate and not shown and not transfer.headed:
        reason = "CERTIFICATE_REQUIRED"  # the alert that says so is lost in the reset that follows it
    if not reason:
        return None
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def _of_connection(code: int, text: str, transfer: Transfer) -> Exception | None:
    curl, hop = transfer.curl, transfer.hop
    if code in (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY):
        return ResolveError(hop.url.host, NO_ADDRESS)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return TimeoutError()
    peer = _peer(transfer)
    memory = errno.ENOMEM if code == pycurl.E_OUT_OF_MEMORY else 0
    if number := curl.getinfo(pycurl.OS_ERRNO) or transfer.errno or memory:
        return PeerError(number, peer)
    if code == pycurl.E_GOT_NOTHING or (code == pycurl.E_SSL_CONNECT_ERROR and not text):
        return hung_up(transfer)
    if code == pycurl.E_RECV_ERROR and not _joined(transfer) and not transfer.beginning:
        return hung_up(transfer)
    return None


def _of_http(code: int, text: str, transfer: Transfer) -> Exception | None:
    hop, words = transfer.hop, one_line(text, 120)
    if code == _TOO_LARGE:
        return ProtocolError("a header is larger than libcurl takes")
    if code in (pycurl.E_UNSUPPORTED_PROTOCOL, _WEIRD) and not transfer.headed:
        words = _no_answer(transfer.beginning, words)
        return ProtocolError(words if _joined(transfer) else f"the proxy {hop.route.peer}: {words}")
    if code == pycurl.E_HTTP2 and hop.wish.version == "2" and not transfer.headed:
        return ProtocolError("the server does not speak HTTP/2 here")
    if transfer.headed and code in _CUT:
        return _cut_short(transfer.answer, transfer.received)
    if transfer.headed and code == pycurl.E_RECV_ERROR:
        return ProtocolError(f"malformed HTTP answer: {words}")
    return None


def _no_answer(beginning: bytes, words: str) -> str:
    if beginning[:1] in (b"\x15", b"\x16") and beginning[1:2] == b"\x03":
        return "the server speaks TLS on this port: use https://"
    if beginning.startswith(b"HTTP/") or not beginning:
        return f"malformed HTTP answer: {words}"
    return f"no HTTP answer, it begins with: {excerpt(beginning, 60) or beginning[:20].hex()}"


def _cut_short(answer: Answer, received: int) -> ProtocolError:
    if "chunked" in answer.headers.get("transfer-encoding", "").lower():
        return ProtocolError(f"the body ended after {received} bytes, before its last chunk")
    if answer.length is not None:
        return ProtocolError(f"the body ended after {received} of {answer.length} bytes")
    return ProtocolError(f"the answer broke off after {received} bytes of its body")


def _chain(curl: pycurl.Curl) -> list[bytes]:
    """The certificates that the server sent, leaf first, as DER."""
    pems = [value for fields in curl.getinfo(pycurl.INFO_CERTINFO) for key, value in fields if key == "Cert"]
    return [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]
