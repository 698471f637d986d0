"""Warnings of what is on call and will not do: gaps, layers that never count, people whom no page reaches."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from exporters.oncall.lint import lint
from exporters.oncall.roster import Roster
from exporters.oncall.targets import Target, TargetKind
from probe.config.faults import Faults
from probe.config.oncall import OnCall
from probe.config.tree import Table

_ZONED = {"rotations": "handoffs", "schedules": "times"}


def doubt_oncall(
    faults: Faults, oncall: OnCall, receivers: Collection[str], led: Collection[str], *, zoned: bool, now_ms: int
) -> None:
    """Look at the roster as it will be in the next months.

    `led` are the targets that routes lead to. `zoned`: `defaults` say whose clock times are of.
    """
    if faults.report.errors:
        return  # what is missing may be in a faulty section
    for finding in lint(oncall.roster, now_ms, receivers):
        faults.warn(finding.place, finding.text, finding.remedy, key=len(finding.place) == len(("users", "ana")))
    _calendars(faults, oncall.roster)
    for name in oncall.roster.escalations:
        if str(Target(TargetKind.ESCALATION, name)) not in led:
            faults.warn(("escalations", name), "no route leads to it", key=True)
    if not zoned:
        _zones(faults)


def _calendars(faults: Faults, roster: Roster) -> None:
    for schedule in roster.schedules.values():
        for number, layer in enumerate(schedule.layers):
            if layer.feed is not None and _open(layer.feed.address):
                path = ("schedules", schedule.name, "layers", number, "ical")
                faults.warn(
                    path, "others on the way can read and change who is on call: it is http://", "write https://"
                )


def _open(address: str) -> bool:
    """Whether what is fetched from an address can be read by others. What stays on this machine is not."""
    parts = urlsplit(address)
    return parts.scheme.lower() == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


def _zones(faults: Faults) -> None:
    for section, what in _ZONED.items():
        for name, body in faults.root.get(section, {}).items():
            if isinstance(body, Table) and not body.get("zone"):
                faults.warn((section, name), f"no time zone is named: its {what} are UTC", "give it a zone", key=True)
