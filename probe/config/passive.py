"""What a heartbeat's configuration means: the rules that its job is held to, and how it is judged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from checks.core.base import CheckSpec
from checks.heartbeat import Heartbeat
from probe.config.inherit import Effective
from thresholds.base import Policy
from thresholds.calendar import named_zone
from thresholds.heartbeat import Rules, Stage
from thresholds.heartbeat_times import Times, calendar_times, cron_times
from thresholds.timeline import COVERS

TYPE = "heartbeat"
_SPARE = 600.0  # s, beyond the runs that count together, after which those before are forgotten


class ScheduleError(ValueError):
    """A schedule that means nothing. `key` is where it stands."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def rules_of(check: str, heartbeat: Heartbeat, zone: str) -> Rules:
    """The rules of a job; `zone` is the check's own. Raises ScheduleError."""
    zone = heartbeat.zone or zone
    try:
        named_zone(zone)
    except ValueError as error:
        raise ScheduleError("zone", str(error)) from None
    return Rules(
        check,
        zone=zone,
        schedule=f"{heartbeat.schedule} {zone}",
        period=heartbeat.period,
        times=_times(heartbeat, zone),
        start_within=heartbeat.start_within,
        max_run=heartbeat.max_run,
        finish_by=heartbeat.finish_by,
        grace=heartbeat.grace,
        min_interval=heartbeat.min_interval,
        max_concurrent=heartbeat.max_concurrent,
        stages=tuple(Stage(one.name, one.within, one.due_by) for one in heartbeat.stages),
        failure=tuple(heartbeat.failure),
        success=tuple(heartbeat.success),
    )


def _times(heartbeat: Heartbeat, zone: str) -> Times | None:
    key = "cron" if heartbeat.cron else "calendar"
    try:
        if heartbeat.cron:
            return cron_times(heartbeat.cron, zone)
        return calendar_times(tuple(heartbeat.calendar), zone) if heartbeat.calendar else None
    except ValueError as error:
        raise ScheduleError(key, str(error)) from None


def awaited(name: str, heartbeat: Heartbeat, effective: Effective, said: Collection[str]) -> tuple[CheckSpec, Policy]:
    """How a heartbeat is planned and judged. Raises ScheduleError.

    One deadline that passes is an outage, and one success its end, unless the check itself (`said` are its keys) says
    otherwise: what suits probes that are minutes apart would hide a backup that failed three days ago.
    """
    rules = rules_of(name, heartbeat, effective.zone)
    every = max(rules.longest, rules.silence / COVERS)  # so long a run speaks for the job
    down_after = effective.policy.down_after if "down_after" in said else (1, 1)
    up_after = effective.policy.up_after if "up_after" in said else 1
    memory = max(down_after[1], up_after) * every + _SPARE
    policy = replace(effective.policy, down_after=down_after, up_after=up_after, memory=memory)
    return CheckSpec(name, heartbeat, every, rules.limit or rules.silence, 0, 0.0), policy
