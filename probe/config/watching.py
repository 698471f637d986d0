"""Reads what watches Probe, whom its own troubles are told to, and who hears of changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field
from pydantic import SecretStr as Secret

from exporters.receiver import hidden_parts
from probe.config.faults import Faults
from probe.config.sections import Section
from probe.config.targets import TOLD, Targets
from probe.config.tree import Path, Series, Table
from probe.config.watch import Watch

KEYS = ("watch", "changes")  # of the top level
OWN_ROUTE: Any = Field(
    [],
    description="Who hears of Probe's own troubles, the checks `probe/...`: receivers, `user:ana`, `rotation:primary`, "
    "`schedule:prodops`, `escalation:prodops`. They alone then; without it the routes say who.",
)


class ChangesSection(Section):
    """Changes and deploys that people tell of."""

    announce: list[str] = Field([], description="Who hears when a change begins and ends, and of deploys.")


WATCH = Field(
    Watch(),
    description="Who watches Probe: whom it tells that it is at work, and from when on it says that it is not well.",
)
CHANGES = Field(ChangesSection(), description="Changes and deploys that people tell of.")


@dataclass(frozen=True, slots=True)
class Watching:
    """What the sections say."""

    watch: Watch = field(default_factory=Watch)
    self_route: tuple[str, ...] = ()
    change_targets: tuple[str, ...] = ()

    @property
    def named(self) -> Sequence[str]:
        """Targets that are told without a route."""
        return (*self.self_route, *self.change_targets)

    @property
    def hidden(self) -> Iterator[str]:
        """What of the addresses must not be shown."""
        for ping in self.watch.ping:
            for address in (ping.url, ping.fail_url):
                if isinstance(address, Secret):
                    yield from hidden_parts(address.get_secret_value())


def read_watching(root: Table, targets: Targets, faults: Faults) -> Watching:
    """What can be used; what cannot is reported."""
    alerts, changes = root.get("alerts"), root.get("changes")
    section = faults.validate(ChangesSection, changes, ("changes",)) if changes is not None else None
    own = alerts.get("self") if isinstance(alerts, Table) else None
    told = changes.get("announce") if isinstance(changes, Table) else None
    return Watching(
        _watch(root.get("watch"), faults),
        _targets(own, ("alerts", "self"), targets, faults),
        _targets(told, ("changes", "announce"), targets, faults) if section is not None else (),
    )


def _watch(section: object, faults: Faults) -> Watch:
    if section is None:
        return Watch()
    if not isinstance(section, Table):
        faults.error(("watch",), "wants a mapping, `key: value`", "write {ping: [{url: ...}]}")
        return Watch()
    return faults.validate(Watch, section, ("watch",)) or Watch()


def _targets(section: object, path: Path, targets: Targets, faults: Faults) -> tuple[str, ...]:
    """A list of targets, each of which is there."""
    if section is None:
        return ()
    if not isinstance(section, Series) or not all(isinstance(text, str) for text in section):
        faults.error(path, "wants a list of targets", "write [chat, schedule:prodops]")
        return ()
    for index, text in enumerate(section):
        wrong = targets.check(text, TOLD)
        if wrong is not None:
            faults.error((*path, index), wrong.message, wrong.hint)
    return _once(section)


def _once(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts))
