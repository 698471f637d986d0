"""How every check stood, as far back as anybody asks: its transitions and gaps in memory, its timeline when asked."""

from __future__ import annotations

from collections.abc import Sequence

from probe.store.base import Store
from thresholds.base import Transition
from thresholds.spans import Span, Spans
from thresholds.timeline import Edge, Interval, edges_of, surviving, timeline

_FOREVER = 1 << 53
_MOST = 1_000_000  # transitions that are read at once


class Chronicle:
    """Edges and gaps by check: read once, then told of as they happen."""

    def __init__(self) -> None:
        self._edges: dict[str, list[Edge]] = {}
        self._gaps: dict[str, list[Span]] = {}
        self.since_ms = 0  # Unix ms: before it nothing is known here

    async def read(self, store: Store, since_ms: int) -> None:
        """Know what the store knows from an instant on; what was told meanwhile stays. Raises StoreError."""
        until_ms = self.since_ms or _FOREVER
        moves = [*await store.standing(since_ms), *await store.transitions(None, since_ms, until_ms, _MOST)]
        gaps = await store.gaps(since_ms, until_ms)
        edges_after, gaps_after = self._edges, self._gaps
        self._edges, self._gaps, self.since_ms = {}, {}, since_ms
        for move in moves:
            self.moved(move)
        for check, edges in edges_after.items():
            self._edges.setdefault(check, []).extend(edges)
        for check in {*gaps, *gaps_after}:
            self._gaps[check] = [*gaps.get(check, ()), *gaps_after.get(check, ())]

    def moved(self, transition: Transition) -> None:
        self._edges.setdefault(transition.check, []).extend(edges_of((transition,)))

    def unseen(self, check: str, gap: Span) -> None:
        self._gaps.setdefault(check, []).append(gap)

    def edges(self, check: str) -> Sequence[Edge]:
        return self._edges.get(check, ())

    def forget(self, before_ms: int) -> None:
        """Drop what lies before an instant; of each check the edge that holds there stays."""
        for check, edges in self._edges.items():
            standing = surviving(edges)
            older = sum(edge.since_ms <= before_ms for edge in standing)
            self._edges[check] = standing[max(0, older - 1) :]
        for check, gaps in self._gaps.items():
            self._gaps[check] = [gap for gap in gaps if gap[1] > before_ms]
        self.since_ms = max(self.since_ms, before_ms)

    def timeline(
        self,
        check: str,
        window: Span,
        *,
        seen_until_ms: int,
        hours: Spans | None = None,
        planned: Spans = (),
        paused: Spans = (),
        excluded: Spans = (),
    ) -> list[Interval]:
        """How a check stood at every instant of a window; see thresholds.timeline."""
        return timeline(
            self._edges.get(check, ()),
            self._gaps.get(check, ()),
            window,
            seen_until_ms=seen_until_ms,
            paused=paused,
            hours=hours,
            planned=planned,
            excluded=excluded,
        )
