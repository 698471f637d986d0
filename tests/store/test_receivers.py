"""What is remembered of receivers: who is disabled, and by what they know an incident. Also after a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from probe.store.base import Act
from probe.store.deliveries import Delivery, Outcome
from probe.store.receivers import Disabled
from probe.store.sqlite import open_store
from tests.store.samples import AT_MS, notice

DEAD = Disabled("chat", "ab12", AT_MS, "chat.example answered 410")


async def test_who_is_disabled_stays_so_until_enabled(path: Path) -> None:
    first = await open_store(f"sqlite:{path}")
    await first.disable(DEAD)
    await first.disable(Disabled("ana/mail", "cd34", AT_MS, "550 no such user"))
    await first.close()
    again = await open_store(f"sqlite:{path}")
    assert await again.disabled() == [Disabled("ana/mail", "cd34", AT_MS, "550 no such user"), DEAD]
    await again.enable("ana/mail")
    await again.enable("nobody")
    assert await again.disabled() == [DEAD]
    later = replace(DEAD, digest="ef56", at_ms=AT_MS + 5)
    await again.disable(later)
    assert await again.disabled() == [later]
    await again.close()


async def test_the_reference_is_that_of_what_was_told_last(path: Path) -> None:
    store = await open_store(f"sqlite:{path}")
    first, last = notice("opened", "a@1", AT_MS), notice("changed", "a@1", AT_MS + 1000)
    await store.append([Act(notices=((first, ("chat", "mail")), (last, ("chat",))))])
    assert await store.reference("a@1", "chat") == ""
    await store.settle([Delivery(first, "chat", Outcome.DELIVERED, 1, "", AT_MS, "C1:1.0")])
    assert await store.reference("a@1", "chat") == "C1:1.0"
    await store.settle([Delivery(last, "chat", Outcome.DELIVERED, 1, "", AT_MS + 1000, "C1:2.0")])
    await store.close()
    again = await open_store(f"sqlite:{path}")
    assert await again.reference("a@1", "chat") == "C1:2.0"
    assert await again.reference("a@1", "mail") == ""
    assert await again.reference("b@2", "chat") == ""
    assert [one.reference for one in await again.told(0)] == ["C1:2.0"]
    await again.close()


@pytest.mark.parametrize("reference", ["", "C1:1.0", "ä\ud83d\n"])
async def test_a_reference_is_kept_as_far_as_it_is_text(path: Path, reference: str) -> None:
    store = await open_store(f"sqlite:{path}")
    what = notice("opened", "a@1", AT_MS)
    await store.append([Act(notices=((what, ("chat",)),))])
    await store.settle([Delivery(what, "chat", Outcome.DELIVERED, 1, "", AT_MS, reference)])
    kept = await store.reference("a@1", "chat")
    assert kept == reference.encode("utf-8", "replace").decode()
    await store.close()
