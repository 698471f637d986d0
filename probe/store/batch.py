"""What a batch of entries changes, table by table, given what is known to be stored. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from probe.store import rows
from probe.store.act import ActRows
from probe.store.base import Act, Entry
from probe.store.rows import Row
from probe.store.shapes import Mould
from probe.store.statements import SQL
from probe.store.texts import to_text
from thresholds.base import State
from thresholds.rollup import FIVE_MINUTES, begin

Change = tuple[str, Sequence[Row]]  # a statement, and the values of each time that it is run


class Known:
    """What is surely stored of a check."""

    __slots__ = ("id", "mould", "state")

    def __init__(self) -> None:
        self.id = 0
        self.mould: Mould | None = None  # of its last run
        self.state: State | None = None  # the last one, and that very object


Run = tuple[Entry, Known, Mould]


class Batch:
    """The rows that entries become, by table. A state that is stored is not written again.

    `sealed_ms`: results of before it were rolled up already; their buckets must be made again.
    """

    def __init__(self, sealed_ms: int = 0) -> None:
        self._sealed_ms = sealed_ms
        self._late: set[tuple[int, int]] = set()  # a bucket and a check
        self._results: list[Row] = []
        self._states: dict[int, Row] = {}  # by check: the last entry decides
        self._gaps: list[Row] = []
        self._transitions: list[Row] = []
        self._notices: list[Row] = []
        self._deliveries: list[Row] = []
        self._after: dict[Known, State] = {}
        self._acts = ActRows()

    def act(self, act: Act) -> None:
        """Take what was decided about incidents."""
        self._acts.add(act)
        for notice, receivers in act.notices:
            self._notices.append(rows.notice_row(notice))
            self._deliveries += [(notice.id, to_text(receiver)) for receiver in receivers]

    def add(self, entry: Entry, check: Known, mould: Mould) -> None:
        verdict = entry.verdict
        self._results.append(rows.result_row(verdict, check.id, mould))
        if verdict.state is not self._after.get(check, check.state):
            self._after[check] = verdict.state
            self._states[check.id] = rows.state_row(verdict, check.id)
        if (at_ms := verdict.result.at_ms) < self._sealed_ms and not verdict.result.provisional:
            self._late.add((begin(at_ms, FIVE_MINUTES), check.id))
        if entry.gap is not None:
            self._gaps.append((check.id, *entry.gap))
        if verdict.transition is not None:
            self._transitions.append(rows.transition_row(verdict.transition))
        if entry.act is not None:
            self.act(entry.act)

    def changes(self) -> list[Change]:
        tables: Sequence[tuple[str, Sequence[Row]]] = (
            ("add_result", self._results),
            ("set_state", list(self._states.values())),
            ("mark_late", [rows.late_row(FIVE_MINUTES, *bucket) for bucket in sorted(self._late)]),
            ("add_gap", self._gaps),
            ("add_transition", self._transitions),
            ("add_notice", self._notices),
            ("owe_delivery", self._deliveries),
            *self._acts.changes(),
        )
        return [(SQL[name], changed) for name, changed in tables if changed]

    def written(self) -> None:
        """All of it is on disk."""
        for check, state in self._after.items():
            check.state = state
