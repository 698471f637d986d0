"""The cases under way, found by what they tell of, by the key of their group, and by when they are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporters.alerting.case import Case
from exporters.alerting.shift import shifted


class Cases:
    """All cases that have not ended. `wakes` says when each is looked at next, in Unix ms, where it is at all."""

    def __init__(self) -> None:
        self.wakes: dict[str, int] = {}
        self._cases: dict[str, Case] = {}
        self._of_incident: dict[str, set[str]] = {}
        self._groups: dict[str, str] = {}  # by key

    def __contains__(self, identity: str) -> bool:
        return identity in self._cases

    def __getitem__(self, identity: str) -> Case:
        return self._cases[identity]

    def get(self, identity: str) -> Case | None:
        return self._cases.get(identity)

    def all(self) -> Sequence[Case]:
        return list(self._cases.values())

    def of(self, incident: str) -> list[Case]:
        """Those that tell of an incident, always in the same order."""
        return [self._cases[identity] for identity in sorted(self._of_incident.get(incident, ()))]

    def group(self, key: str) -> Case | None:
        """The one that gathers what has this key; a digest of a storm is none."""
        return self._cases.get(self._groups.get(key, ""))

    def due(self, now_ms: int) -> list[str]:
        return [identity for identity, at_ms in self.wakes.items() if at_ms <= now_ms]

    def wake(self, cases: Iterable[Case], at_ms: int) -> None:
        """Have them looked at then, whenever it was to be."""
        self.wakes |= dict.fromkeys((case.id for case in cases), at_ms)

    def wake_by(self, case: Case, at_ms: int) -> None:
        """Have it looked at then at the latest."""
        self.wakes[case.id] = min(at_ms, self.wakes.get(case.id, at_ms))

    def keep(self, case: Case) -> None:
        """Know a case as it is now, and no longer where it has ended."""
        if case.ended:
            self._forget(case)
            return
        self._cases[case.id] = case
        if case.key and not case.digest:
            self._groups[case.key] = case.id
        for incident in case.incidents:
            self._of_incident.setdefault(incident, set()).add(case.id)

    def _forget(self, case: Case) -> None:
        self._cases.pop(case.id, None)
        self.wakes.pop(case.id, None)
        if self._groups.get(case.key) == case.id:
            del self._groups[case.key]
        for incident in case.incidents:
            known = self._of_incident.get(incident, set())
            known.discard(case.id)
            if not known:
                self._of_incident.pop(incident, None)

    def shift(self, difference_ms: int) -> None:
        """The wall clock was set: all of it moves along."""
        self._cases = {identity: shifted(case, difference_ms) for identity, case in self._cases.items()}
        self.wakes = {identity: at_ms + difference_ms for identity, at_ms in self.wakes.items()}
