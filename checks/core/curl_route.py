"""Where a request through libcurl goes: names resolved by us, addresses looked at by the network policy."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from checks.core.base import ExpectationError
from checks.core.curl_wish import Proxy
from checks.core.net import Family, Net
from checks.core.peer import peer_name
from checks.core.policy import DeniedError
from checks.core.race import interleaved
from checks.core.result import Trace
from checks.core.url import Url


@dataclass(frozen=True, slots=True)
class Route:
    """To whom we connect, and what libcurl is told of names so that it never resolves one itself."""

    host: str  # that we connect to: the target's, or the proxy's
    port: int
    addresses: tuple[str, ...]  # its addresses, the only ones that a socket may be opened to
    target: str  # the name or address that is asked of the proxy, or connected to
    others: tuple[str, ...] = ()  # further addresses of the target, to be asked of the proxy after that one

    @property
    def resolve(self) -> str:
        """An entry of CURLOPT_RESOLVE."""
        hosts = ",".join(_bracketed(address) for address in self.addresses)
        return f"{_bracketed(self.host)}:{self.port}:{hosts}"

    @property
    def peer(self) -> str:
        return peer_name(self.addresses[0], self.port)


async def find_route(trace: Trace, net: Net, url: Url, family: Family, proxy: Proxy | None, *, followed: bool) -> Route:
    """Raises ResolveError, DeniedError; ExpectationError where a redirect leads to what is denied."""
    try:
        if proxy is None:
            addresses = await net.addresses(trace, url.host, family)
            return Route(url.host, url.port, tuple(addresses), url.host)
        target, *others = await _behind(trace, net, url, family, proxy)
    except DeniedError as error:
        if not followed:
            raise
        raise ExpectationError(f"redirected to {url}, and {error}") from None
    addresses = await net.addresses(trace, proxy.host, "any")
    return Route(proxy.host, proxy.port, tuple(addresses), target, tuple(others))


async def _behind(trace: Trace, net: Net, url: Url, family: Family, proxy: Proxy) -> list[str]:
    """What the proxy is asked for, in the order to try in. What it makes of a name we do not see; an address we do."""
    if not proxy.resolves:
        trace.leg.behind = addresses = await net.addresses(trace, url.host, family)
        return interleaved(addresses) if family == "any" else addresses
    address = _as_address(url.host)
    if address is not None:
        net.permit(address)
    return [url.host]


def _as_address(host: str) -> str | None:
    """The address that a host is, also in spellings that a resolver at the proxy understands: 0x7f.1, 2130706433."""
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def connect_to(host: str, port: int) -> Sequence[str]:
    """CURLOPT_CONNECT_TO for whatever the URL says."""
    return [f"::{_bracketed(host)}:{port}"]
