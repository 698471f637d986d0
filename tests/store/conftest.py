"""Real stores on real files."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.store.base import Store
from probe.store.sqlite import open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "probe.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:{path}")
    try:
        yield opened
    finally:
        await opened.close()
