"""On-call, from the document to a roster: users, rotations, schedules and escalations, each mistake at its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from exporters.base import Notifier
from exporters.oncall.escalation import AckUpkeep, EscalationPolicy, Step
from exporters.oncall.people import ContactRule, User
from exporters.oncall.roster import Roster
from exporters.oncall.rotation import Grid, LineUp, Rotation
from exporters.oncall.targets import TargetKind
from probe.config.contacts import read_contacts
from probe.config.faults import Faults
from probe.config.oncall_sections import EscalationSection, RotationSection, UserSection
from probe.config.problems import suggestion
from probe.config.schedules import read_schedules
from probe.config.targets import STEPPED, Targets, entry_of
from probe.config.tree import Path, Table, missing
from thresholds.base import Level
from thresholds.calendar import local, named_zone, parse_instant

KEYS = ("users", "rotations", "schedules", "escalations")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # no / and no : in it: names are put together with these
_MOST = 10_000  # names of one section
_LEVELS = {"degraded": Level.DEGRADED, "down": Level.DOWN}
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class OnCall:
    """The roster, what reaches the people in it, and what must not be shown of it."""

    roster: Roster = field(default_factory=Roster)
    receivers: Mapping[str, Notifier] = field(default_factory=dict)  # of people: "ana/mail"
    named: frozenset[str] = frozenset()  # receivers that contacts, steps and announcements name
    hidden: frozenset[str] = frozenset()  # addresses of calendars


def read_oncall(
    root: Table, targets: Targets, receivers: Mapping[str, Notifier], zone: str | None, faults: Faults
) -> OnCall:
    """What can be used of the sections; what cannot is reported. `zone` is of times that name none."""
    reading = _Reading(root, targets, zone or "UTC", faults)
    users = dict(reading.users())
    contacts = read_contacts(root.get("users"), receivers, targets, faults)
    rotations = dict(reading.rotations())
    schedules = read_schedules(reading.each("schedules"), targets, zone or "UTC", faults)
    escalations = dict(reading.escalations())
    roster = Roster(users, rotations, schedules.by_name, escalations)
    steps = {text for policy in escalations.values() for step in policy.steps for text in step.notify}
    named = {name for user in users.values() for name in user.contacts} | steps | schedules.announced
    return OnCall(roster, contacts, frozenset(named), schedules.hidden)


class _Reading:
    """The sections of one document."""

    def __init__(self, root: Table, targets: Targets, zone: str, faults: Faults) -> None:
        self._root = root
        self._targets = targets
        self._zone = zone
        self._faults = faults

    def each(self, key: str) -> Iterator[tuple[str, Path, Table]]:
        """What stands under the names of a section, where that is a mapping."""
        section = self._root.get(key)
        if section is None:
            return
        if not isinstance(section, Table):
            self._faults.error((key,), "wants a mapping, a name for each")
            return
        if len(section) > _MOST:
            self._faults.error((key,), f"more than {_MOST:,}", key=True)
            return
        for name, body in section.items():
            path = (key, name)
            if not _NAME.fullmatch(name):
                hint = "letters, digits and . _ -, the first a letter or a digit, 100 characters at most"
                self._faults.error(path, f"{name!r} is no name here", hint, key=True)
            if isinstance(body, Table):
                yield name, path, body
            else:
                self._faults.error(path, "wants a mapping, `key: value`", key=True)

    def _sections(self, key: str, model: type[Model]) -> Iterator[tuple[str, Path, Model]]:
        for name, path, body in self.each(key):
            section = self._faults.rescue(model, body, path)
            if section is not None and not missing(body):
                yield name, path, section

    def users(self) -> Iterator[tuple[str, User]]:
        lower: dict[str, str] = {}
        for name, path, section in self._sections("users", UserSection):
            same = lower.setdefault(name.casefold(), name)
            if same != name:
                self._faults.error(path, f"in a calendar nobody can tell it from {same}", "change its name", key=True)
            rules = [
                ContactRule(rule.by, rule.after, rule.severity, _LEVELS[rule.level])
                for index, rule in enumerate(section.notify)
                if self._is_contact(rule.by, section, (*path, "notify", index, "by"))
            ]
            contacts = {by: address.get_secret_value() for by, address in section.contacts.items()}
            yield name, User(name, section.name, section.zone or self._zone, contacts, tuple(rules))

    def _is_contact(self, by: str, section: UserSection, path: Path) -> bool:
        if by not in section.contacts:
            self._faults.error(path, f"no contact is called {by}", suggestion(by, list(section.contacts), "contacts"))
        return by in section.contacts

    def rotations(self) -> Iterator[tuple[str, Rotation]]:
        for name, path, section in self._sections("rotations", RotationSection):
            self._check_users(section.users, (*path, "users"))
            line_ups = self._line_ups(section, path)
            if line_ups:
                yield name, Rotation(name, tuple(line_ups))

    def _line_ups(self, section: RotationSection, path: Path) -> list[LineUp]:
        """The first line-up and its changes; none where a handoff cannot be worked out."""
        zone = named_zone(section.zone or self._zone)
        try:
            grid = Grid(section.start, zone, *section.every)
        except ValueError as error:
            self._faults.error((*path, "start"), str(error))
            return []
        found = [LineUp(tuple(section.users), grid)]
        for index, change in enumerate(section.changes):
            at = (*path, "changes", index)
            self._check_users(change.users, (*at, "users"))
            since_ms = parse_instant(change.since, zone)
            if since_ms <= (found[-1].since_ms or since_ms - 1):
                self._faults.error((*at, "since"), "not after the change before it", "write the earliest first")
            if change.every is not None:
                try:
                    grid = Grid(local(since_ms, zone), zone, *change.every)
                except ValueError as error:
                    self._faults.error((*at, "since"), str(error))
                    continue
            found.append(LineUp(tuple(change.users), grid, since_ms))
        return found

    def _check_users(self, names: Sequence[str], path: Path) -> None:
        users = self._targets.names[TargetKind.USER]
        for index, name in enumerate(names):
            if name not in users:
                hint = suggestion(name.removeprefix("user:"), users, "users")
                self._faults.error((*path, index), f"no user is called {name}", hint)

    def escalations(self) -> Iterator[tuple[str, EscalationPolicy]]:
        for name, path, section in self._sections("escalations", EscalationSection):
            before = 0.0
            for index, step in enumerate(section.steps):
                at = (*path, "steps", index)
                self._check_targets(step.notify, (*at, "notify"))
                if step.after < before:
                    self._faults.error((*at, "after"), "sooner than the step before it", "write steps in their order")
                before = max(before, step.after)
            ack = section.ack
            if ack.unack_after is not None and ack.remind is None:
                self._faults.error((*path, "ack", "unack_after"), "nobody is ever reminded", "write remind: 1h, too")
            steps = tuple(Step(tuple(step.notify), step.after, step.multi_ack) for step in section.steps)
            upkeep = AckUpkeep(ack.remind or 0.0, ack.unack_after or 0.0)
            yield name, EscalationPolicy(name, steps, section.repeat, section.again, upkeep)

    def _check_targets(self, names: Sequence[str], path: Path) -> None:
        for index, text in enumerate(names):
            if wrong := self._targets.check(text, STEPPED):
                self._faults.error(entry_of(self._root, path, index), wrong.message, wrong.hint)
