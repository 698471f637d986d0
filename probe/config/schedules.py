"""Schedules, from the document to values: layers, feeds, overrides, announcements, each mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from urllib.parse import urlsplit

from exporters.oncall.announce import About, Announcement, parse_moments
from exporters.oncall.feed import Feed, read_feed
from exporters.oncall.override import Override
from exporters.oncall.schedule import Layer, Schedule
from exporters.oncall.targets import TargetKind
from exporters.receiver import host_of
from probe.config.faults import Faults
from probe.config.files import FileError, read_text
from probe.config.oncall_sections import AnnounceSection, LayerSection, OverrideSection, ScheduleSection
from probe.config.problems import suggestion
from probe.config.targets import ON_DUTY, Targets, entry_of
from probe.config.tree import Path, Table, folder_of, missing
from thresholds.calendar import named_zone, parse_instant
from thresholds.hours import parse_hours

_LARGEST = 4 << 20  # bytes of a calendar


@dataclass(frozen=True, slots=True)
class Schedules:
    """The schedules, which receivers hear of them, and what must not be shown."""

    by_name: Mapping[str, Schedule]
    announced: frozenset[str]
    hidden: frozenset[str]


def read_schedules(bodies: Iterable[tuple[str, Path, Table]], targets: Targets, zone: str, faults: Faults) -> Schedules:
    """What can be used of them; what cannot is reported."""
    found: dict[str, Schedule] = {}
    for name, path, body in bodies:
        section = faults.rescue(ScheduleSection, body, path)
        if section is not None and not missing(body):
            found[name] = _One(name, path, section, targets, zone, faults).schedule()
    announced = {one.to for schedule in found.values() for one in schedule.announcements}
    addresses = {feed.address for schedule in found.values() for feed in schedule.feeds}
    return Schedules(found, frozenset(announced), frozenset(addresses))


class _One:
    """One schedule."""

    def __init__(
        self, name: str, path: Path, section: ScheduleSection, targets: Targets, zone: str, faults: Faults
    ) -> None:
        self._name = name
        self._path = path
        self._section = section
        self._targets = targets
        self._faults = faults
        self._zone: tzinfo = named_zone(section.zone or zone)

    def schedule(self) -> Schedule:
        section = self._section
        layers = [self._layer(layer, (*self._path, "layers", n)) for n, layer in enumerate(section.layers)]
        overrides = [self._override(one, (*self._path, "overrides", n)) for n, one in enumerate(section.overrides)]
        announced = [self._announcement(one, (*self._path, "announce", n)) for n, one in enumerate(section.announce)]
        return Schedule(
            self._name,
            tuple(layer for layer in layers if layer),
            self._zone,
            tuple(override for override in overrides if override),
            tuple(one for one in announced if one),
            parse_hours(section.covers, self._zone) if section.covers else None,
        )

    def _layer(self, layer: LayerSection, path: Path) -> Layer | None:
        when = parse_hours(layer.when, self._zone) if layer.when else None
        if layer.who is not None and layer.ical is not None:
            self._faults.error((*path, "ical"), "does not go with who", "write another layer", key=True)
            return None
        if layer.ical is not None:
            feed = self._feed(layer, path)
            return Layer(when=when, feed=feed) if feed else None
        if layer.who is None:
            self._faults.error(path, "nobody is in it", "write who: rotation:NAME, or ical: with a calendar", key=True)
            return None
        if "refresh" in layer.model_fields_set:
            self._faults.error((*path, "refresh"), "only a calendar is fetched", "leave it out", key=True)
        for index, text in enumerate(layer.who):
            if wrong := self._targets.check(text, ON_DUTY):
                self._faults.error(entry_of(self._faults.root, (*path, "who"), index), wrong.message, wrong.hint)
        return Layer(tuple(layer.who), when)

    def _feed(self, layer: LayerSection, path: Path) -> Feed | None:
        address = layer.ical.get_secret_value().strip() if layer.ical else ""
        scheme, there, _ = address.partition("://")
        if there:
            return self._fetched(address, scheme.lower(), layer.refresh, (*path, "ical"))
        if "refresh" in layer.model_fields_set:
            text = "a file is read with the configuration, and not again"
            self._faults.error((*path, "refresh"), text, "leave it out", key=True)
        return self._file(address, (*path, "ical"))

    def _fetched(self, address: str, scheme: str, refresh: float, path: Path) -> Feed | None:
        host = host_of(address)
        if scheme not in ("http", "https") or not urlsplit(address).hostname or any(map(str.isspace, address)):
            hint = "write https:// in its place" if scheme in ("webcal", "webcals") else ""
            self._faults.error(path, "no address that can be fetched", hint or "write https://..., or a file")
            return None
        return Feed(address, refresh, name=host)

    def _file(self, name: str, path: Path) -> Feed | None:
        try:
            text = read_text(folder_of(self._faults.root, path) / name, name, _LARGEST)
            read_feed(text, self._zone)
        except FileError as error:
            self._faults.error(path, str(error))
        except ValueError as error:
            self._faults.error(path, f"{name}: {error}")
        else:
            return Feed(text=text, name=name)
        return None

    def _override(self, section: OverrideSection, path: Path) -> Override | None:
        start_ms = parse_instant(section.begins, self._zone)
        end_ms = parse_instant(section.until, self._zone, last=True)
        if end_ms <= start_ms:
            self._faults.error((*path, "to"), "it ends before it begins", "write the later time as to")
        if not (section.replace or section.add or section.remove):
            hint = "write replace: {ana: bo}, add: [bo] or remove: [ana]"
            self._faults.error(path, "it changes nothing", hint, key=True)
        for key, name in section.replace.items():
            self._check_user(key, (*path, "replace", key), key=True)
            self._check_user(name, (*path, "replace", key))
        for kind, names in (("add", section.add), ("remove", section.remove)):
            for index, name in enumerate(names):
                self._check_user(name, entry_of(self._faults.root, (*path, kind), index))
        if end_ms <= start_ms:
            return None
        changes = tuple(section.add), tuple(section.remove), section.replace
        return Override(start_ms, end_ms, *changes, schedule=self._name, reason=section.reason)

    def _check_user(self, name: str, path: Path, *, key: bool = False) -> None:
        users = self._targets.names[TargetKind.USER]
        if name not in users:
            hint = suggestion(name.removeprefix("user:"), users, "users")
            self._faults.error(path, f"no user is called {name}", hint, key=key)

    def _announcement(self, section: AnnounceSection, path: Path) -> Announcement | None:
        if wrong := self._targets.check(section.to, (TargetKind.RECEIVER,)):
            self._faults.error((*path, "to"), wrong.message, wrong.hint)
        if (section.on is None) is (section.at is None):
            text = "both on and at" if section.at else "it is not said when"
            self._faults.error(path, text, "write on: change, or at: Fri 16:00", key=True)
            return None
        if section.at is None:
            if section.what is not None:
                self._faults.error((*path, "what"), "a change is about itself", "leave it out", key=True)
            return Announcement(section.to)
        return Announcement(section.to, parse_moments(section.at), section.what or About.WEEK)
