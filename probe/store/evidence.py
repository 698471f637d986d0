"""The part of the store that keeps what failing runs saw: few, compressed, and bounded for each check."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

from checks.core.evidence import LARGEST, Evidence, of_json, to_json
from probe.store.batch import Change, Run
from probe.store.driver import Driver, legible
from probe.store.exhibits import PER_CHECK, Exhibit
from probe.store.rows import Row
from probe.store.statements import SQL
from probe.store.texts import to_text

_LEVEL = 6  # a third of the size; done beside the event loop
_UNPACKED = 4 * LARGEST  # bytes that a row may unfold to


class SqlEvidence:
    """`Exhibits` over a driver."""

    _driver: Driver

    async def evidence(self, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Exhibit]:
        found = await self._driver.read(SQL["evidence"], (to_text(check), since_ms, until_ms, limit))
        with legible():
            return [Exhibit(check, at_ms, attempt, unpack(body)) for at_ms, attempt, body in reversed(found)]

    async def prune_evidence(self, before_ms: int, limit: int, *, spare: bool = True) -> int:
        # Looked for by the connection that reads: it may take a while, and no write is to wait for it.
        found = await self._driver.read(SQL["stale_evidence" if spare else "old_evidence"], (before_ms, limit))
        if not found:
            return 0
        (deleted,) = await self._driver.write([(SQL["delete_evidence"], [(number,) for (number,) in found])])
        await self._driver.size(shrink=True)
        return deleted

    async def oldest_evidence(self) -> int | None:
        ((at_ms,),) = await self._driver.read(SQL["oldest_evidence"])
        return None if at_ms is None else int(at_ms)


async def evidence_changes(runs: Sequence[Run]) -> Sequence[Change]:
    """What a batch of runs brings of evidence, for the transaction that writes them."""
    found = [(entry.verdict.result, check.id, entry.evidence) for entry, check, _ in runs if entry.evidence is not None]
    if not found:
        return ()
    bodies = await asyncio.to_thread(_packed, [evidence for _, _, evidence in found])
    rows: list[Row] = [
        (check, result.at_ms, result.attempt, body) for (result, check, _), body in zip(found, bodies, strict=True)
    ]
    checks = dict.fromkeys(check for _, check, _ in found)
    return (
        (SQL["add_evidence"], rows),
        (SQL["bound_evidence"], [(check, PER_CHECK) for check in checks]),
    )


def _packed(pieces: Sequence[Evidence]) -> list[bytes]:
    return [zlib.compress(to_json(evidence), _LEVEL) for evidence in pieces]


def unpack(body: bytes) -> Evidence:
    """Raises ValueError or msgspec.MsgspecError where it is not as this version writes it."""
    try:
        return of_json(zlib.decompressobj().decompress(body, _UNPACKED))
    except zlib.error as error:
        raise ValueError(f"evidence does not unfold: {error}") from None
