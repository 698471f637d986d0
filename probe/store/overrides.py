"""Overrides that people say while the service runs: as announcements, and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporters.oncall.override import Override
from probe.store.base import Announcement, Kind

SCHEDULE, REPLACE, ADD, REMOVE = "schedule", "replace", "add", "remove"


def labels_of(schedule: str, replace: Mapping[str, str], add: Iterable[str], remove: Iterable[str]) -> dict[str, str]:
    """What an announcement keeps of an override. Names have neither commas nor equals signs in them."""
    labels = {
        SCHEDULE: schedule,
        REPLACE: ",".join(f"{before}={after}" for before, after in replace.items()),
        ADD: ",".join(add),
        REMOVE: ",".join(remove),
    }
    return {label: value for label, value in labels.items() if value}


def override_of(said: Announcement) -> Override | None:
    """The override that somebody announced; None for what was ended before it began."""
    if not said.ended_ms or said.began_ms >= said.ended_ms:
        return None
    pairs = (pair.partition("=") for pair in _listed(said, REPLACE))
    return Override(
        said.began_ms,
        said.ended_ms,
        tuple(_listed(said, ADD)),
        tuple(_listed(said, REMOVE)),
        {before: after for before, _, after in pairs},
        said.labels.get(SCHEDULE, ""),
        said.reason,
        said.author,
    )


def overrides_of(announcements: Iterable[Announcement]) -> list[Override]:
    """The overrides among announcements, in their order: a later one sees what the earlier ones have made."""
    found = (override_of(one) for one in announcements if one.kind is Kind.OVERRIDE)
    return [one for one in found if one is not None]


def _listed(said: Announcement, label: str) -> list[str]:
    return [part for part in said.labels.get(label, "").split(",") if part]
