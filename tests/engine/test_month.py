"""A month on call: who was told what, and when, by the clock on their wall. Clocks go back on 25 October."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from exporters.alerting.settings import Settings
from probe.config import load
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from thresholds.base import Level

MADRID = ZoneInfo("Europe/Madrid")
CONFIG = """
users:
  ana:
    zone: Europe/Madrid
    contacts: {mail: ana@x.example, pager: ana@p.example}
    notify: &rules [{by: pager, severity: page}, {by: mail, after: 5m}]
  bo: {zone: Europe/Madrid, contacts: {mail: bo@x.example, pager: bo@p.example}, notify: *rules}
  cy: {zone: Europe/Madrid, contacts: {mail: cy@x.example, pager: cy@p.example}, notify: *rules}
  lead: {zone: Europe/Madrid, contacts: {pager: lead@p.example}}
  desk: {zone: Europe/Madrid, contacts: {mail: desk@x.example}}
rotations:
  primary: {zone: Europe/Madrid, start: 2026-10-19T09:00, every: 1 week, users: [ana, bo, cy]}
schedules:
  prodops:
    zone: Europe/Madrid
    layers:
      - {who: rotation:primary}
      - {who: user:desk, when: "Mon-Fri 09:00-18:00"}
    overrides:
      - {from: 2026-11-04T18:00, to: 2026-11-06T09:00, replace: {cy: ana}}
escalations:
  prodops:
    steps:
      - {notify: ["schedule:prodops"]}
      - {notify: ["user:lead", chat], after: 15m}
    repeat: 1
    again: 30m
    ack: {remind: 2h, unack_after: 30m}
alerts:
  receivers:
    chat: {webhook: {url: "https://chat.example/hook"}}
    mail: &mail {email: {smtp: "mail.example:25", tls: none, from: probe@x.example, to: [all@x.example]}}
    pager: *mail
  routes:
    - {match: {severity: page}, to: ["escalation:prodops"]}
    - {to: [chat], group: {by: [service], wait: 1m}}
  quiet: [{severity: ticket, hours: "daily 20:00-08:00 Europe/Madrid"}]
  storm: {over: 5, every: 10m}
  reopen_within: 10m
checks: {a: {tcp: {host: a.example, port: 1}}}
"""


def at(text: str, fold: int = 0) -> int:
    """Unix ms of a time on the wall in Madrid."""
    return round(datetime.fromisoformat(text).replace(tzinfo=MADRID, fold=fold).timestamp() * 1000)


class Month(Stage):
    """The configuration of the month, and a table of what was told."""

    def __init__(self, clock: FakeClock, folder: Path) -> None:
        path = folder / "probe.yml"
        path.write_text(CONFIG)
        super().__init__(clock)
        self.config = load(path, {}, clock.now_ms())
        self.rows: list[str] = []
        self.start()

    def take(self, act) -> None:
        before = len(self.told)
        super().take(act)
        for (_, kind, receivers), notice in zip(self.told[before:], self.notices[before:], strict=True):
            moment = datetime.fromtimestamp(self.clock.now_ms() / 1000, MADRID)
            self.rows.append(f"{moment:%a %d %b %H:%M %Z} {kind} {notice.subject}: {', '.join(receivers)}")

    async def until(self, text: str, fold: int = 0) -> None:
        await self.after((at(text, fold) - self.clock.now_ms()) / 1000)

    def table(self) -> str:
        rows, self.rows = "\n".join(self.rows), []
        return rows


def told(text: str) -> str:
    return dedent(text).strip()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(at("2026-10-20T08:00"))


@pytest.fixture
def month(clock: FakeClock, tmp_path: Path) -> Month:
    return Month(clock, tmp_path)


async def test_a_month_on_call(month: Month) -> None:
    # In working hours the desk takes the first pass.
    await month.until("2026-10-20T14:00")
    month.fail("shop/home")
    await month.until("2026-10-20T14:07")
    month.deed("acknowledge", "desk")
    await month.until("2026-10-20T14:30")
    month.recover("shop/home")
    assert month.table() == told(
        """
        Tue 20 Oct 14:00 CEST opened shop/home: desk/mail
        Tue 20 Oct 14:07 CEST acknowledged shop/home: desk/mail
        Tue 20 Oct 14:30 CEST resolved shop/home: desk/mail
        """
    )

    # In the night in which clocks go back 02:45 comes twice; a quarter of an hour is one all the same.
    await month.until("2026-10-25T02:45")
    month.fail("shop/home")
    await month.until("2026-10-25T02:10", fold=1)
    month.deed("acknowledge", "lead", number=2)
    await month.until("2026-10-25T02:50", fold=1)
    month.recover("shop/home")
    assert month.table() == told(
        """
        Sun 25 Oct 02:45 CEST opened shop/home: ana/pager
        Sun 25 Oct 02:50 CEST opened shop/home: ana/mail
        Sun 25 Oct 02:00 CET opened shop/home: lead/pager, chat
        Sun 25 Oct 02:10 CET acknowledged shop/home: ana/pager, ana/mail, lead/pager, chat
        Sun 25 Oct 02:50 CET resolved shop/home: ana/pager, ana/mail, lead/pager, chat
        """
    )

    # A minute before the handoff it is ana's; whoever was told hears of the end, whoever came on call does not.
    await month.until("2026-10-26T08:59")
    month.fail("shop/home")
    await month.until("2026-10-26T09:10")
    month.recover("shop/home")
    assert month.table() == told(
        """
        Mon 26 Oct 08:59 CET opened shop/home: ana/pager
        Mon 26 Oct 09:04 CET opened shop/home: ana/mail
        Mon 26 Oct 09:10 CET resolved shop/home: ana/pager, ana/mail
        """
    )

    # A ticket waits for the morning, and for company.
    await month.until("2026-10-31T03:00")
    month.fail("api/search", "slow", Level.DEGRADED, subject="api", service="api")
    await month.until("2026-10-31T07:59")
    month.fail("api/login", "stale", Level.DEGRADED, subject="api", service="api")
    await month.until("2026-10-31T09:00")
    month.recover("api/search")
    month.recover("api/login")
    await month.after(1)
    assert month.table() == told(
        """
        Sat 31 Oct 08:00 CET opened 2 incidents: api: chat
        Sat 31 Oct 09:00 CET resolved 2 incidents: api: chat
        """
    )

    # Cy's week, but ana has taken these nights. She falls asleep over it; nobody confirms, and it goes on.
    await month.until("2026-11-05T02:00")
    month.fail("shop/home")
    await month.until("2026-11-05T02:10")
    month.deed("acknowledge", "ana", number=6)
    await month.until("2026-11-05T05:00")
    month.deed("acknowledge", "lead", number=6)
    await month.until("2026-11-05T05:30")
    month.recover("shop/home")
    assert month.table() == told(
        """
        Thu 05 Nov 02:00 CET opened shop/home: ana/pager
        Thu 05 Nov 02:05 CET opened shop/home: ana/mail
        Thu 05 Nov 02:10 CET acknowledged shop/home: ana/pager, ana/mail
        Thu 05 Nov 04:10 CET repeated shop/home: acknowledge it again, or it goes on: ana/pager, ana/mail
        Thu 05 Nov 04:40 CET unacknowledged shop/home: ana/pager, ana/mail
        Thu 05 Nov 04:45 CET repeated shop/home: ana/mail
        Thu 05 Nov 04:55 CET opened shop/home: lead/pager, chat
        Thu 05 Nov 05:00 CET acknowledged shop/home: ana/pager, ana/mail, lead/pager, chat
        Thu 05 Nov 05:30 CET resolved shop/home: ana/pager, ana/mail, lead/pager, chat
        """
    )

    # A storm: a dozen services at once. Five are told, the rest is one message.
    await month.until("2026-11-11T10:00")
    for number in range(12):
        month.fail(f"s{number}/a", f"reason {number}", subject=f"s{number}", service=f"s{number}")
    await month.until("2026-11-11T10:12")
    for number in range(12):
        month.recover(f"s{number}/a")
    await month.after(1)
    assert month.table() == told(
        """
        Wed 11 Nov 10:00 CET opened s0/a: desk/mail
        Wed 11 Nov 10:00 CET opened s1/a: desk/mail
        Wed 11 Nov 10:00 CET opened s2/a: desk/mail
        Wed 11 Nov 10:00 CET opened s3/a: desk/mail
        Wed 11 Nov 10:00 CET opened s4/a: desk/mail
        Wed 11 Nov 10:00 CET opened storm of 7 incidents: s5, s6, s7 and 4 more: desk/mail
        Wed 11 Nov 10:12 CET resolved s0/a: desk/mail
        Wed 11 Nov 10:12 CET resolved s1/a: desk/mail
        Wed 11 Nov 10:12 CET resolved s2/a: desk/mail
        Wed 11 Nov 10:12 CET resolved s3/a: desk/mail
        Wed 11 Nov 10:12 CET resolved s4/a: desk/mail
        Wed 11 Nov 10:12 CET resolved storm of 7 incidents: s5, s6, s7 and 4 more: desk/mail
        """
    )

    # What comes back soon is the same incident, told anew. Nobody acts: two rounds, and no more.
    await month.until("2026-11-12T20:00")
    month.fail("shop/home")
    await month.until("2026-11-12T20:02")
    month.recover("shop/home")
    await month.until("2026-11-12T20:10")
    month.fail("shop/home")
    await month.until("2026-11-13T02:00")
    month.recover("shop/home")
    assert month.table() == told(
        """
        Thu 12 Nov 20:00 CET opened shop/home: ana/pager
        Thu 12 Nov 20:02 CET resolved shop/home: ana/pager
        Thu 12 Nov 20:10 CET opened shop/home: ana/pager
        Thu 12 Nov 20:15 CET opened shop/home: ana/mail
        Thu 12 Nov 20:25 CET opened shop/home: lead/pager, chat
        Thu 12 Nov 20:55 CET repeated shop/home: ana/pager
        Thu 12 Nov 21:00 CET repeated shop/home: ana/mail
        Thu 12 Nov 21:10 CET repeated shop/home: lead/pager, chat
        Fri 13 Nov 02:00 CET resolved shop/home: ana/pager, ana/mail, lead/pager, chat
        """
    )
    assert max(one.number for one in month.kept.incidents.values()) == 19
    assert month.kept.cases == {}


async def test_killed_every_hour_it_is_the_same_month(clock: FakeClock, tmp_path: Path) -> None:
    """Whatever was decided is kept; whatever is due is still due after a restart."""

    async def played(restart: Callable[[Month], None]) -> str:
        month = Month(FakeClock(at("2026-11-05T01:30")), tmp_path)
        month.fail("shop/home")
        for number in range(6 * 12):
            await month.after(300)
            restart(month)
            if number == 2:
                month.deed("acknowledge", "ana")
        month.recover("shop/home")
        return month.table()

    assert await played(lambda month: month.start()) == await played(lambda _: None)


def test_the_configuration_is_what_it_says(month: Month) -> None:
    assert month.config.alerting == Settings(600.0, 5, 600.0, quiet=month.config.alerting.quiet)
    assert month.config.warnings == ()
