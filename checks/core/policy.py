"""Where probes may go: looked at after a name is resolved, on every hop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# Whoever can make a probe ask these gets the credentials of the machine that it runs on.
DEFAULT_DENY: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local: metadata of AWS, Google, Azure, Oracle, OpenStack, DigitalOcean and others
        "fe80::/10",  # link-local
        "fd00:ec2::254/128",  # AWS instance metadata
        "fd00:ec2::23/128",  # AWS EKS pod identity
        "fd20:ce::254/128",  # Google Cloud metadata
        "fd00:42::42/128",  # Scaleway metadata
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure's host agent
        "192.0.0.192/32",  # Oracle Cloud Classic metadata
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


class DeniedError(Exception):
    """The network policy forbids an address."""

    def __init__(self, address: str, rule: Network) -> None:
        super().__init__(f"{address} is denied by the network policy ({rule}); network.allow makes an exception")
        self.address = address
        self.rule = rule


def check_address(address: str, deny: Sequence[Network] | None = None, allow: Sequence[Network] = ()) -> None:
    """Raise DeniedError where a probe must not go. `deny` None is DEFAULT_DENY; `allow` wins over `deny`."""
    rule = denied_by(address, DEFAULT_DENY if deny is None else deny, allow)
    if rule is not None:
        raise DeniedError(address, rule)


def denied_by(address: str, deny: Sequence[Network], allow: Sequence[Network]) -> Network | None:
    """The first rule of `deny` that holds an IP address, or the IPv4 address inside it, and is not excepted."""
    for form in _forms(address):
        if any(_holds(network, form) for network in allow):
            continue
        for network in deny:
            if _holds(network, form):
                return network
    return None


def _holds(network: Network, address: IPv4Address | IPv6Address) -> bool:
    return network.version == address.version and address in network


@lru_cache(maxsize=4096)
def _forms(address: str) -> tuple[IPv4Address | IPv6Address, ...]:
    """What packets to an address may arrive at: itself, and the address that is wrapped in it."""
    outer = ip_address(address)
    if outer.is_unspecified:
        # Linux connects 0.0.0.0 and :: to this machine.
        return outer, IPv4Address("127.0.0.1"), IPv6Address("::1")
    if isinstance(outer, IPv4Address):
        return (outer,)
    if outer.ipv4_mapped is not None:
        return (outer.ipv4_mapped,)
    inner = outer.sixtofour or (IPv4Address(int(outer) & 0xFFFFFFFF) if outer in _NAT64 else None)
    return (outer, inner) if inner is not None else (outer,)


class Policy:
    """`deny` with its exceptions; remembers what it said of an address."""

    def __init__(self, deny: Sequence[Network] | None = None, allow: Sequence[Network] = ()) -> None:
        self._deny = DEFAULT_DENY if deny is None else tuple(deny)
        self._allow = tuple(allow)
        self._rule = lru_cache(maxsize=4096)(self._look)

    def permitted(self, addresses: Sequence[str]) -> list[str]:
        """Those that a probe may go to; raises DeniedError when none is left of them."""
        found = [address for address in addresses if self._rule(address) is None]
        if not found and (rule := self._rule(addresses[0])) is not None:
            raise DeniedError(addresses[0], rule)
        return found

    def _look(self, address: str) -> Network | None:
        return denied_by(address, self._deny, self._allow)
