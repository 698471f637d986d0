"""What a worker has to know, and the orders that tell it what it does not know yet. No process, no pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from checks.core.base import CheckSpec
from probe.engine.orders import Change, Order, Rules
from probe.engine.schedule import grid

_AT_ONCE = 100  # checks looked at in one turn of the loop: some 2 ms when all of them are new
_LATER = 2  # ms by which the stamp of a run may lie before its instant


@dataclass(frozen=True, slots=True)
class Past:
    """What one prober leaves to the next: its checks, and since when each was run as it is."""

    specs: Mapping[str, CheckSpec]
    since_ms: Mapping[str, int]


class Briefing:
    """The plan of one place in the fleet, beside what the process in it was told of it.

    `seen_ms` knows of a check when the last run began that a result came from; 0 for none.
    """

    def __init__(self, now_ms: Callable[[], int], seen_ms: Callable[[str], int]) -> None:
        self._now_ms = now_ms
        self._seen_ms = seen_ms
        self._wanted: Mapping[str, CheckSpec] = {}
        self._rules: Rules | None = None
        self._told: dict[str, CheckSpec] = {}
        self._told_rules: Rules | None = None
        self._before: Mapping[str, CheckSpec] = {}  # what the process knew that is no more
        self._since_ms: dict[str, int] = {}  # by check: when a process was first told of it as it is
        self._handed: dict[str, int] = {}  # by check: until when the process was told to count what nobody ran

    def __len__(self) -> int:
        return len(self._wanted)

    def want(self, specs: Mapping[str, CheckSpec], rules: Rules) -> None:
        """These checks, by these rules, from now on."""
        self._wanted, self._rules = specs, rules

    def forget(self) -> None:
        """Another process begins, and knows nothing."""
        self._before, self._told, self._told_rules = {**self._before, **self._told}, {}, None
        self._handed = {}

    def counted(self) -> None:
        """The process has counted what was missed before it; it is not to be counted again by the next one."""
        self._since_ms.update((name, at_ms) for name, at_ms in self._handed.items() if name in self._since_ms)
        self._handed = {}

    def past(self) -> Past:
        """What was run here until now."""
        return Past({**self._before, **self._told}, self._since_ms)

    def inherit(self, past: Past) -> None:
        """These were run elsewhere until now, and are no more."""
        self._before, self._since_ms = past.specs, dict(past.since_ms)

    def orders(self) -> Iterator[Order | None]:
        """What is to be told now, in pieces; None where there was nothing to tell, and others may have their turn."""
        wanted, rules = self._wanted, self._rules
        if rules is None:
            return
        new_rules = rules != self._told_rules
        if new_rules:
            yield rules
            self._told_rules = rules
        changed = new_rules
        for order in self._changes(wanted):
            changed = changed or order is not None
            yield order
        self._before = {}  # whatever is still wanted has been told
        if changed:
            yield Change(last=True)

    def _changes(self, wanted: Mapping[str, CheckSpec]) -> Iterator[Change | None]:
        gone = tuple(name for name in self._told if name not in wanted)
        for name in gone:
            del self._told[name]
        self._since_ms = {name: at_ms for name, at_ms in self._since_ms.items() if name in wanted}
        yield Change(gone=gone) if gone else None
        specs = iter(wanted.values())
        while piece := tuple(islice(specs, _AT_ONCE)):
            new = tuple(spec for spec in piece if not _same(self._told.get(spec.name), spec))
            seen_ms = tuple(self._seen(spec) for spec in new)
            self._told.update((spec.name, spec) for spec in new)
            yield Change(specs=new, seen_ms=seen_ms) if new else None

    def _seen(self, spec: CheckSpec) -> int:
        """From when on nobody ran a check that a process knew which is no more; 0 for one that is new or changed."""
        name = spec.name
        if name in self._since_ms and name not in self._told and _same(self._before.get(name), spec):
            self._handed[name] = self._now_ms()
            return max(self._seen_ms(name), self._since_ms[name])
        self._since_ms[name] = self._now_ms()
        return 0


def missed(seen: Iterable[tuple[CheckSpec, int]], now_ms: int, now: float) -> int:
    """Instants up to now that nobody ran since the last runs, which began at those instants; 0 is not known."""
    return sum(_missed(spec, (now_ms - seen_ms - _LATER) / 1000, now_ms, now) for spec, seen_ms in seen if seen_ms)


def _missed(spec: CheckSpec, ago: float, now_ms: int, now: float) -> int:
    times = grid(spec.name, spec.every, now_ms, now)
    return max(0, round((times.next_due(now) - times.next_due(now - ago)) / spec.every))


def _same(known: CheckSpec | None, spec: CheckSpec) -> bool:
    return known is spec or known == spec
