"""Bearer tokens for checks: fetched by whoever needs one first, shared, kept until they expire, and never shown.

The way to a token endpoint is our own exchange, under the same network policy. What it costs a run is a phase of its
own, `auth`: nothing of it counts as the target's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from urllib.parse import quote

from checks.core.base import ExpectationError
from checks.core.classify import ClassifiedError, classify
from checks.core.exchange import Order
from checks.core.leg import Leg
from checks.core.net import Net
from checks.core.oauth import OAuth2, fetch
from checks.core.redact import MASK
from checks.core.result import Failure, Trace

_MARGIN = 30.0  # s before its end at which a token is not used any more: it has to arrive, and clocks differ
_GRACE = 0.25  # s for which a failed fetch is everybody's answer: a fleet must not storm an endpoint in trouble
_CONTENT = 60.0  # s for which a target that refuses a fresh token is believed
_STEM = 8  # characters by which a token is known, for excerpts cut it off
_SHORTEST = 4  # masking "a" would mask every text

Ask = Callable[[Order, Trace, Net], Awaitable[None]]


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A bearer token. `cached`: it was there before this run."""

    value: str
    cached: bool = False


async def authorized(options: OAuth2, order: Order, trace: Trace, net: Net, ask: Ask) -> None:
    """`ask` for `order` with a token. One that was cached and is refused (401) is replaced, once.

    What the target says is kept free of the token, whatever it sends back.
    """
    tokens = net.shared(Tokens)
    token = await tokens.get(options, trace, net)
    before = dict(trace.phases)
    try:
        try:
            await ask(_carrying(order, token), trace, net)
        except ExpectationError:
            if not (
                token.cached and trace.facts.get("http.status") == 401 and tokens.replaceable(options, token, trace)
            ):
                raise
        else:
            return
        _forget(trace, before)
        token = await tokens.get(options, trace, net, refused=token.value)
        await ask(_carrying(order, token), trace, net)
    except Exception as error:
        if trace.facts.get("http.status") == 401:
            tokens.believe(options, token, trace)
        if (clean := masked(str(error), token.value)) != str(error):
            raise ClassifiedError(replace(classify(error, trace), message=clean)) from None
        raise
    finally:
        for name, fact in trace.facts.items():
            if isinstance(fact, str):
                trace.facts[name] = masked(fact, token.value)


def masked(text: str, token: str) -> str:
    """`text` without the token, or the part of it that an excerpt left; also where it is percent-encoded."""
    forms = {token, quote(token, safe=""), quote(token, safe="/")}
    for stem in {form[:_STEM] for form in forms if len(form) >= _SHORTEST}:
        at = text.find(stem)
        while at >= 0:
            end = at + max(_shared(text[at:], form) for form in forms)
            text = text[:at] + MASK + text[end:]
            at = text.find(stem, at + len(MASK))
    return text


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with together."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _carrying(order: Order, token: Token) -> Order:
    request = replace(order.request, headers={**order.request.headers, "authorization": f"Bearer {token.value}"})
    return replace(order, request=request, payload=request.render())


def _forget(trace: Trace, before: dict[str, float]) -> None:
    """An exchange that an old token spoiled is a part of getting a new one."""
    wasted = sum(trace.phases.values()) - sum(before.values())
    trace.phases.clear()
    trace.phases.update(before)
    trace.phases["auth"] = trace.phases.get("auth", 0.0) + wasted
    for name in [name for name in trace.facts if name.startswith(("http.", "tls."))]:
        del trace.facts[name]
    trace.leg, trace.legs = Leg(), ()


class _Entry:
    """What is known under one set of options."""

    __slots__ = ("content_until", "failed_at", "failure", "fetching", "good_until", "value")

    def __init__(self) -> None:
        self.value = ""
        self.good_until = self.content_until = 0.0
        self.failure: Failure | None = None
        self.failed_at = 0.0
        self.fetching: asyncio.Future[None] | None = None


class Tokens:
    """The tokens of a process: fetched by whoever needs one first, shared by all with the same options."""

    def __init__(self) -> None:
        self._entries: dict[OAuth2, _Entry] = {}
        self._sweep_at = 256

    async def close(self) -> None:
        """The tokens go with the network that they were fetched over: after a reload its policy may be another."""
        self._entries.clear()

    async def get(self, options: OAuth2, trace: Trace, net: Net, refused: str = "") -> Token:
        """A token that is good, other than the `refused` one. Raises ClassifiedError in the phase `auth`."""
        entry = self._entries.get(options)
        if entry is None:
            entry = self._enter(options, trace.clock())
        if entry.value != refused and entry.good_until > trace.clock():
            return Token(entry.value, cached=True)
        with trace.timed("auth") as span:
            while entry.fetching is not None:
                await asyncio.shield(entry.fetching)  # of another run: whose end must not be ours, nor ours its
                if entry.value != refused and entry.good_until > trace.clock():
                    return Token(entry.value)
            if entry.failure is not None and trace.clock() - entry.failed_at < _GRACE:
                raise ClassifiedError(entry.failure)
            began = trace.clock()
            aside = Trace(trace.clock)
            value = await self._fetch(options, entry, aside, net)
            # As for the target, what our loop did in between is nobody's latency.
            span.idle = max(0.0, trace.clock() - began - aside.duration())
        return Token(value)

    def replaceable(self, options: OAuth2, token: Token, trace: Trace) -> bool:
        """Whether another token may help: nobody has just found that the target refuses fresh ones too."""
        entry = self._entries.get(options)
        return entry is None or entry.value != token.value or trace.clock() >= entry.content_until

    def believe(self, options: OAuth2, token: Token, trace: Trace) -> None:
        """The target refused a token that was fresh: the next one would fare no better."""
        entry = self._entries.get(options)
        if entry is not None and entry.value == token.value and not token.cached:
            entry.content_until = trace.clock() + _CONTENT

    async def _fetch(self, options: OAuth2, entry: _Entry, aside: Trace, net: Net) -> str:
        entry.fetching = asyncio.get_running_loop().create_future()
        try:
            value, lifetime = await fetch(options, aside, net)
        except ClassifiedError as error:
            entry.failure, entry.failed_at = error.failure, aside.clock()
            raise
        else:
            entry.value, entry.failure, entry.content_until = value, None, 0.0
            entry.good_until = aside.clock() + lifetime - min(_MARGIN, lifetime / 5)
            return value
        finally:
            # Also where this run is cut off: the next of those who wait fetches then.
            entry.fetching.set_result(None)
            entry.fetching = None

    def _enter(self, options: OAuth2, now: float) -> _Entry:
        if len(self._entries) >= self._sweep_at:
            self._entries = {key: one for key, one in self._entries.items() if one.fetching or one.good_until > now}
            self._sweep_at = max(256, 2 * len(self._entries))
        entry = self._entries[options] = _Entry()
        return entry
