"""How fast each channel may be told, as its owners have published it; and the paces that keep to it. Pure.

`delay` and `take` get the time from outside. What is counted together has one key: an app that reaches many people by
one token is one, to whomever it writes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from pydantic import SecretStr

from exporters.base import Notifier

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WRITTEN = re.compile(r"(\d{1,6})/(\d{0,6})([smh])")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in any `per` seconds. With `refill`, a burst of `count`, and one more every `refill` seconds."""

    count: int
    per: float
    refill: float = 0.0

    def __str__(self) -> str:
        if self.refill:
            return f"{self.count}, then one in {self.refill:g} s"
        return f"{self.count} in {self.per:g} s"


def parse_limit(text: str) -> Limit:
    """`20/m` is 20 in any minute, `5/2s` is 5 in any two seconds."""
    match = _WRITTEN.fullmatch(text.replace(" ", ""))
    if not match or not int(match[1]) or (match[2] and not int(match[2])):
        raise ValueError(f"{text!r} is no rate; write how many in which time, as in 1/s, 20/m or 5/2s")
    return Limit(int(match[1]), int(match[2] or 1) * _UNITS[match[3]])


@dataclass(frozen=True, slots=True)
class _Published:
    """A limit, and the settings that those have in common who share it."""

    limit: Limit
    shared: tuple[str, ...]
    groups: bool = False  # only of chats with several people


_BY_TYPE: Mapping[str, tuple[_Published, ...]] = {
    # docs.slack.dev, "Rate limits": one message per second and channel, for apps and for incoming webhooks.
    "slack": (_Published(Limit(1, 1.0), ("webhook", "token", "channel")),),
    # discord.com/developers, "Rate Limits" leaves the figures to the answers' headers; these are what webhooks' say:
    # 5 in 2 s, and 30 a minute for the channel.
    "discord": (_Published(Limit(5, 2.0), ("webhook",)), _Published(Limit(30, 60.0), ("webhook",))),
    # core.telegram.org/bots/faq, "My bot is hitting limits": one a second to a chat, 20 a minute to a group, about 30
    # a second in all.
    "telegram": (
        _Published(Limit(1, 1.0), ("token", "chat")),
        _Published(Limit(20, 60.0), ("token", "chat"), groups=True),
        _Published(Limit(30, 1.0), ("token",)),
    ),
    # learn.microsoft.com, "Create incoming webhooks": more than four requests a second are throttled.
    "teams": (_Published(Limit(4, 1.0), ("webhook",)),),
    # docs.ntfy.sh, "Rate limiting": 60 requests of a visitor, and one more every five seconds.
    "ntfy": (_Published(Limit(60, 300.0, refill=5.0), ("server", "token", "username")),),
    # support.pagerduty.com and its community's staff: 120 events a minute for an integration key.
    "pagerduty": (_Published(Limit(120, 60.0), ("routing_key",)),),
}


def limits_of(notifier: Notifier, own: tuple[Limit, ...] | None = None, name: str = "") -> Iterator[tuple[str, Limit]]:
    """What bounds a receiver, each by the key of what it is shared with.

    `own` is what the configuration says instead, for the receiver `name` and all that are derived from it.
    """
    kind = type(notifier).__module__.rpartition(".")[2]
    if own is not None:
        yield from ((f"{name.rpartition('/')[2]} {limit}", limit) for limit in own)
        return
    for published in _BY_TYPE.get(kind, ()):
        if not published.groups or str(getattr(notifier, "chat", "")).startswith(("-", "@")):
            yield f"{kind} {published.limit} {_digest(notifier, published.shared)}", published.limit


def _digest(notifier: Notifier, settings: tuple[str, ...]) -> str:
    """Tells those apart who share nothing; shows nobody what the settings are."""
    told = []
    for name in settings:
        value = getattr(notifier, name, None)
        told.append(value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    return sha256("\n".join(told).encode()).hexdigest()[:16]


class Pace:
    """What has been sent under one limit lately. Times are seconds of a clock that never goes back."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._sent: deque[float] = deque(maxlen=limit.count)
        self._empty_at = 0.0  # of a burst: when it would be used up, if there had never been more
        self._closed_until = 0.0

    def delay(self, now: float) -> float:
        """Seconds until one more may be sent."""
        return max(0.0, self._closed_until - now, self._refilled(now) if self._limit.refill else self._passed(now))

    def take(self, now: float) -> None:
        """One is being sent."""
        self._sent.append(now)
        self._empty_at = max(self._empty_at, now) + self._limit.refill

    def close(self, until: float) -> None:
        """Whoever sets the limit says that nothing more may be sent before."""
        self._closed_until = max(self._closed_until, until)

    def _passed(self, now: float) -> float:
        return self._sent[0] + self._limit.per - now if len(self._sent) == self._limit.count else 0.0

    def _refilled(self, now: float) -> float:
        return self._empty_at - now - (self._limit.count - 1) * self._limit.refill


class Paces:
    """The paces of all receivers, by what they share."""

    def __init__(self) -> None:
        self._by_key: dict[str, Pace] = {}

    def of(self, notifier: Notifier, own: tuple[Limit, ...] | None, name: str) -> tuple[Pace, ...]:
        """The paces that a receiver keeps; the same ones for as long as its settings are the same."""
        limits = dict(limits_of(notifier, own, name))
        return tuple(self._by_key.setdefault(key, Pace(limit)) for key, limit in limits.items())
