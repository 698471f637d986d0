"""Verdicts, notices and entries that tests of the store put together."""

import zlib
from collections.abc import Mapping

from checks.core.result import Fact, Failure, FailureKind, Result
from exporters.base import Notice, NoticeKind
from probe.store.base import Act, Entry
from thresholds.base import Event, Level, State, Transition, Verdict

AT_MS = 1_763_800_000_000
PHASES = {"dns": 0.000412, "connect": 0.0011, "tls": 0.00805, "ttfb": 0.021, "transfer": 0.0005}
FACTS: Mapping[str, Fact] = {
    "http.status": 200,
    "http.version": "1.1",
    "http.bytes": 48123,
    "address": "203.0.113.7",
    "tls.version": "TLSv1.3",
    "tls.issuer": "CN=R11,O=Let's Encrypt,C=US",
    "tls.fingerprint": "sha256:" + "0f" * 32,
    "tls.days_left": 41.257,
    "tls.resumed": False,
}


def result(check: str = "shop/home", at_ms: int = AT_MS, *, good: bool = True, attempt: int = 1) -> Result:
    failure = None if good else Failure(FailureKind.CONNECT, "connect", "connection refused by 203.0.113.7:443")
    salt = zlib.crc32(f"{check}{at_ms}".encode()) % 10_000 / 1e6
    phases = {name: seconds + salt for name, seconds in PHASES.items()} if good else {"dns": 0.0004}
    facts = {**FACTS, "http.bytes": 40_000 + at_ms % 9_000} if good else {"address": "203.0.113.7"}
    duration = round(sum(phases.values()) + 0.0012, 6)
    return Result(check, at_ms, duration, {k: round(v, 6) for k, v in phases.items()}, facts, failure, attempt)


def verdict(
    check: str = "shop/home", at_ms: int = AT_MS, level: Level = Level.UP, *, moved_from: Level | None = None
) -> Verdict:
    """A run and the check's level after it; `moved_from` makes it a transition."""
    run = result(check, at_ms, good=level is not Level.DOWN)
    reason = run.failure.message if run.failure else "total 912 ms is over 800 ms" if level.bad else ""
    incident = f"{check}@{at_ms}" if level.bad else ""
    state = State(level, at_ms, level, at_ms, ((at_ms, level),), 0, incident, at_ms if incident else 0, reason)
    return Verdict(run, level, reason, state, None if moved_from is None else moved(run, moved_from, level, reason))


def moved(run: Result, before: Level, after: Level, reason: str = "") -> Transition:
    event = Event.OPENED if after.bad else Event.RESOLVED if before.bad else Event.QUIET
    incident = f"{run.check}@{run.at_ms}" if event is Event.OPENED else ""
    return Transition(run.check, run.at_ms + 30, run.at_ms, before, after, event, incident, run.at_ms, reason)


def notice(kind: str = "opened", incident: str = "shop/home@1", at_ms: int = AT_MS, *, ended_ms: int = 0) -> Notice:
    return Notice(
        id=f"{incident}-{kind}-{at_ms}",
        kind=NoticeKind(kind),
        incident=incident,
        instance="prod-eu",
        check=incident.partition("@")[0],
        target="https://shop.example/",
        level=Level.DOWN,
        since_ms=AT_MS,
        at_ms=at_ms,
        ended_ms=ended_ms,
        reason="connection refused by 203.0.113.7:443",
        labels={"tier": "1"},
        evidence={"total time": "1.2 ms"},
    )


def alarm(check: str = "shop/home", at_ms: int = AT_MS, receivers: tuple[str, ...] = ("chat", "oncall")) -> Entry:
    """A check that goes down, and two people who must hear of it."""
    fallen = verdict(check, at_ms, Level.DOWN, moved_from=Level.UP)
    return Entry(fallen, telling(notice(incident=f"{check}@{at_ms}", at_ms=at_ms + 30), *receivers))


def telling(what: Notice, *receivers: str) -> Act:
    """A decision that somebody is told something."""
    return Act(notices=((what, receivers),))


def told(entry: Entry) -> Notice:
    """The notice that comes with an entry."""
    assert entry.act is not None
    ((what, _),) = entry.act.notices
    return what


def runs(check: str = "shop/home", count: int = 10, every_ms: int = 10_000, since_ms: int = AT_MS) -> list[Entry]:
    return [Entry(verdict(check, since_ms + number * every_ms)) for number in range(count)]
