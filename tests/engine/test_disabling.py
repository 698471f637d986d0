"""A receiver that takes nothing any more: disabled, remembered, and somebody else told, each notice exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporters.base import NotifyError, Trouble
from exporters.terms import Terms
from probe.store.base import StoreError
from probe.store.receivers import Disabled
from probe.store.sql import SqlStore
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.post_office import Ear, PostOffice, notice

FALLBACK = {"chat": Terms(fallback="mail")}


def dead() -> NotifyError:
    return NotifyError("chat.example answered 410: s3cr3t is gone", gone=True, kind=Trouble.GONE)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield opened
    await opened.close()


async def test_what_waits_and_what_comes_later_is_told_elsewhere(store: SqlStore, clock: FakeClock) -> None:
    chat, mail, office = Ear().failing(NotifyError("503"), dead()), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail}, FALLBACK)
    await office.decide(notice("opened", "a@1"), "chat")
    await office.decide(notice("opened", "b@2"), "chat")
    await clock.advance(10)  # the second try finds it gone
    assert mail.heard == ["opened a@1", "opened b@2"]
    await office.decide(notice("resolved", "a@1"), "chat")
    await office.close()
    assert mail.heard == ["opened a@1", "opened b@2", "resolved a@1"]
    assert len(chat.tries) == 2
    said = "instead of chat, which is disabled: chat.example answered 410: ••• is gone"
    assert set(mail.whys) == {said}
    assert office.refusals[-1][0] == "chat"
    assert "is disabled until it is changed or enabled: chat.example answered 410" in office.refusals[-1][1]


async def test_it_is_owed_elsewhere_before_it_has_failed_here(store: SqlStore, clock: FakeClock) -> None:
    chat, mail, office = Ear().failing(dead()), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail}, FALLBACK)
    await office.decide(notice("opened"), "chat")
    await office.close()
    assert office.outcomes() == [
        "mail a@1-opened-0 pending",
        "chat a@1-opened-0 failed",
        "mail a@1-opened-0 delivered",
    ]
    assert office.writes[1].error.endswith("; mail is told instead")


@pytest.mark.parametrize("written", range(9))
async def test_a_crash_at_any_write_loses_nothing_and_repeats_only_by_the_same_id(
    store: SqlStore, clock: FakeClock, written: int
) -> None:
    mail, first = Ear(), PostOffice(store, clock)
    await first.open({"chat": Ear().failing(NotifyError("503"), dead()), "mail": mail}, FALLBACK)
    await first.decide(notice("opened", "a@1"), "chat")
    await first.decide(notice("opened", "b@2"), "chat", "mail")
    await clock.advance(10)
    await first.kept(1)
    unwritten = Counter(one.notice.id for one in first.writes[written:] if one.outcome == "delivered")
    await first.write(written)
    await first.close()
    second = PostOffice(store, clock)
    await second.open({"chat": Ear().failing(*[dead()] * 9), "mail": mail}, FALLBACK)
    await second.write()
    await second.close()
    told = Counter(one.id for one in mail._heard)
    assert set(told) == {"a@1-opened-0", "b@2-opened-0"}
    for identity, count in told.items():
        assert count <= 1 + unwritten[identity]
    assert await store.pending() == []


async def test_a_restart_does_not_try_a_dead_address_again(store: SqlStore, clock: FakeClock) -> None:
    first = PostOffice(store, clock)
    await first.open({"chat": Ear().failing(dead()), "mail": Ear()}, FALLBACK)
    await first.decide(notice("opened"), "chat")
    await first.kept(1)
    await first.write()
    await first.close()
    (kept,) = await store.disabled()
    assert (kept.receiver, kept.at_ms) == ("chat", clock.now_ms())
    assert "s3cr3t" not in kept.reason
    chat, mail, second = Ear(), Ear(), PostOffice(store, clock)
    await second.open({"chat": chat, "mail": mail}, FALLBACK)
    await second.decide(notice("opened", "b@2"), "chat")
    await second.close()
    assert chat.tries == []
    assert mail.heard == ["opened b@2"]
    assert second.refusals[0][0] == "chat"  # it is still so


async def test_a_changed_setting_is_worth_another_try_also_over_a_restart(store: SqlStore, clock: FakeClock) -> None:
    office = PostOffice(store, clock)
    await office.open({"chat": Ear().failing(dead()), "mail": Ear()}, FALLBACK)
    await office.decide(notice("opened"), "chat")
    await office.kept(1)
    mended = Ear(address="two")
    both = {"chat": mended, "mail": Ear()}
    office.deliverer.configure(both, terms=office.terms(both, FALLBACK))
    await office.decide(notice("opened", "b@2"), "chat")
    assert mended.heard == ["opened b@2"]
    assert office.enabled == ["chat"]
    await office.kept(0)
    mended.failing(dead())
    await office.decide(notice("opened", "c@3"), "chat")
    await office.kept(1)
    await office.write()
    await office.close()
    third, later = Ear(address="three"), PostOffice(store, clock)
    await later.open({"chat": third, "mail": Ear()}, FALLBACK)
    await later.decide(notice("opened", "d@4"), "chat")
    await later.kept(0)
    await later.close()
    assert third.heard == ["opened d@4"]
    assert later.enabled == ["chat"]


async def test_the_same_settings_stay_disabled_over_a_reload(store: SqlStore, clock: FakeClock) -> None:
    office = PostOffice(store, clock)
    await office.open({"chat": Ear().failing(dead())})
    await office.decide(notice("opened"), "chat")
    again = Ear()
    office.deliverer.configure({"chat": again}, terms={"chat": Terms()})
    await office.decide(notice("opened", "b@2"), "chat")
    await office.close()
    assert again.tries == []


async def test_people_can_enable_it_and_all_that_is_derived_from_it(store: SqlStore, clock: FakeClock) -> None:
    ana, bob, office = Ear().failing(dead()), Ear(address="bob"), PostOffice(store, clock)
    await office.open({"chat": Ear(), "ana/chat": ana, "bob/chat": bob})
    await office.decide(notice("opened"), "ana/chat", "bob/chat")
    assert set(office.deliverer.disabled()) == {"ana/chat"}  # the app is not to blame for one member
    assert office.deliverer.enable("chat")
    assert not office.deliverer.enable("chat")
    await office.decide(notice("opened", "b@2"), "ana/chat")
    await office.close()
    assert ana.heard == ["opened b@2"]
    assert office.enabled == ["ana/chat"]


@pytest.mark.parametrize("receivers", [("chat", "mail"), ("mail", "chat")])
async def test_who_is_told_anyway_is_not_told_twice(
    store: SqlStore, clock: FakeClock, receivers: tuple[str, str]
) -> None:
    mail, office = Ear(), PostOffice(store, clock)
    await office.open({"chat": Ear().failing(dead()), "mail": mail}, FALLBACK)
    for number in range(3):
        await office.decide(notice("opened", f"a@{number}"), *receivers)
    await office.close()
    assert mail.heard == ["opened a@0", "opened a@1", "opened a@2"]


async def test_who_was_told_before_a_restart_is_not_told_again(store: SqlStore, clock: FakeClock) -> None:
    """It was disabled between two writes: the other one's notice had been taken, and was written down."""
    mail, first = Ear(), PostOffice(store, clock)
    await first.open({"chat": Ear().failing(NotifyError("503")), "mail": mail}, FALLBACK)
    await first.decide(notice("opened"), "chat", "mail")
    await first.write()
    await first.close()
    second = PostOffice(store, clock)
    await second.open({"chat": Ear().failing(dead()), "mail": mail}, FALLBACK)
    await second.close()
    assert mail.heard == ["opened a@1"]


async def test_the_end_of_what_was_told_elsewhere_is_told_there_too(store: SqlStore, clock: FakeClock) -> None:
    chat, mail, office = Ear().failing(dead()), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail}, FALLBACK)
    await office.decide(notice("opened"), "chat")
    office.deliverer.enable("chat")
    await office.decide(notice("resolved"), "chat")
    await office.close()
    assert mail.heard == ["opened a@1", "resolved a@1"]
    assert chat.heard == ["passed a@1"]  # it has never heard of it


async def test_an_end_that_a_fallback_gets_by_itself_is_its_own(store: SqlStore, clock: FakeClock) -> None:
    mail, office = Ear(), PostOffice(store, clock)
    await office.open({"chat": Ear(), "mail": mail}, FALLBACK)
    await office.decide(notice("opened"), "chat", "mail")
    await office.decide(notice("resolved"), "chat", "mail")
    await office.close()
    assert mail.heard == ["opened a@1", "resolved a@1"]
    assert mail.whys == ["", ""]


async def test_a_fallback_that_is_gone_has_a_fallback_itself(store: SqlStore, clock: FakeClock) -> None:
    terms = {"chat": Terms(fallback="mail"), "mail": Terms(fallback="pager"), "pager": Terms(fallback="mail")}
    chat, mail, pager, office = Ear().failing(dead()), Ear().failing(dead()), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail, "pager": pager}, terms)
    await office.decide(notice("opened"), "chat")
    assert pager.heard == ["opened a@1"]
    assert [why.count("instead of") for why in pager.whys] == [2]
    pager.failing(dead())
    await office.decide(notice("opened", "b@2"), "chat")
    await office.decide(notice("opened", "c@3"), "chat")  # around in a circle: nobody is left
    await office.close()
    assert set(office.deliverer.disabled()) == {"chat", "mail", "pager"}
    assert [one.outcome for one in office.writes if one.notice.incident == "c@3"] == ["failed"]


async def test_a_person_is_told_by_what_is_their_own(store: SqlStore, clock: FakeClock) -> None:
    own, everybodys, office = Ear(), Ear(), PostOffice(store, clock)
    receivers = {"chat": Ear(), "mail": everybodys, "ana/chat": Ear().failing(dead()), "ana/mail": own}
    await office.open(receivers, FALLBACK)
    await office.decide(notice("opened"), "ana/chat")
    await office.close()
    assert (own.heard, everybodys.heard) == (["opened a@1"], [])


async def test_a_refusal_disables_nothing_but_is_told_elsewhere(store: SqlStore, clock: FakeClock) -> None:
    chat, mail, office = Ear().failing(NotifyError("400: no", permanent=True)), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail}, FALLBACK)
    await office.decide(notice("opened"), "chat")
    await office.decide(notice("opened", "b@2"), "chat")
    await office.close()
    assert mail.heard == ["opened a@1"]
    assert mail.whys == ["instead of chat, which did not take it: 400: no"]
    assert chat.heard == ["opened b@2"]
    assert not office.deliverer.disabled()


async def test_without_a_fallback_it_has_failed(store: SqlStore, clock: FakeClock) -> None:
    office = PostOffice(store, clock)
    await office.open({"chat": Ear().failing(dead()), "mail": Ear()})
    await office.decide(notice("opened"), "chat")
    await office.decide(notice("opened", "b@2"), "chat")
    await office.close()
    assert office.outcomes() == ["chat a@1-opened-0 failed", "chat b@2-opened-0 failed"]
    assert office.writes[-1].error == "disabled: chat.example answered 410: ••• is gone"


class Shaky:
    """A store that fails twice before it works."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.failures = 2
        self.disabled = store.disabled
        self.enable = store.enable
        self.reference = store.reference

    async def disable(self, disabled: Disabled) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("disk full")
        await self.store.disable(disabled)


async def test_what_nobody_can_write_down_yet_is_written_down_later(store: SqlStore, clock: FakeClock) -> None:
    shaky = Shaky(store)
    office = PostOffice(store, clock, book=shaky)
    await office.open({"chat": Ear().failing(dead())})
    await office.decide(notice("opened"), "chat")
    assert await store.disabled() == []
    await clock.advance(11)
    await office.kept(1)
    await office.close()
    assert shaky.failures == 0
