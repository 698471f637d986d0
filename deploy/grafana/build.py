#!/usr/bin/env python3
"""Writes dashboards/*.json from boards/; with --check says which of them are not what boards/ makes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from boards import check, fleet, sla

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = {"fleet": fleet.board, "check": check.board, "sla": sla.board}


def render(name: str) -> str:
    """One dashboard as its file holds it."""
    return json.dumps(BOARDS[name](), indent=1, ensure_ascii=False) + "\n"


def differing() -> list[str]:
    """Names of the files that are not what their board makes."""
    paths = {name: FOLDER / f"{name}.json" for name in BOARDS}
    return [name for name, path in paths.items() if not path.exists() or path.read_text() != render(name)]


def main(arguments: list[str]) -> int:
    stale = differing()
    if "--check" in arguments:
        sys.stderr.writelines(f"dashboards/{name}.json: run deploy/grafana/build.py\n" for name in stale)
        return 1 if stale else 0
    for name in stale:
        (FOLDER / f"{name}.json").write_text(render(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
