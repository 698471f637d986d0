"""The part of the store that keeps jobs which report to us. What follows from what they say is probe.engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from checks.core import wire
from checks.core.result import Result
from probe.store.batch import Change
from probe.store.beats import Beat, Said
from probe.store.driver import Driver, legible
from probe.store.rows import Row
from probe.store.statements import SQL
from probe.store.texts import to_json, to_text
from thresholds.heartbeat import Run, Signal, Standing

_standings = msgspec.json.Decoder(Standing)
_runs = msgspec.json.Decoder(Run)


class SqlHeartbeats:
    """probe.store.beats.Beats over a driver."""

    _driver: Driver

    async def beat(self, beat: Beat) -> None:
        names = {*beat.standings, *(check for check, _ in beat.runs), *(one.check for one in beat.said)}
        standings = [(to_text(name), one.heard_ms, to_json(one)) for name, one in beat.standings.items()]
        changes: list[Change] = [
            (SQL["know_check"], [(to_text(name),) for name in sorted(names)]),
            (SQL["set_heartbeat"], standings),
            (SQL["set_job_run"], [_run_row(check, run) for check, run in beat.runs]),
            (SQL["add_ping"], [_said_row(one) for one in beat.said]),
            (SQL["owe_result"], [(to_text(one.check), one.at_ms, wire.encode(one)) for one in beat.owed]),
            (SQL["set_beat"], [(beat.at_ms,)] if beat.at_ms else []),
            (SQL["settle_owed"], [()] if beat.at_ms else []),
        ]
        if changes := [change for change in changes if change[1]]:
            await self._driver.write(changes)

    async def standings(self) -> Mapping[str, Standing]:
        found = await self._driver.read(SQL["heartbeats"])
        with legible():
            return {str(name): _standings.decode(body) for name, body in found}

    async def owed_results(self) -> Sequence[Result]:
        found = await self._driver.read(SQL["owed_results"])
        with legible():
            return [wire.decode(body) for (body,) in found]

    async def last_beat(self) -> int:
        found = await self._driver.read(SQL["last_beat"])
        return int(found[0][0]) if found else 0

    async def job_runs(self, check: str, limit: int, before: int = 1 << 53) -> Sequence[Run]:
        found = await self._driver.read(SQL["job_runs"], (to_text(check), before, limit))
        with legible():
            return [_runs.decode(body) for (body,) in found]

    async def job_pings(self, check: str, first: int, last: int, limit: int) -> Sequence[Said]:
        found = await self._driver.read(SQL["pings"], (to_text(check), first, last, limit))
        with legible():
            return [
                Said(check, at_ms, Signal(signal), run, stage, exit_, source, method, body)
                for run, at_ms, signal, stage, exit_, source, method, body in found
            ]

    async def prune_jobs(self, runs: int, bodies: int, before_ms: int) -> None:
        await self._driver.write(
            [
                (SQL["prune_job_runs"], [(runs,)]),
                (SQL["prune_pings"], [()]),
                (SQL["prune_stray_pings"], [(before_ms,)]),
                (SQL["empty_pings"], [(bodies,)]),
            ]
        )


def _run_row(check: str, run: Run) -> Row:
    return to_text(check), run.number, to_text(run.rid), run.began_ms, run.ended_ms, run.outcome.value, to_json(run)


def _said_row(one: Said) -> Row:
    texts = (to_text(text) for text in (one.source, one.method, one.body))
    return to_text(one.check), one.run, one.at_ms, one.signal.value, to_text(one.stage), one.exit, *texts
