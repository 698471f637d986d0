"""What runs have in common, apart from what each of them measured. Pure.

A shape is stored once for all runs that have it. It is found again by comparing tuples, without making its JSON anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter

from checks.core.result import Fact, Result
from probe.store.texts import to_json

MICRO = 1_000_000
_RESTLESS = 16  # new values after which a text goes with each run: an excerpt or a request id, not the issuer
_MOST = 50_000  # moulds that are remembered beside those in use
_NUMBERS = {int, float}  # bool is neither

Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the runs of a check have in common: names in the order of the measured values, facts that stay the same."""

    phases: tuple[str, ...]
    measured: tuple[str, ...]
    same: Facts


class Layout:
    """The names and types of a kind of run, shared by all checks that have such runs."""

    __slots__ = ("measured", "names", "numbers", "phases", "same", "texts", "types")

    def __init__(
        self, phases: tuple[str, ...], names: tuple[str, ...], types: tuple[type, ...], restless: frozenset[str]
    ) -> None:
        self.phases = phases
        self.names = names
        self.types = types
        kinds = zip(names, types, strict=True)
        self.measured = tuple(name for name, kind in kinds if kind in _NUMBERS or name in restless)
        self.same = tuple(name for name in names if name not in self.measured)
        self.numbers = _getter(self.measured)
        self.texts = _getter(self.same)


def _getter(names: tuple[str, ...]) -> Callable[[Facts], tuple[Fact, ...]]:
    """The facts of these names, in C where there are several."""
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda facts: (facts[names[0]],)) if names else (lambda _facts: ())


class Mould:
    """A layout, and the facts that stay the same. `id` is that of the stored shape; 0: not known to be stored."""

    __slots__ = ("id", "layout", "texts", "used_ms")

    def __init__(self, layout: Layout, texts: tuple[Fact, ...]) -> None:
        self.layout = layout
        self.texts = texts
        self.id = 0
        self.used_ms = 0  # Unix ms, as it is stored

    def fits(self, result: Result) -> bool:
        """Whether a run has this shape. One that fits lends its texts: so no check's texts are kept twice."""
        layout, facts = self.layout, result.facts
        if (
            tuple(facts) != layout.names
            or tuple(map(type, facts.values())) != layout.types  # True is not 1
            or tuple(result.phases) != layout.phases
        ):
            return False
        texts = layout.texts(facts)
        if texts != self.texts:
            return False
        self.texts = texts
        return True

    def measured(self, result: Result) -> str:
        """The JSON of what a run measured: phases in microseconds, then facts."""
        values: list[Fact] = [round(seconds * MICRO) for seconds in result.phases.values()]
        values += self.layout.numbers(result.facts)
        return to_json(values)

    def stored(self) -> tuple[bytes, str]:
        """What the shape is found by, and how it is stored."""
        layout = self.layout
        body = to_json(Shape(layout.phases, layout.measured, dict(zip(layout.same, self.texts, strict=True))))
        return blake2b(body.encode(), digest_size=16).digest(), body


class Splitter:
    """Finds the mould of each run.

    Numbers are measured; texts stay the same until one has had too many values to be worth a shape for each.
    """

    def __init__(self) -> None:
        self._layouts: dict[tuple[object, ...], Layout] = {}
        self._moulds: dict[int, Mould] = {}  # by the hash of layout and texts, which takes less than these
        self._changes: Counter[tuple[str, str]] = Counter()  # by check and fact
        self._restless: defaultdict[str, frozenset[str]] = defaultdict(frozenset)  # facts by check

    def forget(self) -> None:
        """What was known to be stored is not any more."""
        self._moulds.clear()

    def mould(self, result: Result, last: Mould | None) -> Mould:
        """The mould of a run; `last` is that of its check's run before, which it mostly fits."""
        if last is not None and last.fits(result):
            return last
        layout = self._layout(result)
        texts = layout.texts(result.facts)
        key = hash((layout, texts))
        mould = self._moulds.get(key)
        if mould is None or mould.layout is not layout or mould.texts != texts:
            if len(self._moulds) >= _MOST:
                self._moulds.clear()
            mould = self._moulds[key] = Mould(layout, texts)
            if last is not None:
                self._compare(result, last)
        return mould

    def _layout(self, result: Result) -> Layout:
        facts = result.facts
        restless = self._restless.get(result.check, frozenset())
        parts = (tuple(result.phases), tuple(facts), tuple(map(type, facts.values())), restless)
        layout = self._layouts.get(parts)
        if layout is None:
            if len(self._layouts) >= _MOST:
                self._layouts.clear()
            layout = self._layouts[parts] = Layout(*parts)
        return layout

    def _compare(self, result: Result, last: Mould) -> None:
        """Count the texts that are new."""
        for name, before in zip(last.layout.same, last.texts, strict=True):
            if result.facts.get(name, before) != before:
                self._changes[result.check, name] += 1
                if self._changes[result.check, name] > _RESTLESS:
                    self._restless[result.check] |= {name}
