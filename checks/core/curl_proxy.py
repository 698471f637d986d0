"""What is special about going through a proxy: it is asked for one address after another; refusals are its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from checks.core.classify import ClassifiedError
from checks.core.curl_options import Hop
from checks.core.curl_outcome import ProxyError
from checks.core.curl_transfer import Transfer
from checks.core.http1 import Answer
from checks.core.race import PATIENCE
from checks.core.result import Failure, FailureKind, Trace
from checks.core.text import one_line
from checks.core.units import format_duration

_LONGEST = 200  # characters of what is told of addresses that failed

T = TypeVar("T")


class _SilentError(ProxyError):
    """The proxy is still trying to reach an address of the target, and another is left."""

    def __init__(self, patience: float) -> None:
        super().__init__("", f"no answer in {format_duration(patience)}", elsewhere=True)


async def first_reachable(hop: Hop, trace: Trace, carry: Callable[[Hop], Awaitable[T]]) -> T:
    """What `carry` makes of the first address of the target that the proxy connects us to."""
    targets = (hop.route.target, *hop.route.others)
    failed: list[str] = []
    for number, target in enumerate(targets, 1):
        last = number == len(targets)
        there = replace(hop, route=replace(hop.route, target=target), patience=0.0 if last else PATIENCE)
        if hop.wish.proxy is not None and not hop.wish.proxy.resolves:
            trace.facts["net.target_address"] = target
        try:
            return await carry(there)
        except ProxyError as error:
            if not error.elsewhere or len(targets) == 1:
                raise
            failed.append(f"{target} ({error.why})")
            trace.facts["net.failed"] = one_line(", ".join(failed), _LONGEST)
            if last:
                words = f"the proxy {hop.route.peer} reaches no address of the target: {', '.join(failed)}"
                raise ProxyError(words) from None
    raise AssertionError  # there is a target


async def get_through(transfer: Transfer) -> None:
    """Wait for the proxy to connect us, no longer than another address of the target may be kept waiting."""
    patience = transfer.hop.patience
    if not patience or transfer.hop.resumed:
        return
    try:
        async with asyncio.timeout(patience):
            await transfer.through()
    except TimeoutError:
        raise _SilentError(patience) from None


def blame(hop: Hop, answer: Answer) -> None:
    """Raise the proxy's own failure, where an answer that is not the wanted one is the proxy's and not the target's."""
    proxy = hop.wish.proxy
    if proxy is None or hop.tunnelled or not proxy.scheme.startswith("http") or not _of_proxy(answer):
        return
    login = ": it wants another user name and password" if answer.status == 407 else ""
    message = f"the proxy {hop.route.peer} refused the request with status {answer.status}{login}"
    raise ClassifiedError(Failure(FailureKind.CONNECT, "proxy", message))


def _of_proxy(answer: Answer) -> bool:
    """Whether a proxy says that it made this answer itself.

    Status 407 is for proxies alone (RFC 9110 section 15.5.8). Other errors they may mark: by Proxy-Status (RFC 9209),
    Squid by a header of its own. Where Via names two, the mark may be that of one before the target.
    """
    if answer.status == 407:
        return True
    headers = answer.headers
    marked = "error=" in headers.get("proxy-status", "") or "x-squid-error" in headers
    return marked and answer.status >= 400 and "," not in headers.get("via", "")
