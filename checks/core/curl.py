"""HTTP through libcurl, for what our own exchange does not speak: the same orders, phases, facts, failures and limits.

libcurl carries single requests. Names are resolved, redirects followed and answers judged by us, as everywhere else.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pycurl

from checks.core import curl_proxy
from checks.core.base import ExpectationError, ProtocolError
from checks.core.curl_ntlm import authenticate, challenge_in, negotiate
from checks.core.curl_options import Hop
from checks.core.curl_outcome import as_ours, hung_up, open_phase, tell_connection, tell_phases
from checks.core.curl_route import find_route
from checks.core.curl_transfer import Transfer
from checks.core.curl_wish import Login, Wish
from checks.core.decode import Body, too_large
from checks.core.exchange import Order, fault_of, follows, judge_answer, note_head, read_body
from checks.core.http1 import BODILESS, Answer
from checks.core.leg import Leg
from checks.core.net import Net
from checks.core.redirects import Following
from checks.core.request import Request
from checks.core.result import Trace

_HUNG_UP = "the server closed the connection in the middle of the NTLM login"
_VERSIONS = {"2": ("2", "2.0"), "3": ("3", "3.0")}


class Multi:
    """The transfers of one event loop."""

    def __init__(self) -> None:
        self.transfers = pycurl.AsyncCurlMulti()

    async def close(self) -> None:
        await self.transfers.aclose()


async def ask_by_curl(wish: Wish, order: Order, trace: Trace, net: Net) -> None:
    """Return when the answer is the wanted one; raises what classify() knows."""
    request, payload = order.request, order.payload
    trace.facts["http.url"] = str(request.url)
    trace.facts["http.redirects"] = 0
    trace.facts["engine"] = "curl"
    if wish.proxy is not None:
        trace.facts["net.proxy"] = str(wish.proxy)
    trace.facts["timing"] = "loop"  # libcurl reads the clock when our loop calls it
    following: Following | None = None
    while True:
        hop = await _hop(order, wish, trace, net, request, payload)
        answer, body, fault = await _carry(order, hop, trace, net)
        if body is None:
            following = following or Following(order.redirects)
            request, payload = following.follow(trace, request, answer)
            continue
        await judge_answer(order.expect, trace, answer, body, fault)
        return


async def _hop(order: Order, wish: Wish, trace: Trace, net: Net, request: Request, payload: bytes) -> Hop:
    followed = request is not order.request
    if wish.version == "3" and request.url.scheme == "http":
        raise ExpectationError(f"redirected to {request.url}, which HTTP/3 is not spoken to: only to https://")
    route = await find_route(trace, net, request.url, order.family, wish.proxy, followed=followed)
    trace.facts.pop("net.target_address", None)  # of the hop before
    trace.facts["net.address"] = route.addresses[0]
    trace.facts["net.family"] = 6 if ":" in route.addresses[0] else 4
    return Hop(request, payload, order.tls, wish, route, trusted=request.url.origin == order.request.url.origin)


_Outcome = tuple[Answer, Body | None, ExpectationError | None]


async def _carry(order: Order, hop: Hop, trace: Trace, net: Net) -> _Outcome:
    return await curl_proxy.first_reachable(hop, trace, lambda hop: _carry_there(order, hop, trace, net))


async def _carry_there(order: Order, hop: Hop, trace: Trace, net: Net) -> _Outcome:
    login = hop.wish.ntlm if hop.trusted else None
    if login is None and not hop.challenged:
        return await _exchange(order, hop, trace, net.shared(Multi).transfers)
    # Connections of its own. NTLM vouches for its connection, which no other run may be given. And the second request
    # of digest goes over the connection of the first: libcurl must find that one alone, no other run's.
    multi = pycurl.AsyncCurlMulti()
    try:
        if login is None:
            return await _exchange(order, hop, trace, multi)
        return await _prove(order, hop, trace, login, multi)
    finally:
        await multi.aclose()


async def _prove(order: Order, hop: Hop, trace: Trace, login: Login, multi: pycurl.AsyncCurlMulti) -> _Outcome:
    """The answer after an NTLM login: a first request that carries no body, then the one that counts."""
    greeting = replace(hop, request=replace(hop.request, body=b""), authorization=negotiate(), kept=True)
    outcome = await _exchange(order, greeting, trace, multi)
    challenge = challenge_in(outcome[0])
    if challenge is None:
        return outcome
    if "close" in outcome[0].headers.get("connection", "").lower():
        raise ProtocolError(_HUNG_UP)
    proof = authenticate(challenge, login)
    return await _exchange(order, replace(hop, authorization=proof, kept=True, resumed=True), trace, multi)


async def _exchange(order: Order, hop: Hop, trace: Trace, multi: pycurl.AsyncCurlMulti) -> _Outcome:
    """The answer, its body, and what is wrong with its head; no body when the answer is a redirect to follow."""
    body, fault = None, None
    leg = trace.leg
    leg.request, leg.payload = hop.request, hop.payload
    with Transfer(multi, hop) as transfer:
        try:
            await curl_proxy.get_through(transfer)
            leg.answer = answer = await transfer.head()
            leg.payload = transfer.asked or hop.payload
            answer.headed = True
            tell_connection(trace, transfer)
            note_head(trace, answer)
            _check_version(hop, answer)
            _check_connection(hop, transfer)
            if hop.kept and not hop.resumed and challenge_in(answer):
                await _drain(transfer, order.max_body)
            elif not follows(order, answer):
                fault = fault_of(order.expect, answer)
                if fault is not None:
                    curl_proxy.blame(hop, answer)
                if order.request.method == "HEAD" or answer.status in BODILESS:
                    answer.length = None  # of a body that does not come
                body = await read_body(order, trace, answer, b"", partial(_next, transfer, answer), good=fault is None)
        except BaseException as error:
            if not transfer.headed:
                _keep_beginning(leg, transfer)
                tell_connection(trace, transfer)
            with open_phase(trace, transfer):
                if isinstance(error, pycurl.error):
                    raise as_ours(error, transfer) from None
                if isinstance(error, EOFError):
                    raise hung_up(transfer) from None
                raise
        tell_phases(trace, transfer)
    return answer, body, fault


def _keep_beginning(leg: Leg, transfer: Transfer) -> None:
    """What there is of an answer that has no head."""
    leg.answer = transfer.answer
    leg.answer.raw = leg.answer.raw or transfer.beginning
    leg.payload = transfer.asked or leg.payload


def _check_version(hop: Hop, answer: Answer) -> None:
    wanted = hop.wish.version
    if wanted in _VERSIONS and answer.version not in _VERSIONS[wanted]:
        raise ProtocolError(f"the server does not speak HTTP/{wanted} here: it answered in HTTP/{answer.version}")


def _check_connection(hop: Hop, transfer: Transfer) -> None:
    if hop.resumed and transfer.curl.getinfo(pycurl.NUM_CONNECTS):
        raise ProtocolError(_HUNG_UP)


async def _drain(transfer: Transfer, limit: int) -> None:
    """Read what is of no use, to have the connection free for the next request."""
    size = 0
    while piece := await transfer.piece():
        size += len(piece)
        if size > limit:
            raise too_large(limit)


async def _next(transfer: Transfer, answer: Answer) -> bytes:
    """What of the body comes next; b"" at its end. Raises what our own connections raise."""
    try:
        piece = await transfer.piece()
    except pycurl.error as error:
        raise as_ours(error, transfer) from None
    answer.done = not piece
    return piece
