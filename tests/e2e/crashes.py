"""One incident from its opening to its end, told by a service that is killed on the way in each of its phases."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.faults.sitecustomize import phase_of
from tests.e2e.launching import Launched, Launcher
from tests.e2e.processes import free_port, until
from tests.e2e.receiving import CHANNELS, CONTACTS, Heard, Receivers, receivers_section

PHASES = ("opening", "step", "acknowledgement", "end")
_DEADLINE = 90.0  # s for each thing that is waited for
CONFIG = """
instance: matrix
listen: 127.0.0.1:{port}
url: https://probe.example
store: sqlite:probe.db
workers: 0
defaults: {{every: 250ms, timeout: 5s, confirm: {{retries: 0}}, down_after: 1, up_after: 1, flap: off}}
services: {{shop: {{owner: team-shop, runbook: "https://wiki.example/shop", labels: {{tier: "1"}}}}}}
checks:
  shop/home: {{service: shop, http: {{url: "http://127.0.0.1:{site}/page"}}}}
users:
  ana: {{contacts: {contacts}}}
escalations:
  prodops:
    steps:
      - {{notify: [{channels}]}}
      - {{notify: ["user:ana"], after: {after}}}
alerts:
  reopen_within: 0s
  receivers: {receivers}
  routes: [{{to: ["escalation:prodops"]}}]
  self: [hook]
"""


class Passes(Enum):
    """How many of those who are told come to a point before the process ends there."""

    FIRST = "first"
    HALF = "half"  # of them; the others are under way, or done
    ALL = "all"  # they wait for each other


@dataclass(frozen=True)
class Point:
    """A point on the way of a notice. `stored`: it is in the file by then. `heard`, `settled`: who is that far."""

    name: str
    passes: Passes = Passes.FIRST
    stored: bool = True
    heard: str = "none"  # or some, or all; "any" where nobody can tell
    settled: str = "none"

    def fault(self, phase: str, mark: Path) -> str:
        audience_size = len(audience(phase))
        count = {Passes.FIRST: 1, Passes.HALF: audience_size // 2, Passes.ALL: audience_size}[self.passes]
        return f"{self.name} {phase} {count} {mark}" + (" hold" if self.passes is Passes.ALL else "")

    def __str__(self) -> str:
        return self.name if self.passes is not Passes.HALF else f"{self.name}-half"


@dataclass(frozen=True)
class Owed:
    """One delivery as the store has it."""

    receiver: str
    kind: str
    outcome: str

    @property
    def phase(self) -> str:
        return phase_of(self.kind, self.receiver)


@dataclass(frozen=True)
class Crash:
    """How things were when the process was dead."""

    phase: str
    point: str  # as the process wrote it down just before
    code: int
    deliveries: tuple[Owed, ...]
    heard: tuple[Heard, ...]

    def owed(self) -> list[Owed]:
        """The deliveries of its phase."""
        return [one for one in self.deliveries if one.phase == self.phase]

    def told(self) -> set[str]:
        """Who had heard of its phase."""
        return {one.receiver for one in self.heard if phase_of(one.kind, one.receiver) == self.phase}


@dataclass
class Story:
    """The service, its receivers, and what happened."""

    folder: Path
    receivers: Receivers
    session: aiohttp.ClientSession
    launcher: Launcher
    port: int = field(default_factory=free_port)
    crashes: list[Crash] = field(default_factory=list)
    deliveries: tuple[Owed, ...] = ()
    answers: list[bool] = field(default_factory=list)  # whether an acknowledgement was answered with OK
    process: Launched | None = None

    def write(self, after: str = "1h") -> None:
        """The configuration; people are told in a second step, `after` the first."""
        text = CONFIG.format(
            port=self.port,
            site=self.receivers.port,
            contacts="{" + ", ".join(f'{name}: "{address}"' for name, address in CONTACTS.items()) + "}",
            channels=", ".join(CHANNELS),
            receivers=receivers_section(self.receivers),
            after=after,
        )
        (self.folder / "probe.yml").write_text(text)

    async def start(self, fault: str = "") -> None:
        command = ["run", str(self.folder / "probe.yml"), "--plain"]
        self.process = await self.launcher.start(command, self.folder / "probe.log", fault)

    async def ready(self) -> bool:
        self.alive()
        async with self.session.get(f"http://127.0.0.1:{self.port}/-/ready") as answer:
            return answer.status == 200

    async def post(self, path: str, **content: Any) -> int:
        """The status of the answer; 0 where there is none."""
        try:
            async with self.session.post(f"http://127.0.0.1:{self.port}{path}", json=content) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        try:
            with sqlite3.connect(f"file:{self.folder / 'probe.db'}?mode=ro", uri=True) as database:
                found = database.execute(statement).fetchall()
        except sqlite3.OperationalError:  # not there yet
            return []
        database.close()
        return found

    def stored(self) -> tuple[Owed, ...]:
        """All deliveries in the order in which they were decided."""
        return tuple(
            Owed(*row)
            for row in self.rows(
                "SELECT d.receiver, n.body ->> 'kind', d.outcome FROM deliveries AS d JOIN notices AS n"
                " ON n.seq = d.notice_seq WHERE n.incident LIKE 'shop/home@%' ORDER BY n.seq, d.receiver"
            )
        )

    def over(self, phase: str) -> bool:
        """Whether all that there is to be told of a phase is told, and written down."""
        deliveries = self.stored()
        mine = {one.receiver for one in deliveries if one.phase == phase}
        return mine == audience(phase) and all(one.outcome != "pending" for one in deliveries)

    async def until_over(self, phase: str) -> None:
        async def over() -> bool:
            self.alive()
            return self.over(phase)

        await until(over, f"the {phase} is told and written down", _DEADLINE)

    def alive(self) -> None:
        assert self.process is not None
        assert self.process.running, self.process.output()[-3000:]

    async def is_up(self) -> bool:
        self.alive()
        async with self.session.get(f"http://127.0.0.1:{self.port}/api/v1/checks/shop/home") as answer:
            return answer.status == 200 and (await answer.json())["level"] == "up"

    # The phases.

    async def move(self, phase: str) -> None:
        """Let happen what a phase tells of, unless it has happened."""
        match phase:
            case "opening":
                self.receivers.page = 503
            case "step":
                self.write(after="0s")
                await self.post("/-/reload")
            case "acknowledgement":
                ((number,),) = self.rows("SELECT number FROM incidents WHERE id LIKE 'shop/home@%'")
                status = await self.post(f"/api/v1/incidents/{number}/acknowledge", author="ana")
                self.answers.append(status == 200)
            case "end":
                self.receivers.page = 200

    async def crash(self, phase: str, point: Point) -> None:
        """Start the service, let it come to the point in the phase, and see it die there."""
        mark = self.folder / f"{phase}.fault"
        await self.start(point.fault(phase, mark))
        assert self.process is not None
        if phase == PHASES[0]:
            await until(self.is_up, "the site is up", _DEADLINE)
        else:
            await self.settle(PHASES[PHASES.index(phase) - 1])
        await self.move(phase)
        code = await self.process.ended(_DEADLINE)
        said = mark.read_text().strip() if mark.exists() else ""
        self.receivers.count()
        self.crashes.append(Crash(phase, said, code, self.stored(), tuple(self.receivers.heard)))

    async def settle(self, phase: str) -> None:
        """After a crash in a phase: do again what somebody asked for without an answer, and see all told."""
        await until(self.ready, "the service is ready again", _DEADLINE)
        known = bool(self.rows("SELECT 1 FROM happenings WHERE deed = 'acknowledged'"))
        if phase == "acknowledgement" and not known:
            await self.move(phase)
            assert self.answers[-1], "it is done at last"
        await self.until_over(phase)

    async def finish(self) -> None:
        await self.start()
        await self.settle(PHASES[-1])
        self.deliveries = self.stored()
        assert self.process is not None
        assert await self.process.end(signal.SIGTERM) == 0, self.process.output()[-3000:]


def audience(phase: str) -> set[str]:
    """Who is to be told in a phase."""
    people = {f"ana/{name}" for name in CONTACTS}
    return {"opening": {*CHANNELS}, "step": people}.get(phase, {*CHANNELS, *people})


@asynccontextmanager
async def staged(folder: Path, launcher: Launcher) -> AsyncIterator[Story]:
    folder.mkdir()
    async with AsyncExitStack() as stack:
        receivers = Receivers(folder)
        await stack.enter_async_context(receivers.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        story = Story(folder, receivers, session, launcher)
        story.write()
        try:
            yield story
        finally:
            if story.process is not None and story.process.running:
                await story.process.end(signal.SIGKILL)


async def played(folder: Path, launcher: Launcher, point: Point) -> Story:
    """The whole story: killed at one point in each of the phases, started again, and ended."""
    async with staged(folder, launcher) as story:
        for phase in PHASES:
            await story.crash(phase, point)
        await story.finish()
        return story
