"""Tells others, again and again, that Probe is at work: whoever misses that knows that it is not.

Only while it is well. When it is not, its silence speaks, or a word of its own where somebody listens for one. Every
address has a task of its own, that nothing else waits for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from checks.core.units import format_duration
from exporters.answer import accept
from exporters.base import NotifyError, Post, Response
from exporters.message import one_line, rfc3339
from exporters.notifiers.alertmanager import Alert, Alertmanager
from exporters.receiver import hidden_parts, plain_headers
from probe.clock import Clock
from probe.config.watch import Alive, Ping, Watch
from probe.engine.knock import Get
from probe.engine.waiting import sleep_or

log = logging.getLogger(__name__)

_SOON = 15.0  # s until the first word, and until one that nobody took is repeated: what starts and falls is not well
_APART = 2.0  # s between two words, however often it gets well and unwell
_LIFETIMES = 4  # words that may be lost before the alert ends by itself
_LONGEST = 1000  # characters of a reason
_SAID = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Heard:
    """What became of the words to one address."""

    last_ms: int = 0  # Unix ms of the last that was taken; 0: none was
    failures: int = 0
    withheld: int = 0  # not said, because Probe was not well
    trouble: str = ""  # why the last one was not taken


class Listener(Protocol):
    """Somebody who hears that Probe is at work."""

    @property
    def name(self) -> str: ...
    @property
    def every(self) -> float:
        """Seconds between two words."""

    async def well(self) -> None:
        """Say that it is. Raises NotifyError."""

    async def unwell(self, reason: str) -> bool:
        """Say that it is not, where somebody listens for that; whether it was said. Raises NotifyError."""


class Address:
    """An address that expects a request from time to time."""

    def __init__(self, name: str, ping: Ping, post: Post, get: Get) -> None:
        self.name, self.every = name, ping.every
        self._ping = ping
        self._post = post
        self._get = get

    async def well(self) -> None:
        url, headers = self._ping.url.get_secret_value(), plain_headers(self._ping.headers)
        said = self._post(url, b"", headers) if self._ping.method == "post" else self._get(url, headers)
        await self._taken(url, said)

    async def unwell(self, reason: str) -> bool:
        if self._ping.fail_url is None:
            return False
        url = self._ping.fail_url.get_secret_value()
        headers = {**plain_headers(self._ping.headers), "Content-Type": _SAID}
        await self._taken(url, self._post(url, reason.encode(), headers))
        return True

    async def _taken(self, url: str, said: Awaitable[Response]) -> None:
        hidden = (*hidden_parts(url), *plain_headers(self._ping.headers).values())
        try:
            async with asyncio.timeout(self._ping.timeout):
                response = await said
        except TimeoutError:
            raise NotifyError(f"{self._ping.host}: no answer within {format_duration(self._ping.timeout)}") from None
        accept(response, self._ping.host, hidden)


class _Peers(Alertmanager):
    """An Alertmanager that is told of an alert of ours, and not of a notice."""

    async def tell(self, alert: Alert, post: Post) -> None:
        """Return when one peer took it. Raises NotifyError."""
        body = msgspec.json.encode([alert])
        answers = await asyncio.gather(*(self._tell(url, [body], post) for url in self.urls))
        failures = [answer for answer in answers if answer is not None]
        if len(failures) == len(self.urls):
            raise NotifyError("; ".join(map(str, failures)))
        for failure in failures:
            log.warning("%s; another peer took it", failure)


class Firing:
    """An alert that always fires."""

    def __init__(self, alive: Alive, instance: str, clock: Clock, post: Post) -> None:
        self.name, self.every = "alertmanager", alive.every
        self._labels = {**alive.labels, "alertname": alive.name, "probe": instance}
        self._peers = alive.receiver(_Peers)
        self._clock = clock
        self._post = post
        self._began = rfc3339(clock.now_ms())

    async def well(self) -> None:
        texts = {
            "summary": f"Probe {self._labels['probe']} is at work",
            "description": "It fires for as long as Probe is well. Nobody looks after what Probe watches once it ends.",
        }
        ends_ms = self._clock.now_ms() + round(_LIFETIMES * self.every * 1000)
        await self._tell(Alert(self._labels, texts, self._began, rfc3339(ends_ms)))

    async def unwell(self, reason: str) -> bool:  # noqa: ARG002  # its end says it
        return False

    async def _tell(self, alert: Alert) -> None:
        assert isinstance(self._peers, _Peers)
        await self._peers.tell(alert, self._post)


@dataclass(slots=True)
class _Round:
    """One listener, and when it is told next."""

    listener: Listener
    due: float
    news: asyncio.Event = field(default_factory=asyncio.Event)
    said: str | None = None  # what it was told last: why Probe is not well, or "" for well


class Deadman:
    """Keeps all listeners told. `trouble` says why Probe is not well, or ""."""

    def __init__(
        self, clock: Clock, post: Post, get: Get, trouble: Callable[[], str], redact: Callable[[str], str]
    ) -> None:
        self._clock = clock
        self._post = post
        self._get = get
        self._trouble = trouble
        self._redact = redact
        self._rounds: list[_Round] = []
        self._changed = asyncio.Event()
        self._watch: tuple[Watch, str] | None = None
        self.heard: dict[str, Heard] = {}  # by listener

    def configure(self, watch: Watch, instance: str) -> None:
        """Tell exactly these from now on. Those that stay are told when they are due."""
        if (watch, instance) == self._watch:
            return
        self._watch = watch, instance
        due = {one.listener.name: one.due for one in self._rounds}
        soon = self._clock.monotonic()
        self._rounds = [
            _Round(one, due.get(one.name, soon + min(one.every, _SOON))) for one in self._listeners(watch, instance)
        ]
        self.heard = {one.listener.name: self.heard.get(one.listener.name, Heard()) for one in self._rounds}
        self._changed.set()

    def stir(self) -> None:
        """Probe has become well or unwell: say so soon."""
        for one in self._rounds:
            one.news.set()

    def unheard(self) -> Mapping[str, str]:
        """Why the last word was not taken, by listener; "" where it was."""
        return {name: heard.trouble for name, heard in self.heard.items()}

    async def run(self) -> None:
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._keep(one), name=one.listener.name) for one in self._rounds]
                await self._changed.wait()
                for task in running:
                    task.cancel()

    def _listeners(self, watch: Watch, instance: str) -> Sequence[Listener]:
        names = _named(ping.name or ping.host for ping in watch.ping)
        found: list[Listener] = [
            Address(name, ping, self._post, self._get) for name, ping in zip(names, watch.ping, strict=True)
        ]
        if watch.alertmanager is not None:
            found.append(Firing(watch.alertmanager, instance, self._clock, self._post))
        return found

    async def _keep(self, one: _Round) -> None:
        """Tell one listener, for ever."""
        while True:
            await sleep_or(self._clock, one.due - self._clock.monotonic(), one.news)
            one.news.clear()  # before it is told: what comes meanwhile is told next
            if one.said is None and self._clock.monotonic() < one.due:
                continue  # what has not been well for a while yet is not said to be
            began = self._clock.monotonic()
            taken = await self._tell(one)
            wait = one.listener.every if taken else min(one.listener.every, _SOON)
            one.due = began + wait
            await self._clock.sleep(min(_APART, wait))

    async def _tell(self, one: _Round) -> bool:
        """Say how Probe is; False where it was not taken."""
        heard, name = self.heard[one.listener.name], one.listener.name
        reason = one_line(self._redact(self._trouble()), _LONGEST)
        if bool(reason) is not bool(one.said):
            log.warning("%s: Probe is %s", name, f"not well: {reason}" if reason else "well")
        one.said = reason
        try:
            said = await one.listener.unwell(reason) if reason else True
            if not reason:
                await one.listener.well()
        except NotifyError as error:
            self._failed(name, heard, str(error))
            return False
        except Exception as error:  # a bug here must not end what it watches
            log.exception("%s: bug while telling it", name)
            self._failed(name, heard, f"bug: {type(error).__name__}")
            return False
        if reason:
            heard.withheld += 1
        else:
            heard.last_ms = self._clock.now_ms()
        heard.trouble = heard.trouble if reason and not said else ""
        return True

    def _failed(self, name: str, heard: Heard, why: str) -> None:
        why = self._redact(why)
        if why != heard.trouble:
            log.warning("%s did not take our word: %s", name, why)
        heard.failures += 1
        heard.trouble = why


def _named(names: Iterable[str]) -> list[str]:
    """Each name once: `hc.example`, `hc.example 2`."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else f"{name} {counts[name]}")
    return found
