"""One warning for one place, whatever the number of checks that inherit what stands there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from probe.config.faults import Faults
from probe.config.tree import Path


@dataclass
class Grouped:
    """Warnings by place and text, with the names of those whom they are about; `tell` reports them."""

    faults: Faults
    found: dict[tuple[Path, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def warn(self, path: Path, text: str, name: str) -> None:
        self.found[path, text].append(name)

    def tell(self) -> None:
        for (path, text), names in self.found.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            own = path[:2] in {("checks", names[0]), ("services", names[0])} and not more
            self.faults.warn(path, text if own else f"{text} (of {names[0]}{more})")
