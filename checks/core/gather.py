"""Puts together the evidence of a run that failed, from what its Trace has in hand. Nothing here waits or asks anybody.

Whatever a target sent is somebody else's: bounded, masked, and made harmless before it is kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from checks.core.base import Repeatable
from checks.core.certificate import parse
from checks.core.evidence import BEGINNING, CUT, Evidence, Form, Presented, Redirected, Sample, Tried, of_bytes
from checks.core.expect import charset
from checks.core.http1 import Answer
from checks.core.leg import Leg
from checks.core.request import Request
from checks.core.result import Failure, Trace
from checks.core.shorten import fitted
from checks.core.text import harmless_lines, legible, one_line
from checks.core.veil import Veil, login, proofs, url

_SENT = 1024  # bytes of what we sent ourselves
_HEAD = 16384  # characters of a head that are looked at
_LINES = 60  # of a head
_LINE = 500  # characters of one
_HOPS = 10
_ADDRESSES = 16
_CERTIFICATES = 6
_NAMES = 20  # of a certificate
_NAME = 200  # characters
_TEXTUAL = re.compile(r"text/|json|xml|javascript|html|x-www-form-urlencoded", re.IGNORECASE)
_SIGN = b"HTTP/"


def gather(check: object, trace: Trace, failure: Failure, redact: Callable[[str], str], timeout: float) -> Evidence:
    """All that is known of a failed run. `redact` takes the configuration's secrets out of a text."""
    legs = (*trace.legs, trace.leg)
    last = legs[-1]
    veil = Veil(redact, _proofs(legs))
    spent = trace.duration()
    found = Evidence(
        target=one_line(url(veil(_target(check, trace))), _LINE),
        kind=failure.kind.value,
        phase=failure.phase,
        message=failure.message,
        phases={name: round(seconds, 6) for name, seconds in trace.phases.items()},
        opened=round(max(0.0, spent - sum(trace.phases.values())), 6) if trace.phase else 0.0,
        hops=tuple(_hop(leg, veil) for leg in legs[:-1][-_HOPS:]),
        addresses=tuple(_addresses(last, failure)),
        peer=_peer(last),
        local=_local(last),
        tls=_tls(trace),
        chain=tuple(_presented(last.chain, veil)),
        again=_again(check, legs[0], veil, timeout),
    )
    return fitted(replace(_with_messages(found, last, veil), cut=len(legs) - 1 > _HOPS))


def _with_messages(found: Evidence, leg: Leg, veil: Veil) -> Evidence:
    """With what was said on either side."""
    if leg.request is None:
        sent = _sample(leg.payload, _SENT, lambda text: login(veil.body(text)))
        return replace(found, sent=sent, received=_sample(leg.heard, BEGINNING, veil.body))
    request, answer = leg.request, leg.answer
    found = replace(found, request=_head(leg.payload.partition(b"\r\n\r\n")[0], veil), sent=_posted(request, veil))
    if answer is None:
        return found
    if answer.headed or answer.headers:
        return replace(found, answer=_answer(answer, veil), received=_body(leg, answer, veil))
    if answer.raw.startswith(_SIGN):  # it broke off, or is none: as far as it came
        return replace(found, answer=_head(answer.raw.partition(b"\r\n\r\n")[0], veil))
    return replace(found, received=_sample(answer.raw, BEGINNING, veil.body, "no HTTP answer"))


def _posted(request: Request, veil: Veil) -> Sample | None:
    return _sample(request.body, _SENT, veil.body, request.headers.get("content-type", ""))


def _body(leg: Leg, answer: Answer, veil: Veil) -> Sample | None:
    body, kind = leg.body, answer.headers.get("content-type", "")
    if body is None:
        return None
    if body.opaque:
        why = f"encoded as {one_line(body.encoding, 100)}, which was not asked for"
        return Sample(Form.HIDDEN, why, one_line(veil(kind), 100), body.size, cut=not answer.done)
    sample = _sample(body.data, BEGINNING, veil.body, kind, body.size)
    return replace(sample, cut=sample.cut or not answer.done) if sample is not None else None


def _answer(answer: Answer, veil: Veil) -> tuple[str, ...]:
    """The status line and the headers; names are as we read them, in lower case."""
    lines = [f"HTTP/{answer.version} {answer.status}{_said(answer)}"]
    for name, value in answer.headers.items():
        lines += [f"{name}: {one}" for one in (value.split("\n") if name == "set-cookie" else [value])]
    return _head("\n".join(lines).encode(errors="replace"), veil)


def _said(answer: Answer) -> str:
    """What a server says beside the number of its status."""
    found = re.search(rb"HTTP/[0-9.]+[ \t]+%d([^\r\n]{0,200})" % answer.status, answer.raw[:_HEAD])
    return found[1].decode("latin-1").rstrip() if found else ""


def _head(head: bytes, veil: Veil) -> tuple[str, ...]:
    text = head[:_HEAD].decode("utf-8", "replace") + (CUT if len(head) > _HEAD else "")
    lines = veil.head(text)
    kept = [one_line(line, _LINE) for line in lines[:_LINES]]
    return (*kept, f"{CUT} {len(lines) - _LINES} more lines") if len(lines) > _LINES else tuple(kept)


def _sample(
    data: bytes | bytearray, limit: int, mask: Callable[[str], str], kind: str = "", size: int = 0
) -> Sample | None:
    """The beginning of bytes. `kind` is what they are said to be."""
    if not data and not size:
        return None
    head, size = bytes(data[:limit]), max(size, len(data))
    cut = size > len(head)
    said = one_line(mask(kind), 100)
    text = _text(head, kind, whole=not cut)
    if text is None:
        form, content = of_bytes(head, mask)
        return Sample(form, content, said, size, cut)
    return Sample(Form.TEXT, harmless_lines(mask(text + CUT if cut else text)), said, size, cut)


def _text(data: bytes, kind: str, *, whole: bool) -> str | None:
    """None for what is no text. A character may be cut off at the end of what is not `whole`."""
    if b"\0" in data:
        return None
    try:
        return codecs.getincrementaldecoder(charset(kind))("strict").decode(data, whole)
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace") if _TEXTUAL.search(kind) else None


def _proofs(legs: Sequence[Leg]) -> Iterator[str]:
    """What this run was let in with, or might be."""
    for leg in legs:
        headers = leg.answer.headers if leg.answer is not None else {}
        urls = [headers.get("location", ""), str(leg.request.url) if leg.request is not None else ""]
        yield from proofs(_sent_headers(leg), urls, headers.get("set-cookie", ""))


def _sent_headers(leg: Leg) -> Mapping[str, str]:
    if leg.request is None:
        return {}
    head = leg.payload.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name: value.strip() for name, _, value in pairs}


def _target(check: object, trace: Trace) -> str:
    if trace.leg.request is not None:
        return str(trace.leg.request.url)
    return str(trace.facts.get("http.url") or getattr(check, "target", ""))


def _hop(leg: Leg, veil: Veil) -> Redirected:
    request, answer = leg.request, leg.answer
    asked = f"{request.method} {url(veil(str(request.url)))}" if request is not None else ""
    location = url(veil(legible(answer.headers.get("location", "")))) if answer is not None else ""
    status = answer.status if answer is not None else 0
    return Redirected(one_line(asked, _LINE), status, one_line(location, _LINE), _peer(leg))


def _peer(leg: Leg) -> str:
    """With whom there was a connection."""
    if leg.connection is not None:
        return leg.connection.peer if leg.connection.connected_at else ""
    return leg.peer


def _local(leg: Leg) -> str:
    if leg.connection is not None:
        return leg.connection.local
    return leg.local


def _addresses(leg: Leg, failure: Failure) -> Iterator[Tried]:
    tried = {attempt.address: attempt.outcome for attempt in leg.attempts}
    if not tried and (reached := _reached(leg)):
        stands = failure.phase != "connect" if leg.connection is None else leg.connection.connected_at > 0
        tried[reached] = "connected" if stands else failure.message
    for address in leg.addresses[:_ADDRESSES]:
        yield Tried(address, one_line(tried.get(address, "not tried"), _NAME))
    for address in leg.behind[:_ADDRESSES]:
        yield Tried(address, "behind the proxy")


def _reached(leg: Leg) -> str:
    """The address of who was reached, or was tried alone."""
    if leg.connection is not None:
        return leg.connection.address
    return leg.peer.rpartition(":")[0].strip("[]")


def _tls(trace: Trace) -> str:
    said = [str(trace.facts.get(name, "")) for name in ("tls.version", "tls.cipher")]
    alpn = trace.facts.get("tls.alpn")
    return one_line(" ".join([*filter(None, said), *([f"ALPN {alpn}"] if alpn else [])]), _NAME)


def _presented(chain: Sequence[bytes], veil: Veil) -> Iterator[Presented]:
    for der in chain[:_CERTIFICATES]:
        if (found := parse(der)) is not None:
            yield Presented(
                subject=one_line(veil(found.subject), _NAME),
                issuer=one_line(veil(found.issuer), _NAME),
                names=tuple(one_line(veil(name), _NAME) for name in found.names[:_NAMES]),
                not_before_ms=round(found.not_before * 1000),
                not_after_ms=round(found.not_after * 1000),
                fingerprint=found.fingerprint,
                serial=found.serial,
            )


def _again(check: object, first: Leg, veil: Veil, timeout: float) -> str:
    if not isinstance(check, Repeatable):
        return ""
    return check.by_hand(_reached(first), timeout, lambda text: url(veil.body(text)))
