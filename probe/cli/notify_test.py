"""A test of a receiver: through the real notifier, once, and marked as what it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from checks.core.redact import Redactor
from checks.core.units import format_duration
from exporters.base import Notice, NoticeKind, NotifyError, Post, Threaded
from exporters.post import open_post
from exporters.terms import Terms
from probe.config.model import Config
from thresholds.base import Level

_LIMIT = 30.0  # s for one message
_SAID = "This is a test. Nothing is wrong, and nothing is to be done."


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried, and who wants it."""

    receiver: str
    author: str
    incident: bool  # one that opens and ends, instead of a bulletin


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the receiver took everything, and one line that says it or why not."""

    taken: bool
    line: str


async def tried(config: Config, trial: Trial) -> Outcome:
    """What came of it."""
    began = time.perf_counter()
    redact = Redactor(config.secrets)
    try:
        async with open_post() as post:
            troubles = await _send(config, trial, post)
    except NotifyError as error:
        return Outcome(False, redact(f"{trial.receiver}: not taken: {error}{_outlook(error)}"))
    took = format_duration(time.perf_counter() - began)
    what = "an incident and its end" if trial.incident else "the message"
    broken = "".join(f"\n{trouble}" for trouble in troubles)
    return Outcome(not troubles, redact(f"{trial.receiver}: {what} taken after {took}{broken}"))


def _outlook(error: NotifyError) -> str:
    if error.gone:
        return "; a service would disable it: its address or key is dead"
    return "; trying again will not help" if error.permanent else "; a service would try again"


async def _send(config: Config, trial: Trial, post: Post) -> Sequence[str]:
    """What is wrong with its template. Raises NotifyError."""
    notifier = config.receivers[trial.receiver]
    terms = config.terms.get(trial.receiver) or config.terms.get(trial.receiver.rpartition("/")[2]) or Terms()
    reference, troubles = "", dict[str, None]()
    for notice in notices(config, trial, time.time_ns() // 1_000_000):
        told = notice
        if terms.template is not None:
            told = worded = terms.template.applied(notice, trial.receiver)
            troubles |= {worded.words.trouble: None} if worded.words.trouble else {}
        try:
            async with asyncio.timeout(_LIMIT):
                if isinstance(notifier, Threaded) and trial.incident:
                    reference = await notifier.tell(told, post, reference)
                else:
                    await notifier.send(told, post)
        except TimeoutError:
            raise NotifyError(f"no answer within {_LIMIT:g} s") from None
    return list(troubles)


def notices(config: Config, trial: Trial, now_ms: int) -> Sequence[Notice]:
    """What is sent, one after the other."""
    identity = token_hex(8)
    bulletin = Notice(
        id=f"msg_test{identity}",
        kind=NoticeKind.BULLETIN,
        incident="",
        instance=config.instance,
        check="",
        target="",
        level=Level.DEGRADED,
        since_ms=now_ms,
        at_ms=now_ms,
        title=f"TEST of {trial.receiver} by Probe {config.instance}",
        text=f"{_SAID}\n{trial.author} asked for it.",
        link=config.url,
        why=f"{trial.author} tries this receiver",
    )
    if not trial.incident:
        return (bulletin,)
    opened = replace(
        bulletin,
        kind=NoticeKind.OPENED,
        incident=f"test@{now_ms}-{identity}",
        check="probe/test",
        reason=f"{_SAID} {trial.author} asked for it.",
        title="TEST",
        text="",
        severity="log",
    )
    return opened, replace(opened, id=f"{opened.id}e", kind=NoticeKind.RESOLVED, ended_ms=now_ms + 1)
