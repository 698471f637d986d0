"""Names that faulty sections of on-call name: what is wrong elsewhere in a section hides none that is not there.

What could be read is looked at where it is read, in the same words: a mistake that is found twice is told once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporters.oncall.targets import TargetKind
from probe.config.faults import Faults
from probe.config.problems import suggestion
from probe.config.targets import ON_DUTY, STEPPED, Targets, entry_of
from probe.config.tree import Path, Series, Table, missing


def check_references(root: Table, targets: Targets, faults: Faults) -> None:
    """Report users and targets that are not there."""
    for path, body in _bodies(root, "rotations"):
        _check_users(body.get("users"), (*path, "users"), targets, faults)
        for at, change in _items(body, "changes", path):
            _check_users(change.get("users"), (*at, "users"), targets, faults)
    for path, body in _bodies(root, "escalations"):
        for at, step in _items(body, "steps", path):
            _check_targets(step.get("notify"), (*at, "notify"), STEPPED, targets, faults)
    for path, body in _bodies(root, "schedules"):
        for at, layer in _items(body, "layers", path):
            _check_targets(layer.get("who"), (*at, "who"), ON_DUTY, targets, faults)
        for at, one in _items(body, "announce", path):
            if (text := one.get("to")) and isinstance(text, str) and not missing(text):
                _tell(text, (*at, "to"), (TargetKind.RECEIVER,), targets, faults)


def _bodies(root: Table, key: str) -> Iterator[tuple[Path, Table]]:
    section = root.get(key)
    for name, body in section.items() if isinstance(section, Table) else ():
        if isinstance(body, Table):
            yield (key, name), body


def _items(body: Table, key: str, path: Path) -> Iterator[tuple[Path, Table]]:
    items = body.get(key)
    for index, item in enumerate(items) if isinstance(items, Series) else ():
        if isinstance(item, Table):
            yield (*path, key, index), item


def _texts(value: object) -> list[tuple[int, str]]:
    """The texts of a list with where they stand in it, or the one that stands in its place."""
    items = value if isinstance(value, Series) else [value]
    return [(index, item) for index, item in enumerate(items) if isinstance(item, str) and not missing(item)]


def _check_users(value: object, path: Path, targets: Targets, faults: Faults) -> None:
    users = targets.names[TargetKind.USER]
    for index, name in _texts(value) if isinstance(value, Series) else ():
        if name not in users:
            hint = suggestion(name.removeprefix("user:"), users, "users")
            faults.error((*path, index), f"no user is called {name}", hint)


def _check_targets(value: object, path: Path, kinds: Sequence[TargetKind], targets: Targets, faults: Faults) -> None:
    for index, text in _texts(value):
        _tell(text, entry_of(faults.root, path, index), kinds, targets, faults)


def _tell(text: str, path: Path, kinds: Sequence[TargetKind], targets: Targets, faults: Faults) -> None:
    if wrong := targets.check(text, kinds):
        faults.error(path, wrong.message, wrong.hint)
