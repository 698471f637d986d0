"""What receivers hear, in which order, and what is written down about it."""

import asyncio
from collections.abc import Sequence

import pytest

from checks.core.redact import Redactor
from exporters.base import Notice, NoticeKind, NotifyError, Post
from probe.engine.deliver import Deliverer, Desk
from probe.engine.merging import letters
from probe.store.deliveries import Delivery, Outcome
from tests.conftest import FakeClock, settled
from thresholds.base import Level

AT_MS = 1_700_000_000_000


def notice(kind: str, incident: str = "a@1", number: int = 0, level: Level = Level.DOWN) -> Notice:
    return Notice(
        id=f"{incident}-{kind}-{number}",
        kind=NoticeKind(kind),
        incident=incident,
        instance="test",
        check=incident.split("@", maxsplit=1)[0],
        target="",
        level=level,
        since_ms=AT_MS,
        at_ms=AT_MS,
        ended_ms=AT_MS + 60_000 if kind in ("resolved", "passed") else 0,
    )


class Receiver:
    """Somebody outside: takes notices, or answers with the errors it was given, in turn."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.heard: list[str] = []
        self.attempts = 0

    async def send(self, notice: Notice, post: Post) -> None:
        self.attempts += 1
        if self.errors:
            error = self.errors.pop(0)
            if isinstance(error, TimeoutError):
                await asyncio.Event().wait()
            raise error
        self.heard.append(f"{notice.kind} {notice.incident} {notice.level.name}")


class Forgetful(Receiver):
    """Like Alertmanager: must be told again of what is open."""

    refresh_every = 60.0
    keep_resolved = 900.0

    def __init__(self) -> None:
        super().__init__()
        self.refreshed: list[list[str]] = []

    async def refresh(self, notices: Sequence[Notice], now_ms: int, post: Post) -> None:
        self.refreshed.append(sorted(f"{told.kind} {told.incident}" for told in notices))


class Office:
    """A Deliverer with a clock, and the book of what it settles."""

    def __init__(self, clock: FakeClock, **receivers: Receiver) -> None:
        self.book: list[Delivery] = []
        self.refusals: list[tuple[str, str]] = []
        self.clock = clock
        desk = Desk(
            clock=clock,
            post=None,  # type: ignore[arg-type]  # these receivers speak no HTTP
            redact=Redactor(["s3cr3t"]),
            settle=self.book.append,
            refused=lambda name, why: self.refusals.append((name, why)),
            taken=lambda _name: None,
            failed=lambda _name, _trouble, _final: None,
        )
        self.deliverer = Deliverer(desk)
        self.deliverer.configure(receivers)

    def accept(self, receiver: str, *notices: Notice) -> None:
        for item in notices:
            self.deliverer.accept(Delivery(item, receiver))

    def outcomes(self) -> dict[str, str]:
        return {delivery.notice.id: delivery.outcome.value for delivery in self.book}


async def test_notices_are_told_in_order_and_settled(clock: FakeClock) -> None:
    chat = Receiver()
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened", level=Level.DEGRADED))
    await settled()
    office.accept("chat", notice("changed"), notice("opened", "b@2"))
    await settled()
    office.accept("chat", notice("resolved"))
    await settled()
    await office.deliverer.stop()
    assert chat.heard == ["opened a@1 DEGRADED", "changed a@1 DOWN", "opened b@2 DOWN", "resolved a@1 DOWN"]
    assert set(office.outcomes().values()) == {"delivered"}


async def test_a_failing_receiver_is_tried_again_and_delays_no_other(clock: FakeClock) -> None:
    broken = Receiver(*[NotifyError("503")] * 4)
    chat = Receiver()
    office = Office(clock, broken=broken, chat=chat)
    office.accept("broken", notice("opened"))
    office.accept("chat", notice("opened"))
    await settled()
    assert chat.heard == ["opened a@1 DOWN"]
    assert broken.attempts == 1
    await clock.advance(4 - 0.1)
    assert broken.attempts == 1  # 5 s give or take a fifth
    await clock.advance(2.2)
    assert broken.attempts == 2
    await clock.advance(200)
    await office.deliverer.stop()
    assert broken.heard == ["opened a@1 DOWN"]
    last = [delivery for delivery in office.book if delivery.receiver == "broken"][-1]
    assert (last.outcome, last.attempts) == (Outcome.DELIVERED, 5)


async def test_a_receiver_decides_when_it_is_asked_again(clock: FakeClock) -> None:
    slow = Receiver(NotifyError("429", retry_after=100.0))
    office = Office(clock, slow=slow)
    office.accept("slow", notice("opened"))
    await clock.advance(99)
    assert slow.attempts == 1
    await clock.advance(2)
    await office.deliverer.stop()
    assert slow.attempts == 2


async def test_a_silent_receiver_is_cut_off(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.engine.courier._DEADLINE", 0.01)
    silent = Receiver(TimeoutError())
    office = Office(clock, silent=silent)
    office.accept("silent", notice("opened"))
    while not office.book:
        await asyncio.sleep(0)
    await clock.advance(10)
    await office.deliverer.stop()
    assert office.book[0].error.startswith("no answer within")
    assert silent.heard == ["opened a@1 DOWN"]


async def test_a_refusal_is_final_said_elsewhere_and_holds_no_secret(clock: FakeClock) -> None:
    gone = Receiver(NotifyError("410 for s3cr3t", permanent=True))
    office = Office(clock, gone=gone)
    office.accept("gone", notice("opened"), notice("opened", "b@2"))
    await settled()
    await office.deliverer.stop()
    assert office.refusals == [("gone", "receiver gone does not take alerts: 410 for •••")]
    assert office.outcomes() == {"a@1-opened-0": "failed", "b@2-opened-0": "delivered"}


async def test_after_a_day_it_is_given_up(clock: FakeClock) -> None:
    dead = Receiver(*[NotifyError("no route")] * 1000)
    office = Office(clock, dead=dead)
    office.accept("dead", notice("opened"))
    await clock.advance(86_400 + 600)
    await office.deliverer.stop()
    assert office.outcomes() == {"a@1-opened-0": "failed"}
    assert 280 < dead.attempts < 380  # every five minutes


async def test_an_outage_that_is_over_before_it_could_be_told_is_one_message(clock: FakeClock) -> None:
    chat = Receiver(NotifyError("503"))
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened", level=Level.DEGRADED), notice("changed"))
    await settled()
    office.accept("chat", notice("opened", "b@2"), notice("resolved", level=Level.DEGRADED))
    await clock.advance(10)
    await office.deliverer.stop()
    assert chat.heard == ["passed a@1 DOWN", "opened b@2 DOWN"]
    assert office.outcomes() == {
        "a@1-opened-0": "merged",
        "a@1-changed-0": "merged",
        "a@1-resolved-0": "delivered",
        "b@2-opened-0": "delivered",
    }


def test_an_end_whose_beginning_was_told_stays_an_end() -> None:
    queue = [Delivery(notice("changed"), "chat"), Delivery(notice("resolved"), "chat")]
    (letter,) = letters(queue, {"a@1"})
    assert letter.delivery.notice.kind is NoticeKind.RESOLVED
    assert [delivery.notice.kind for delivery in letter.superfluous] == ["changed"]


async def test_a_forgetful_receiver_is_told_again_until_the_end_is_old(clock: FakeClock) -> None:
    peers = Forgetful()
    office = Office(clock, peers=peers)
    office.accept("peers", notice("opened"))
    await clock.advance(125)
    assert peers.refreshed[-1] == ["opened a@1"]
    office.accept("peers", notice("resolved"))
    await clock.advance(60)
    assert peers.refreshed[-1] == ["resolved a@1"]
    await clock.advance(1200)
    count = len(peers.refreshed)
    await clock.advance(600)
    await office.deliverer.stop()
    assert len(peers.refreshed) == count


async def test_after_a_restart_what_is_owed_is_sent_and_what_is_open_refreshed(clock: FakeClock) -> None:
    peers, chat = Forgetful(), Receiver()
    told = [Delivery(notice("opened", i), r) for i, r in (("a@1", "peers"), ("a@1", "gone"), ("b@2", "chat"))]
    office = Office(clock)
    office.deliverer.configure({"peers": peers, "chat": chat}, told)
    office.accept("chat", notice("resolved", "b@2"))
    office.accept("gone", notice("opened"))
    await settled()
    await office.deliverer.stop()
    assert chat.heard == ["resolved b@2 DOWN"]
    assert peers.refreshed == [["opened a@1"]]
    assert office.outcomes() == {"b@2-resolved-0": "delivered", "a@1-opened-0": "failed"}


async def test_a_removed_receiver_leaves_nothing_pending(clock: FakeClock) -> None:
    chat = Receiver(*[NotifyError("503")] * 9)
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened"))
    await settled()
    office.deliverer.configure({})
    await office.deliverer.stop()
    assert office.book[-1].outcome is Outcome.FAILED


async def test_new_settings_take_over_what_waits(clock: FakeClock) -> None:
    office = Office(clock, chat=Receiver(*[NotifyError("503")] * 9))
    office.accept("chat", notice("opened"))
    await settled()
    mended = Receiver()
    office.deliverer.configure({"chat": mended})
    await clock.advance(10)
    await office.deliverer.stop()
    assert mended.heard == ["opened a@1 DOWN"]


async def test_an_end_that_is_refused_is_the_end_all_the_same(clock: FakeClock) -> None:
    peers = Forgetful()
    office = Office(clock, peers=peers)
    office.accept("peers", notice("opened"))
    await settled()
    peers.errors = [NotifyError("404", permanent=True)]
    office.accept("peers", notice("resolved"))
    await clock.advance(3600)
    await office.deliverer.stop()
    assert "opened a@1" not in peers.refreshed[-1]
    assert len(peers.refreshed) < 20  # the end is told for fifteen minutes, not for ever


async def test_a_refused_single_message_leaves_no_beginning_without_an_end(clock: FakeClock) -> None:
    chat = Receiver(NotifyError("503"), NotifyError("404", permanent=True))
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened"), notice("resolved"))
    await clock.advance(60)
    await office.deliverer.stop()
    assert chat.heard == []
    assert set(office.outcomes().values()) == {"failed"}


async def test_after_a_restart_a_single_message_stays_one(clock: FakeClock) -> None:
    chat = Receiver()
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened"), notice("passed"))
    await settled()
    await office.deliverer.stop()
    assert chat.heard == ["passed a@1 DOWN"]


async def test_who_heard_nothing_of_an_outage_is_not_told_its_end_alone(clock: FakeClock) -> None:
    oncall = Receiver(NotifyError("503"))
    office = Office(clock, oncall=oncall)
    office.accept("oncall", notice("changed"), notice("resolved"))  # the beginning went elsewhere
    await clock.advance(10)
    await office.deliverer.stop()
    assert oncall.heard == ["passed a@1 DOWN"]


async def test_an_old_notice_has_its_day_too(clock: FakeClock) -> None:
    clock.step_wall(3 * 86_400_000)  # we were down for three days
    chat = Receiver(NotifyError("no route yet"))
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened"))
    await clock.advance(10)
    await office.deliverer.stop()
    assert chat.heard == ["opened a@1 DOWN"]


async def test_a_receiver_that_comes_back_knows_what_is_open(clock: FakeClock) -> None:
    office = Office(clock)
    peers = Forgetful()
    office.deliverer.configure({"peers": peers}, [Delivery(notice("opened"), "peers")])
    await settled()
    await office.deliverer.stop()
    assert peers.refreshed == [["opened a@1"]]


async def test_a_long_queue_does_not_make_a_receiver_forget(clock: FakeClock) -> None:
    class Slow(Forgetful):
        async def send(self, notice: Notice, post: Post) -> None:
            await clock.sleep(4)
            await super().send(notice, post)

    peers = Slow()
    office = Office(clock, peers=peers)
    office.accept("peers", *[notice("opened", f"b@{number}") for number in range(200)])
    await clock.advance(400)
    await office.deliverer.stop()
    assert len(peers.refreshed) >= 5


async def test_others_are_not_remembered_after_the_end(clock: FakeClock) -> None:
    chat = Receiver()
    office = Office(clock, chat=chat)
    for number in range(50):
        office.accept("chat", notice("opened", f"a@{number}"), notice("resolved", f"a@{number}"))
    await settled()
    assert not office.deliverer._couriers["chat"].memory.told
    await office.deliverer.stop()


@pytest.mark.parametrize("turns", range(8))
async def test_stopping_never_hangs_whatever_a_courier_is_doing(clock: FakeClock, turns: int) -> None:
    office = Office(clock, chat=Receiver(*[NotifyError("503")] * 99))
    office.accept("chat", notice("opened"))
    await settled()
    office.accept("chat", notice("opened", "b@2"))
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await office.deliverer.stop()


async def test_a_bug_in_a_channel_is_a_failed_attempt(clock: FakeClock) -> None:
    odd = Receiver(ZeroDivisionError())
    office = Office(clock, odd=odd)
    office.accept("odd", notice("opened"))
    await clock.advance(10)
    await office.deliverer.stop()
    assert odd.heard == ["opened a@1 DOWN"]
    assert office.book[0].error == "bug: ZeroDivisionError"


async def test_a_courier_that_ends_by_itself_ends_the_service(clock: FakeClock) -> None:
    office = Office(clock, chat=Receiver(asyncio.CancelledError()))  # type: ignore[arg-type]  # no Exception: a bug
    running = asyncio.create_task(office.deliverer.run())
    await settled()
    office.accept("chat", notice("opened"))
    with pytest.raises(RuntimeError, match="courier chat ended"):
        await running


async def test_flushing_waits_for_what_is_being_sent(clock: FakeClock) -> None:
    sent = asyncio.Event()

    class Slow(Receiver):
        async def send(self, notice: Notice, post: Post) -> None:
            await sent.wait()
            await super().send(notice, post)

    chat = Slow()
    office = Office(clock, chat=chat)
    office.accept("chat", notice("opened"))
    await settled()
    flushing = asyncio.create_task(office.deliverer.flush())
    await settled()
    assert not flushing.done()
    sent.set()
    await flushing
    assert chat.heard == ["opened a@1 DOWN"]
    await office.deliverer.stop()
