"""A job in tests: its rules, its standing, and what is told of it, minute by minute."""

from __future__ import annotations

from datetime import datetime

from checks.core.result import FailureKind, Result
from thresholds.heartbeat import Ping, Rules, Run, Signal, Stage, Standing
from thresholds.heartbeat_due import absent, configured, next_ms, passed, resumed
from thresholds.heartbeat_hear import hear
from thresholds.heartbeat_times import cron_times
from thresholds.heartbeat_turn import Step

DAY = round(datetime.fromisoformat("2026-11-02T00:00:00+00:00").timestamp() * 1000)
HOUR, MINUTE = 3_600_000, 60_000


def at(clock: str, day: int = 0) -> int:
    """Unix ms of `02:30` or `02:30:15` on the first day, or on a later one."""
    hours, minutes, seconds = [*map(int, clock.split(":")), 0][:3]
    return DAY + day * 86_400_000 + hours * HOUR + minutes * MINUTE + seconds * 1000


def nightly(**changes) -> Rules:
    """Every night at 02:30 UTC, begun within ten minutes, an hour long at most."""
    known = {"start_within": 600.0, "max_run": 3600.0, **changes}
    return Rules("backup/db", schedule="cron 30 2 * * * UTC", times=cron_times("30 2 * * *", "UTC"), **known)


def periodic(period: float = 3600.0, **changes) -> Rules:
    return Rules("sync", schedule=f"every {period:g}", period=period, **changes)


def stage(name: str, **by) -> Stage:
    return Stage(name, **by)


class Job:
    """Hears and waits; keeps every result, and every run as it was last."""

    def __init__(self, rules: Rules, since: str = "") -> None:
        """Configured at midnight; one that runs every so often at ten."""
        self.rules = rules
        self.standing: Standing = configured(rules, at(since or ("00:00" if rules.times else "10:00")))
        self.results: list[Result] = []
        self.runs: dict[int, Run] = {}

    def ping(self, when: str | int, signal: Signal = Signal.SUCCESS, rid: str = "", **more) -> Step:
        at_ms = when if isinstance(when, int) else at(when)
        return self._take(hear(self.rules, self.standing, Ping(at_ms, signal, rid, **more)))

    def start(self, when: str | int, rid: str = "") -> Step:
        return self.ping(when, Signal.START, rid)

    def fail(self, when: str | int, rid: str = "", **more) -> Step:
        return self.ping(when, Signal.FAIL, rid, **more)

    def stage(self, when: str | int, name: str, rid: str = "") -> Step:
        return self.ping(when, Signal.STAGE, rid, stage=name)

    def wait(self, until: str | int, day: int = 0) -> list[Result]:
        """What is told until then, in one go."""
        until_ms = until if isinstance(until, int) else at(until, day)
        before = len(self.results)
        while next_ms(self.rules, self.standing) <= until_ms:
            self._take(passed(self.rules, self.standing, until_ms))
        return self.results[before:]

    def away(self, since: str, until: str, day: int = 0) -> None:
        self.standing = absent(self.rules, self.standing, at(since, day), at(until, day))

    def paused(self, since: str, until: str) -> None:
        self.standing = resumed(self.rules, self.standing, at(since), at(until))

    def _take(self, step: Step) -> Step:
        self.standing = step.standing
        self.results += step.results
        self.runs.update((run.number, run) for run in step.runs)
        return step

    @property
    def told(self) -> list[str]:
        """`UP`, `DOWN reason`, `UNKNOWN reason`: one of each result."""
        return [said(result) for result in self.results]

    @property
    def well(self) -> bool:
        return not self.standing.troubles


def said(result: Result) -> str:
    if result.failure is None:
        return "UP"
    level = "UNKNOWN" if result.failure.kind is FailureKind.LOCAL else "DOWN"
    return f"{level} {result.failure.message}"
