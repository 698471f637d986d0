"""What only all heartbeats together show: keys that several have, and addresses that would mean two of them."""

from __future__ import annotations

from collections.abc import Iterator

from checks.heartbeat import Heartbeat
from probe.config.faults import Faults
from probe.config.plan import Planner

SIGNALS = ("start", "fail", "log", "running", "stage")
# What a probe has, and a job that reports by itself has not.
_PROBED = ("every", "timeout", "confirm")


def slug(name: str) -> str:
    """A check's name as one part of an address: `backup/db` is `backup-db`."""
    return name.replace("/", "-")


def check_heartbeats(faults: Faults, planner: Planner) -> None:
    """Report what cannot be told apart, and warn of what has no effect."""
    owners: dict[tuple[str, str], str] = {}
    for name, heartbeat in _heartbeats(planner):
        origin = planner.origins[name]
        path = (*origin.path, "heartbeat")
        for key in _PROBED:
            if key in origin.common.said.model_fields_set:
                faults.warn((*origin.path, key), "a heartbeat is not probed: this has no effect", key=True)
        if _is_signal(slug(name)):
            faults.error(
                origin.path, f"{slug(name)} means a signal in a ping's address", "choose another name", key=True
            )
        zoned = heartbeat.zone or "zone" in origin.common.effective.written
        if not zoned and not heartbeat.period:
            faults.warn(path, "no time zone is named: its schedule is of UTC; name it as zone")
        for secret in heartbeat.keys:
            known = secret.get_secret_value(), slug(name)
            other = owners.setdefault(known, name)
            if other != name:
                message = f"{other} has the same key, and the same name in an address"
                faults.error((*path, "keys"), message, "give each a key of its own")


def _heartbeats(planner: Planner) -> Iterator[tuple[str, Heartbeat]]:
    for name, planned in planner.checks.items():
        if isinstance(planned.spec.check, Heartbeat):
            yield name, planned.spec.check


def _is_signal(text: str) -> bool:
    return text in SIGNALS or text.isdigit()
