"""How checks reach their targets: resolve, look at the network policy, connect, TLS. One timed phase each."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Protocol, TypeVar, cast

from checks.core import race
from checks.core.certificate import blame, certificate_facts, presented_chain, verified_chain
from checks.core.connection import Connection
from checks.core.peer import PeerError
from checks.core.policy import DEFAULT_DENY, DeniedError, Network, Policy, check_address
from checks.core.poller import Poller
from checks.core.resolve import NO_ADDRESS, Family, ResolveError, Resolver
from checks.core.result import Trace
from checks.core.tls import Contexts, TlsOptions

__all__ = [
    "DEFAULT_DENY",
    "CertificateError",
    "Connection",
    "DeniedError",
    "Family",
    "Net",
    "TlsOptions",
    "check_address",
]

# The phases and the numeric facts of a connection: what thresholds may name.
NET_METRICS = frozenset({"dns", "connect", "net.family"})
TLS_METRICS = frozenset({"tls", "tls.days_left", "tls.not_after", "tls.chain_not_after"})


class Closing(Protocol):
    """What checks share, and the network closes."""

    async def close(self) -> None: ...


S = TypeVar("S", bound=Closing)


class CertificateError(Exception):
    """The server's certificate is not accepted; says which and why."""


class Net:
    """The network as all checks share it. `deny` None is DEFAULT_DENY; `nameservers` empty is the system's."""

    def __init__(
        self,
        *,
        deny: Sequence[Network] | None = None,
        allow: Sequence[Network] = (),
        nameservers: Sequence[str] = (),
    ) -> None:
        self._policy = Policy(deny, allow)
        self._resolver = Resolver(nameservers)
        self._contexts = Contexts()
        self._poller: Poller | None = None
        self._slice = 0.0
        self._shared: dict[type[Any], Any] = {}

    def look_every(self, slice: float) -> None:  # noqa: A002  # the field's own word
        """Serve sockets every `slice` seconds; 0: at every event. The kernel's stamps keep what is reported true."""
        self._slice = slice
        if self._poller is not None:
            self._poller.slice = slice

    def look(self) -> bool:
        """See what has come on lazily served sockets; whether to look once more. To be called in a turn of the loop."""
        return self._poller is not None and self._poller.look()

    @property
    def behind(self) -> bool:
        """Whether more has come than one turn of the loop could serve."""
        return self._poller is not None and self._poller.behind

    @property
    def lookups(self) -> int:
        """Names that wait for a name server."""
        return self._resolver.waiting

    async def close(self) -> None:
        """End what is open; look-ups that still wait fail."""
        while self._shared:
            await self._shared.popitem()[1].close()
        self._resolver.close()
        if self._poller is not None:
            self._poller.close()
            self._poller = None

    def shared(self, kind: type[S]) -> S:
        """The one of its kind that all checks on this network share; made when first asked for, closed with it."""
        found = self._shared.get(kind)
        if found is None:
            found = self._shared[kind] = kind()
        return cast("S", found)

    def permit(self, address: str) -> None:
        """Raise DeniedError where a probe must not go."""
        self._policy.permitted([address])

    async def addresses(self, trace: Trace, host: str, family: Family = "any") -> list[str]:
        """Where a host may be reached, in the order to try in. Raises ResolveError, DeniedError."""
        found = await self._resolve(trace, host, family)
        leg = trace.leg
        leg.host, leg.addresses = host, found
        return self._policy.permitted(found)

    async def connect(
        self,
        trace: Trace,
        host: str,
        port: int,
        *,
        tls: TlsOptions | None = None,
        family: Family = "any",
        alpn: tuple[str, ...] = (),
        promptly: bool = False,
    ) -> Connection:
        """An open connection, to be closed by the caller's `with`. `host` is an IP address or an ASCII name.

        `promptly`: what arrives is read at once, also where sockets are served in slices.

        Raises ResolveError, DeniedError, PeerError, CertificateError, ssl.SSLError, TlsFileError.
        """
        addresses = await self.addresses(trace, host, family)
        if self._poller is None:
            self._poller = Poller(self._slice)  # it belongs to the loop that the checks run on
        if len(addresses) == 1:
            connection = await _dial(self._poller, trace, addresses[0], port, promptly=promptly or trace.hurried)
        elif family.startswith("prefer_"):
            connection = await race.dial(self._poller, trace, addresses, port, stagger=race.PATIENCE)
        else:
            connection = await race.dial(self._poller, trace, race.interleaved(addresses), port)
        if tls is not None:
            try:
                await self._secure(self._poller, trace, connection, host, port, tls, alpn)
            except BaseException:
                connection.drop()
                raise
        return connection

    async def _resolve(self, trace: Trace, host: str, family: Family) -> list[str]:
        literal = _literal(host)
        if literal is not None:
            if family in ("ipv4", "ipv6") and (":" in literal) is (family == "ipv4"):
                raise ResolveError(host, NO_ADDRESS, family)
            return [literal]
        answer = self._resolver.lookup(host, family)
        if answer.done() and answer.exception() is None:
            return answer.result()  # no query went out: there is nothing to time
        with trace.timed("dns"):
            return await answer

    async def _secure(
        self,
        poller: Poller,
        trace: Trace,
        connection: Connection,
        host: str,
        port: int,
        options: TlsOptions,
        alpn: tuple[str, ...],
    ) -> None:
        context = await self._contexts.get(options, alpn)
        name = options.server_name or host
        with trace.timed("tls") as span:
            try:
                tls = await connection.start_tls(context, name)
                span.idle = connection.idle
            except ssl.SSLCertVerificationError as error:
                chain = await self._look(poller, trace, port, options, name)
                raise CertificateError(blame(error.verify_code, error.verify_message, chain, name)) from error
        _keep(trace, tls)

    async def _look(self, poller: Poller, trace: Trace, port: int, options: TlsOptions, name: str) -> Sequence[bytes]:
        """The certificates of a server that we do not trust: OpenSSL kept none, so it is asked once more."""
        careless = await self._contexts.get(options.model_copy(update={"verify": False}))
        try:
            with await Connection.dial(poller, str(trace.facts["net.address"]), port, {}) as connection:
                tls = await connection.start_tls(careless, name)
                _keep(trace, tls)
                return presented_chain(tls)
        except (OSError, PeerError, EOFError):
            return ()


async def _dial(poller: Poller, trace: Trace, address: str, port: int, *, promptly: bool) -> Connection:
    facts = trace.facts
    facts["net.address"] = address
    facts["net.family"] = 6 if ":" in address else 4
    with trace.timed("connect") as span:
        connection = await Connection.dial(poller, address, port, facts, promptly=promptly, leg=trace.leg)
        span.since(connection.asked_at)
        span.arrived(connection.connected_at)
    trace.took_to_ask(connection.asking)
    if connection.slice and facts.get("timing") == "loop":
        trace.unsure += connection.slice  # that it stands is as old as our look
    return connection


def _keep(trace: Trace, tls: ssl.SSLObject) -> None:
    facts = trace.facts
    cipher = tls.cipher()
    facts["tls.version"] = tls.version() or ""
    facts["tls.cipher"] = cipher[0] if cipher else ""
    if alpn := tls.selected_alpn_protocol():
        facts["tls.alpn"] = alpn
    trace.leg.chain = presented = presented_chain(tls)
    facts.update(certificate_facts(presented, verified_chain(tls), time.time()))


@lru_cache(maxsize=4096)
def _literal(host: str) -> str | None:
    """The canonical form of an IP address; None for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None
