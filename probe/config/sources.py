"""The files that a configuration was read from, and whether they are still what they were."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from probe.config.document import LARGEST
from probe.config.tree import Series, Table

_CHUNK = 1 << 20  # bytes
Signs = tuple[tuple[str, int, int, int], ...]  # of each file its path, when it was written, its size, its inode


@dataclass(frozen=True, slots=True)
class Sources:
    """Files, and the patterns that named some of them; what they held together when they were read."""

    files: tuple[Path, ...]
    patterns: tuple[tuple[Path, str], ...] = ()  # with the folder that each starts from
    digest: str = ""

    def now(self) -> Sequence[Path]:
        """The files that would be read now."""
        matching = {Path(folder, name) for folder, pattern in self.patterns for name in _matches(folder, pattern)}
        return sorted({*self.files, *(path for path in matching if path.is_file())})


def sources_of(path: Path, root: Table) -> Sources:
    """Of a configuration that was just read: the main file, and whatever its keys came from.

    Not the files behind `${file:...}`, `for_each` and calendars.
    """
    folder = path.absolute().parent
    files = {path.absolute(), *(Path(name).absolute() for name in _foreign(root))}
    included = root.get("include")
    texts = [text for text in included if isinstance(text, str)] if isinstance(included, Series) else []
    found = Sources(tuple(sorted(files)), tuple((folder, text) for text in texts))
    try:
        digest = digest_of(found.now())
    except OSError:
        digest = ""  # it is gone already: what runs differs from what is there
    return Sources(found.files, found.patterns, digest)


def _matches(folder: Path, pattern: str) -> list[str]:
    return glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 - a pattern may be absolute


def _foreign(root: Table) -> Iterator[str]:
    """Files that keys were taken over from."""
    alerts = root.get("alerts")
    sections = [root.get(name) for name in root] + ([alerts.get("receivers")] if isinstance(alerts, Table) else [])
    for section in (root, *sections):
        if isinstance(section, Table):
            yield section.file
            yield from section.foreign.values()


def signs_of(files: Sequence[Path]) -> Signs:
    """What tells cheaply that nothing has changed. Raises OSError."""
    found = [(path, path.stat()) for path in files]
    return tuple((str(path), one.st_mtime_ns, one.st_size, one.st_ino) for path, one in found)


def digest_of(files: Sequence[Path]) -> str:
    """What the files hold, as one short text. Raises OSError."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"\0{path}\0".encode(errors="surrogateescape"))
        left = LARGEST + 1
        with path.open("rb") as file:
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
    return digest.hexdigest()
