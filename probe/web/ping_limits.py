"""How many pings are taken: of each heartbeat, and of those who know no key. Neither grows with whoever comes."""

from __future__ import annotations

import math
from array import array
from ipaddress import IPv6Address, ip_address

from probe.clock import Clock
from probe.web.ping_keys import digest

_BURST = 60.0  # s of a rate that may come at once
_LEAST = 10.0  # pings that always may
_SLOTS = 4096  # for all addresses there are: two in one slot share their mistakes
_MISTAKES = 20.0  # that may come at once
_FORGIVEN = 10 / 60  # mistakes/s


class Bucket:
    """Tokens that come back at a rate; a request takes one."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = math.inf
        self._at = 0.0

    def wait(self, now: float, rate: float) -> float:
        """0 where one may go on; else the seconds until the next may."""
        most = max(_LEAST, rate * _BURST)
        self._left = min(most, self._left + (now - self._at) * rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / rate
        self._left -= 1
        return 0.0


class Strangers:
    """Those who come with keys that nobody has, by their addresses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent = array("d", bytes(8 * _SLOTS))
        self._at = array("d", bytes(8 * _SLOTS))

    def wait(self, address: str) -> float:
        """Count a mistake. 0 where it may be answered; else the seconds until the next one is."""
        slot = int.from_bytes(digest(_network(address))[:4], "big") % _SLOTS
        now = self._clock.monotonic()
        spent = max(0.0, self._spent[slot] - (now - self._at[slot]) * _FORGIVEN)
        self._at[slot] = now
        self._spent[slot] = min(spent + 1, _MISTAKES + 1)
        return 0.0 if spent + 1 <= _MISTAKES else (spent + 1 - _MISTAKES) / _FORGIVEN


def _network(address: str) -> str:
    """The address; of IPv6 the network, of which one machine has all addresses."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(found.exploded[:19]) if isinstance(found, IPv6Address) else str(found)
