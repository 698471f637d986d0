"""Incidents, their checks, their timeline, cases, keys and links: what is written is read, once, after a crash too."""

import asyncio
import random
import sqlite3
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.alerting.case import Absent, Case, Line, Page, Said
from exporters.alerting.incident import Action, Deed, Happening, Incident, Member, Severity, Status
from probe.store.base import Act, Entry, Spent, Store, StoreError
from probe.store.casebook import Filed
from probe.store.deliveries import Delivery, Outcome
from probe.store.migrate import load
from probe.store.sql import SqlStore
from probe.store.sqlite import APPLICATION, SqliteDriver, open_store
from tests.store.samples import AT_MS, alarm, notice, told, verdict
from thresholds.base import Level

FOREVER = 1 << 53
INSTANTS = st.integers(0, FOREVER)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # lone surrogates are a test of their own
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3)
LENGTHS = st.floats(0, 1e9, allow_nan=False)
ACTIONS = st.builds(Action, st.integers(1, 99), TEXTS, TEXTS, TEXTS, INSTANTS, INSTANTS, TEXTS)
INCIDENTS = st.builds(
    Incident,
    id=TEXTS,
    number=st.integers(1, 1 << 40),
    subject=TEXTS,
    opened_ms=INSTANTS,
    detected_ms=INSTANTS,
    level=st.sampled_from(Level),
    worst=st.sampled_from(Level),
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    untold=TEXTS,
    ended_ms=INSTANTS,
    check=TEXTS,
    reason=TEXTS,
    causes=st.lists(TEXTS, max_size=3).map(tuple),
    labels=LABELS,
    seen=LABELS,
    count=st.integers(0, 9),
    acked_by=TEXTS,
    actions=st.lists(ACTIONS, max_size=2, unique_by=lambda one: one.id).map(tuple),
    depends_on=st.lists(TEXTS, max_size=2).map(tuple),
)
MEMBERS = st.builds(
    Member, TEXTS, st.sampled_from(Level), INSTANTS, TEXTS, TEXTS, TEXTS, st.sampled_from(Level), INSTANTS
)
HAPPENINGS = st.builds(Happening, st.just("x"), INSTANTS, st.sampled_from(Deed), TEXTS, TEXTS, TEXTS)
PAGES = st.builds(Page, INSTANTS, TEXTS, TEXTS, st.booleans(), TEXTS)
LINES = st.builds(
    Line, TEXTS, TEXTS, LENGTHS, LENGTHS, LENGTHS, INSTANTS, INSTANTS, INSTANTS, st.integers(0, 9), st.integers(0, 9),
    st.lists(TEXTS, max_size=2).map(tuple), st.lists(PAGES, max_size=2).map(tuple),
    st.dictionaries(TEXTS, INSTANTS, max_size=2),
    absent=st.lists(st.builds(Absent, TEXTS, TEXTS, st.booleans()), max_size=2).map(tuple),
    last=st.booleans(), spared=st.lists(TEXTS, max_size=2).map(tuple),
)  # fmt: skip
SAID = st.dictionaries(TEXTS, st.builds(Said, st.sampled_from(Level), st.sampled_from(Status), st.integers(0, 9)))
CASES = st.builds(
    Case,
    id=TEXTS,
    opened_ms=INSTANTS,
    incidents=st.lists(TEXTS, max_size=2).map(tuple),
    lines=st.lists(LINES, max_size=2).map(tuple),
    said=SAID,
    told_ms=INSTANTS,
    count=st.integers(0, 9),
    key=TEXTS,
    digest=st.booleans(),
    ended=st.just(False),
    pending_ms=INSTANTS,
    hidden_ms=INSTANTS,
    unreached=st.booleans(),
)


def incident(number: int = 1, **more) -> Incident:
    fields = {"id": f"shop/home@{number}", "subject": "shop", "opened_ms": AT_MS, "detected_ms": AT_MS}
    levels = {"level": Level.DOWN, "worst": Level.DOWN, "severity": Severity.PAGE}
    return Incident(number=number, **{**fields, **levels, **more})


def member(check: str = "shop/home", **more) -> Member:
    return Member(check, Level.DOWN, AT_MS, f"{check}@1", **more)


def happening(at_ms: int = AT_MS, deed: Deed = Deed.NOTE, **more) -> Happening:
    return Happening(more.pop("incident", "shop/home@1"), at_ms, deed, **more)


def case(identity: str = "shop/home@1", **more) -> Case:
    return Case(identity, more.pop("opened_ms", AT_MS), (identity,), **more)


@settings(max_examples=25)
@given(INCIDENTS, st.lists(MEMBERS, max_size=3, unique_by=lambda one: one.check), st.lists(CASES, max_size=2),
       st.lists(HAPPENINGS, max_size=4, unique=True))  # fmt: skip
def test_what_is_written_is_read(one: Incident, members: list[Member], cases: list[Case], timeline: list[Happening]):
    async def there_and_back() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = await open_store(f"sqlite:{folder}/probe.db")
            try:
                lines = tuple(replace(line, incident=one.id) for line in timeline)
                parts = tuple((one.id, member) for member in members)
                await store.append([Act((one,), parts, lines, tuple({case.id: case for case in cases}.values()))])
                filed = await store.incident(one.number)
                assert filed is not None
                assert filed.incident == one
                assert sorted(filed.members, key=lambda each: each.check) == sorted(
                    members, key=lambda each: each.check
                )
                assert list(await store.happenings(one.id, 100)) == list(lines)
                assert {each.id: each for each in await store.cases()} == {each.id: each for each in cases}
                assert await store.last_number() == one.number
            finally:
                await store.close()

    asyncio.run(there_and_back())


async def test_a_text_that_is_none_does_not_stop_the_store(store: Store) -> None:
    evil = "a\udc80b\x00c"
    one = incident(reason=evil, labels={evil: evil}, acked_by=evil)
    line = happening(who=evil, text=evil)
    await store.append([Act((one,), ((one.id, member(reason=evil)),), (line,), (case(key=evil),))])
    filed = await store.incident(1)
    assert filed is not None
    assert filed.incident.reason == "a?b\x00c"
    assert (await store.happenings(one.id, 9))[0].text == "a?b\x00c"


async def test_written_twice_it_is_there_once(store: Store) -> None:
    told_of = notice(incident="shop/home@1")
    act = Act(
        (incident(),),
        (("shop/home@1", member()),),
        (happening(deed=Deed.OPENED), happening(deed=Deed.TOLD, notice=told_of.id)),
        (case(),),
        ((told_of, ("chat",)),),
    )
    for _ in range(3):
        await store.append([act, act])
    assert await store.filed(0, FOREVER, 9) == [Filed(incident(), [member()])]
    assert len(await store.happenings("shop/home@1", 9)) == 2
    assert await store.cases() == [case()]
    assert await store.deliveries("shop/home@1") == [Delivery(told_of, "chat")]
    assert len(await store.pending()) == 1


async def test_of_each_the_last_word_of_a_batch_counts(store: Store) -> None:
    """Entries and acts come mixed, in the order in which they were decided."""
    first, second, third = (
        Act((incident(reason=word),), (("shop/home@1", member(reason=word)),), cases=(case(count=int(word)),))
        for word in "123"
    )
    entry = Entry(verdict(level=Level.DOWN, moved_from=Level.UP), first)
    last = replace(entry, act=third)
    batches: list[tuple[list[Entry | Act], str]] = [
        ([entry, second], "2"),
        ([second, last], "3"),
        ([last, second], "2"),
    ]
    for batch, reason in batches:
        await store.append(batch)
        (filed,) = await store.filed(0, FOREVER, 9)
        assert (filed.incident.reason, filed.members[0].reason) == (reason, reason)
        assert [one.count for one in await store.cases()] == [int(reason)]


async def test_a_case_that_ends_is_gone_and_one_that_begins_anew_in_the_same_batch_is_there(store: Store) -> None:
    await store.append([Act(cases=(case("a"), case("b", opened_ms=AT_MS - 1)))])
    assert [one.id for one in await store.cases()] == ["b", "a"]
    await store.append([Act(cases=(case("a", ended=True),))])
    assert [one.id for one in await store.cases()] == ["b"]
    await store.append([Act(cases=(case("b", ended=True),)), Act(cases=(case("b", count=7),))])
    assert [(one.id, one.count) for one in await store.cases()] == [("b", 7)]
    await store.append([Act(cases=(case("b"),)), Act(cases=(case("b", ended=True),))])
    assert await store.cases() == []


async def test_those_that_were_open_in_a_time_are_found_oldest_first(store: Store) -> None:
    ended = {"status": Status.RESOLVED}
    await store.append(
        [
            Act(
                (incident(1, opened_ms=10, ended_ms=20, **ended), incident(2, opened_ms=15), incident(3, opened_ms=30))
            ),
            Act((incident(4, opened_ms=30, ended_ms=40, **ended),)),
        ]
    )

    async def numbers(since_ms: int, until_ms: int, limit: int = 9) -> list[int]:
        return [one.incident.number for one in await store.filed(since_ms, until_ms, limit)]

    assert await numbers(0, FOREVER) == [1, 2, 3, 4]
    assert await numbers(20, FOREVER) == [1, 2, 3, 4]
    assert await numbers(21, FOREVER) == [2, 3, 4]  # what is open was open all the time since it began
    assert await numbers(41, FOREVER) == [2, 3]
    assert await numbers(0, 30) == [1, 2]
    assert await numbers(0, FOREVER, 2) == [2, 3]  # those that are open before all others


async def test_open_incidents_are_never_left_out_for_those_that_are_over(store: Store) -> None:
    """At the start the service goes on with all that is open, however many there were since."""
    over = [incident(number, opened_ms=AT_MS + number, ended_ms=AT_MS + number + 5) for number in range(2, 30)]
    await store.append([Act((incident(1),)), Act(tuple(over))])
    assert 1 in [one.incident.number for one in await store.filed(0, FOREVER, 10)]


async def test_a_timeline_has_its_newest_lines_in_the_order_in_which_they_were_written(store: Store) -> None:
    await store.append([Act(happenings=tuple(happening(AT_MS - index, text=str(index)) for index in range(5)))])
    await store.append([Act(happenings=(happening(AT_MS + 9, incident="other"), happening(AT_MS - 99, text="late")))])
    assert [one.text for one in await store.happenings("shop/home@1", 3)] == ["3", "4", "late"]


async def test_what_became_of_a_notice_is_told_of_every_incident_that_it_names(store: Store) -> None:
    """Of a group, and of one incident twice: each notice with its receivers, in order."""
    first, second = notice(incident="group"), notice("resolved", "group", AT_MS + 9, ended_ms=AT_MS + 9)
    lines = (
        happening(deed=Deed.TOLD, notice=first.id),
        happening(deed=Deed.TOLD, notice=first.id, incident="b"),
        happening(AT_MS + 9, Deed.TOLD, notice=second.id),
    )
    await store.append([Act(happenings=lines, notices=((first, ("mail", "chat")), (second, ("chat",))))])
    done = Delivery(first, "chat", Outcome.DELIVERED, 2, "", AT_MS + 5)
    await store.settle([done])
    assert await store.deliveries("shop/home@1") == [done, Delivery(first, "mail"), Delivery(second, "chat")]
    assert await store.deliveries("b") == [done, Delivery(first, "mail")]
    assert await store.deliveries("c") == []


async def test_a_number_that_nobody_has_is_none(store: Store) -> None:
    assert await store.last_number() == 0
    await store.append([Act((incident(7),))])
    assert (await store.incident(8), await store.last_number()) == (None, 7)


async def test_a_key_is_made_once(store: Store, path: Path) -> None:
    assert await store.key("links", b"first") == b"first"
    assert await store.key("links", b"second") == b"first"
    assert await store.key("other", b"third") == b"third"
    await store.close()
    again = await open_store(f"sqlite:{path}")
    try:
        assert await again.key("links", b"fourth") == b"first"
    finally:
        await again.close()


def spent(digest: bytes, expires_ms: int = AT_MS + 10**9, at_ms: int = AT_MS) -> Act:
    return Act(spent=(Spent(digest, expires_ms, at_ms),))


async def test_a_link_that_was_used_is_known_also_when_it_is_written_twice_and_after_a_restart(store, path) -> None:
    assert not await store.link_used(b"one")
    await store.append([spent(b"one"), spent(b"one")])
    await store.append([spent(b"one"), spent(b"other")])
    assert [await store.link_used(each) for each in (b"one", b"other", b"third")] == [True, True, False]
    await store.close()
    again = await open_store(f"sqlite:{path}")
    try:
        assert await again.link_used(b"one")
    finally:
        await again.close()


async def test_links_that_have_expired_are_forgotten(store: Store, path: Path) -> None:
    for number in range(10):
        await store.append([spent(bytes([number]), AT_MS + number)])
    await store.append([spent(b"new", AT_MS + 99, AT_MS + 5)])
    await store.close()
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT expires_ms FROM used_links ORDER BY expires_ms").fetchall()
    database.close()
    assert [at_ms - AT_MS for (at_ms,) in rows] == [5, 6, 7, 8, 9, 99]


async def test_what_cannot_be_read_is_trouble_of_the_store_and_no_bug(store: Store, path: Path) -> None:
    await store.append([Act((incident(),), (("shop/home@1", member()),), (happening(),), (case(),))])
    with sqlite3.connect(path) as database:
        for table in ("incidents", "cases"):
            database.execute(f"UPDATE {table} SET body = '{{'")
        database.execute("UPDATE happenings SET deed = 'danced'")
    database.close()
    for asked in (store.incident(1), store.filed(0, FOREVER, 9), store.cases(), store.happenings("shop/home@1", 9)):
        with pytest.raises(StoreError):
            await asked


@pytest.mark.parametrize("version", range(1, len(load())))
async def test_a_database_of_before_takes_incidents(path: Path, version: int) -> None:
    """Its open outages are there, and incidents, cases, keys and links can be stored beside them."""
    with sqlite3.connect(path) as connection:
        for migration in load()[:version]:
            for statement in migration.statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    driver = SqliteDriver(path)
    await driver.open()
    store = SqlStore(driver)
    try:
        assert (await store.filed(0, FOREVER, 9), await store.cases(), await store.last_number()) == ([], [], 0)
        entry = alarm()
        assert entry.act is not None
        act = replace(entry.act, incidents=(incident(),), members=(("shop/home@1", member()),), cases=(case(),))
        await store.append([replace(entry, act=act)])
        assert await store.filed(0, FOREVER, 9) == [Filed(incident(), [member()])]
        assert await store.key("links", b"k") == b"k"
        await store.append([spent(b"d")])
        assert await store.link_used(b"d")
        assert [one.notice for one in await store.pending()] == [told(entry)] * 2
    finally:
        await store.close()


# A batch is one outage: a transition, an incident with two checks, a timeline, a case, a notice. The one before ends.
DECIDES = """
import asyncio, sys
from dataclasses import replace
from exporters.alerting.incident import Deed, Status
from probe.store.base import Act, Entry, Spent
from probe.store.sqlite import open_store
from tests.store.samples import AT_MS, notice, verdict
from tests.store.test_incidents import case, happening, incident, member
from thresholds.base import Level

async def main(url, number):
    store = await open_store(url)
    while True:
        name, before = f"i{number}", f"i{number - 1}"
        told = notice(incident=name, at_ms=AT_MS + number)
        act = Act(
            (incident(number, id=name), incident(number - 1, id=before, status=Status.RESOLVED, ended_ms=AT_MS)),
            ((name, member("a")), (name, member("b"))),
            (happening(incident=name, deed=Deed.OPENED), happening(incident=name, deed=Deed.TOLD, notice=told.id)),
            (case(name), case(before, ended=True)),
            ((told, ("chat",)),),
            (Spent(name.encode(), AT_MS + 10**9, AT_MS),),
        )
        run = verdict("a", AT_MS + number * 1000, Level.DOWN, moved_from=Level.UP)
        await store.append([Entry(run, act)])
        print(number, flush=True)
        number += 1

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_kill_9_leaves_each_decision_whole(path: Path) -> None:
    dice = random.Random(20_261_122)
    number = 1
    for _ in range(5):
        number = await _check(path, await _decide_until_killed(path, number, dice)) + 1


async def _decide_until_killed(path: Path, number: int, dice: random.Random) -> int:
    """The last decision that was acknowledged."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DECIDES, f"sqlite:{path}", str(number), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    try:
        heard = [await writer.stdout.readline() for _ in range(dice.randint(1, 60))]
        await asyncio.sleep(dice.uniform(0, 0.004))  # the instant of the kill: anywhere in a batch
    finally:
        writer.kill()
        rest = (await writer.stdout.read()).splitlines(keepends=True)
        await writer.wait()
    return max(int(line) for line in [*heard, *rest] if line.endswith(b"\n"))


async def _check(path: Path, acknowledged: int) -> int:
    """The last decision in the file, of which all is there."""
    store = await open_store(f"sqlite:{path}")
    try:
        last = await store.last_number()
        assert last in (acknowledged, acknowledged + 1)
        filed = await store.filed(0, FOREVER, 10_000)
        assert [one.incident.number for one in filed] == list(range(last + 1))
        assert [one.incident.number for one in filed if one.incident.open] == [last]
        assert {len(one.members) for one in filed[1:]} == {2}
        assert [one.id for one in await store.cases()] == [f"i{last}"]
        for number in (acknowledged, last):
            assert [one.deed for one in await store.happenings(f"i{number}", 9)] == [Deed.OPENED, Deed.TOLD]
            assert [one.receiver for one in await store.deliveries(f"i{number}")] == ["chat"]
        assert len(await store.transitions("a", 0, FOREVER, 10_000)) == last
        assert [await store.link_used(f"i{number}".encode()) for number in (last, last + 1)] == [True, False]
    finally:
        await store.close()
    return last
