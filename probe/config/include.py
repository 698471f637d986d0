"""One configuration out of a file and those that it includes."""

from __future__ import annotations

import glob
from dataclasses import dataclass, field
from pathlib import Path

from probe.config.document import Budget, UnreadableError, read_table
from probe.config.problems import Place, Report, dotted, suggestion
from probe.config.secrets import Secrets
from probe.config.sections import Settings
from probe.config.tree import Series, Table, place_of

MOST_FILES = 10_000
# What order decides (routes) or what is one for the whole program stands in the main file only.
_NAMED = ("services", "checks", "maintenance", "users", "rotations", "schedules", "escalations")
_SHARED = ("include", *_NAMED, "alerts")


def gather(path: Path, secrets: Secrets, report: Report) -> Table | None:
    """The main file with everything that it includes merged in; None when it cannot be read."""
    gathering = _Gathering(secrets, report)
    main = gathering.read(path, str(path))
    if main is not None:
        gathering.follow(main, path, (path.resolve(),))
    return main and gathering.merged(main)


@dataclass
class _Gathering:
    secrets: Secrets
    report: Report
    budget: Budget = field(default_factory=Budget)
    seen: set[Path] = field(default_factory=set)
    parts: list[Table] = field(default_factory=list)

    def read(self, path: Path, shown: str) -> Table | None:
        self.seen.add(path.resolve())
        try:
            return read_table(path, shown, self.secrets, self.report, self.budget)
        except UnreadableError as problem:
            self.report.error(problem.place, "", problem.message, problem.hint)
            return None

    def follow(self, table: Table, path: Path, chain: tuple[Path, ...]) -> None:
        """Read what `table`, the content of `path`, includes. `chain` is how we came here, resolved."""
        patterns = table.get("include", [])
        if not isinstance(patterns, Series):
            if "include" in table:
                place = place_of(table, ("include",))
                self.report.error(place, "include", "wants a list of files", "write [checks.d/*.yml]")
            return
        for index, pattern in enumerate(patterns):
            place, key = patterns.place_in(index), dotted(("include", index))
            if not isinstance(pattern, str) or not pattern:
                self.report.error(place, key, "wants the path of a file, or a pattern as in checks.d/*.yml")
                continue
            for found in self._matches(path.parent, pattern, place, key):
                self._enter(found, place, key, chain, named=not glob.has_magic(pattern))

    def _matches(self, folder: Path, pattern: str, place: Place, key: str) -> list[Path]:
        if not glob.has_magic(pattern):
            return [folder / pattern]
        found = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        paths = [path for path in (folder / name for name in found) if path.is_file()]
        if not paths:
            self.report.warn(place, key, f"no file matches {pattern}")
        return paths

    def _enter(self, path: Path, place: Place, key: str, chain: tuple[Path, ...], *, named: bool) -> None:
        resolved = path.resolve()
        if resolved in chain and named:
            self.report.error(place, key, f"{path} includes itself", "take it out of the list")
        if resolved in self.seen:
            return  # two patterns may meet in one file: it counts once
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            self.report.error(place, key, f"{path} {what}", f"write {path}/*.yml" if path.is_dir() else "")
        elif len(self.seen) >= MOST_FILES:
            self.report.error(place, key, f"more than {MOST_FILES:,} files")
        elif (table := self.read(path, str(path))) is not None:
            self.parts.append(table)
            self.follow(table, path, (*chain, resolved))

    def merged(self, main: Table) -> Table:
        for part in self.parts:
            for key in part:
                if key not in _SHARED:
                    of_main = key in Settings.model_fields
                    hint = "write it in the main file" if of_main else suggestion(key, _SHARED, "keys here")
                    self.report.error(part.place_of(key), key, "does not belong in an included file", hint)
            for section in _NAMED:
                self._merge(main, part, (section,))
            self._merge_alerts(main, part)
        return main

    def _merge_alerts(self, main: Table, part: Table) -> None:
        alerts = part.get("alerts")
        if alerts is None:
            return
        if not isinstance(alerts, Table):
            self.report.error(part.place_in("alerts"), "alerts", "wants a mapping of receivers")
            return
        for key in alerts:
            if key != "receivers":
                message = "does not belong in an included file"
                hint = "routes are tried in order, so all of them stand in the main file" if key == "routes" else ""
                self.report.error(alerts.place_of(key), dotted(("alerts", key)), message, hint)
        if "receivers" in alerts:
            if "alerts" not in main:
                main.add("alerts", Table(alerts.file, alerts.spot), part)
            if isinstance(main["alerts"], Table):
                self._merge(main["alerts"], alerts, ("receivers",), above=("alerts",))

    def _merge(self, main: Table, part: Table, path: tuple[str], above: tuple[str, ...] = ()) -> None:
        """Add the names of a section; one that is there already is an error."""
        section = path[0]
        named = part.get(section)
        if named is None:
            return
        if not isinstance(named, Table):
            message = "wants a mapping, a name for each"
            self.report.error(part.place_in(section), dotted((*above, section)), message)
            return
        if main.get(section) is None:
            main.add(section, Table(named.file, named.spot), part)
        if not isinstance(main[section], Table):
            return  # the main file's own mistake, told where it is looked at
        merged = main[section]
        for name in named:
            if name in merged:
                first = merged.place_of(name)
                message = f"given twice; the first is in {first.file}:{first.line}"
                self.report.error(named.place_of(name), dotted((*above, section, name)), message)
            else:
                merged.adopt(named, name)
