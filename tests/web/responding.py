"""A stand whose failures become incidents that somebody is told of, and that people act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from checks.core.result import Failure
from exporters.alerting.links import Link, signed
from exporters.alerting.settings import Settings
from exporters.oncall.roster import Roster
from exporters.route import Route
from probe.engine.dispatch import silences_of
from tests.engine.incidents import Silent
from tests.web.stand import REFUSED, Stand

KEY = b"of this service alone, 32 bytes."
CHAT = (Route(("chat",), name="route 1"),)
NOW = 1_700_000_000_000  # 2023-11-14T22:13:20Z: date -u -d @1700000000
MIN = 60_000
HOUR = 60 * MIN
DAY = 24 * HOUR


def equip(
    stand: Stand,
    *routes: Route,
    receivers: Sequence[str] = ("chat", "mail"),
    roster: Roster | None = None,
    settings: Settings | None = None,
) -> None:
    """Let failures be told as routes say, and silences and links work as in the service."""
    config = replace(
        stand.service.config,
        receivers=dict.fromkeys(receivers, Silent()),
        routes=routes or CHAT,
        roster=roster or Roster(),
        alerting=settings or Settings(),
        url="https://probe.example",
    )
    stand.service.config = config
    stand.service.duty.roster = config.roster
    stand.dispatcher.configure(config)
    stand.dispatcher.held.silences = lambda: silences_of(stand.judgement.upkeep.announced())
    stand.service.response.key = KEY


async def fail(stand: Stand, *checks: str, **more: Any) -> None:
    """Let checks fail, one ten seconds after the other, and keep what is decided."""
    for check in checks:
        await run(stand, check, REFUSED, **more)
    await stand.keep()


async def recover(stand: Stand, *checks: str) -> None:
    for check in checks:
        await run(stand, check)
    await stand.keep()


async def run(stand: Stand, check: str, failure: Failure | None = None, **more: Any) -> None:
    await stand.clock.advance(10.0)
    stand.clock.step_wall(-10_000)  # which the stand's own step makes up for: both clocks go on alike
    stand.run(check, failure, **more)


async def tick(stand: Stand, seconds: float = 0.0) -> None:
    """Let time pass by the steady clock, and look at what is due."""
    await stand.clock.advance(seconds)
    act = stand.dispatcher.tick()
    if act is not None:
        await stand.store.append([act])


def link(deed: str = "acknowledge", number: int = 1, who: str = "ana", lasts: int = DAY, **more: Any) -> str:
    """The path of a link, as a message has it."""
    key = more.pop("key", KEY)
    nonce, via = more.pop("nonce", "msg_1"), more.pop("via", "")
    return f"/act/{signed(Link(deed, number, who, more.pop('since', NOW) + lasts, nonce, via), key)}"


async def post(client: Any, path: str, value: Any = None, status: int = 200) -> Any:
    answer = await client.post(path, json=value) if value is not None else await client.post(path)
    assert answer.content_type == "application/json"
    assert answer.status == status, await answer.text()
    return await answer.json()


async def read(client: Any, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.json()
