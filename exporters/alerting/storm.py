"""Digests of a storm: one for each target, so that everybody hears of what their routes give them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from exporters.alerting.case import Case


def digest_of(storm: str, target: str) -> str:
    """The id of the case that tells a target of a storm."""
    return f"{storm}/{target}"


def storm_of(case: str) -> str:
    """The storm that a digest is of."""
    return case.partition("/")[0]


def covered(case: Case, others: Iterable[Case]) -> frozenset[str]:
    """Receivers that were told by another digest of the same storm which has all incidents of this one."""
    ours = set(case.incidents)
    wider = [
        other
        for other in others
        if other.digest and storm_of(other.id) == storm_of(case.id) and ours <= set(other.incidents)
    ]
    return frozenset(name for other in wider for name in other.receivers)
