"""What a target may name: receivers, users, rotations, schedules and escalations, as the document has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporters.oncall.targets import Target, TargetKind, parse_target
from probe.config.problems import nearest, suggestion
from probe.config.tree import Path, Series, Table

_SECTIONS = {
    TargetKind.USER: "users",
    TargetKind.ROTATION: "rotations",
    TargetKind.SCHEDULE: "schedules",
    TargetKind.ESCALATION: "escalations",
}
TOLD = tuple(TargetKind)  # of a route
STEPPED = (TargetKind.RECEIVER, TargetKind.USER, TargetKind.ROTATION, TargetKind.SCHEDULE)  # of an escalation's step
ON_DUTY = (TargetKind.USER, TargetKind.ROTATION)  # of a schedule's layer


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a text is no target, and what was probably meant."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Targets:
    """Every name that there is, by what it is of. A name whose section has a mistake is there, too."""

    names: Mapping[TargetKind, tuple[str, ...]]

    @classmethod
    def of(cls, root: Table) -> Targets:
        """Those of a document."""
        alerts = root.get("alerts")
        receivers = alerts.get("receivers") if isinstance(alerts, Table) else None
        found = {TargetKind.RECEIVER: _keys(receivers)}
        return cls(found | {kind: _keys(root.get(section)) for kind, section in _SECTIONS.items()})

    def check(self, text: str, kinds: Sequence[TargetKind] = TOLD) -> Wrong | None:
        """What is wrong with a target that may be of some kinds; None where nothing is."""
        target = parse_target(text)
        if target.kind in kinds and target.name in self.names[target.kind]:
            return None
        words = [str(Target(kind, name)) for kind in kinds for name in self.names[kind]]
        return Wrong(self._message(text, target, kinds), self._hint(text, target, words, kinds))

    def _message(self, text: str, target: Target, kinds: Sequence[TargetKind]) -> str:
        if target.kind not in kinds and target.kind is not TargetKind.RECEIVER:
            return f"{_article(target.kind)} cannot stand here"
        if TargetKind.RECEIVER in kinds or target.kind is not TargetKind.RECEIVER:
            return f"no {target.kind or 'receiver'} is called {target.name}"
        return f"{text.strip()} is neither {' nor '.join(map(_article, kinds))}"

    def _hint(self, text: str, target: Target, words: Sequence[str], kinds: Sequence[TargetKind]) -> str:
        """The name with another kind in front, or the nearest of all."""
        bare = target.name.rpartition(":")[2].strip()
        meant = next((str(Target(kind, bare)) for kind in kinds if bare in self.names[kind]), "")
        if meant := meant or nearest(text.strip(), words):
            return f"did you mean {meant}?"
        return suggestion(text.strip(), words, "targets here")


def entry_of(root: Table, path: Path, index: int) -> Path:
    """Where one of a list stands; where a text stands in its place, that."""
    value: object = root
    for part in path:
        value = _inside(value, part)
    return (*path, index) if isinstance(value, Series) else path


def _inside(value: object, part: str | int) -> object:
    if isinstance(value, Table) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, Series) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _article(kind: TargetKind) -> str:
    return f"{'an' if kind is TargetKind.ESCALATION else 'a'} {kind or 'receiver'}"


def _keys(section: object) -> tuple[str, ...]:
    return tuple(section) if isinstance(section, Table) else ()
