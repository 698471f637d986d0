"""A program of one's own, with the notice as JSON on its standard input: no shell, no environment of ours, a limit.

What it exits with says what became of the notice: 0 taken; 75 (EX_TEMPFAIL) and whatever is not listed later; what is
listed in `permanent_codes` never. The first line that it writes to standard error is the reason that people read.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from checks.core.redact import Redactor
from checks.core.units import Duration, format_duration
from exporters.base import Notice, NoticeKind, NotifyError, Post, Trouble
from exporters.message import fitted, headline, one_line, summary, tidy, utc
from exporters.notifiers.webhook import payload
from exporters.receiver import Receiver

_INPUT = 20_000  # bytes: less than a pipe holds, so that a program that reads nothing makes nobody wait
_KEPT = 4096  # bytes of what it writes
_LONGEST = 25.0  # s: an attempt ends after 30
_LAST_WORDS = 0.2  # s for what was written before the end, where somebody else still holds the pipe
_EX_TEMPFAIL = os.EX_TEMPFAIL
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What programs need to find others, files and words; all else of our environment may be a secret.
_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


def _argv(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words[0].strip() or any("\0" in word for word in words):
        raise ValueError("the first word is the program, as /usr/local/bin/page; write [program, argument, ...]")
    if "/" in words[0]:
        _absolute(Path(words[0]))
    return words


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} depends on where Probe was started; write the whole path, from / on")
    return path


def _environment(given: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, value in given.items():
        if not _NAME.fullmatch(name) or name.startswith("PROBE_"):
            raise ValueError(f"{name!r} is no name here; write letters, digits and `_`, and leave PROBE_ to Probe")
        if "\0" in value.get_secret_value():
            raise ValueError(f"the value of {name} holds a NUL")
    return given


def _limit(seconds: float) -> float:
    if not 0.1 <= seconds <= _LONGEST:
        raise ValueError(f"must be between 100ms and {format_duration(_LONGEST)}")
    return seconds


class Command(Receiver):
    """A program, run once for each notice."""

    run: Annotated[tuple[str, ...], AfterValidator(_argv)] = Field(
        min_length=1, description="Program and arguments, as [/usr/local/bin/page, --team, ops]. No shell reads them."
    )
    env: Annotated[Mapping[str, SecretStr], AfterValidator(_environment)] = Field(
        default_factory=dict,
        description="Environment to add, for example keys of an API. Values are secrets: they are never shown. Of "
        "Probe's own environment the program gets PATH, HOME, USER, LANG, TZ and TMPDIR alone.",
    )
    timeout: Annotated[Duration, AfterValidator(_limit)] = Field(
        default=20.0, description="How long it may take, at most 25s. Then it and all that it has started are killed."
    )
    permanent_codes: tuple[Annotated[int, Field(ge=1, le=255)], ...] = Field(
        default=(os.EX_USAGE, os.EX_DATAERR, os.EX_CONFIG),
        description="Exit codes that mean that trying again cannot help. All others but 0 mean later.",
    )
    cwd: Annotated[Path, AfterValidator(_absolute)] = Field(default=Path("/"), description="Folder that it runs in.")
    to: str = Field(default="", description="Who is told: PROBE_TO of the program.")

    def addressed(self, to: str) -> Command:
        """The same program for one person: it finds the address in PROBE_TO."""
        if not to or to != one_line(to, 200):
            raise ValueError(f"{to!r} is no address for a command; write one line without control characters")
        return self.model_copy(update={"to": to})

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when the program took it."""
        del post  # the program finds its own way
        notice = tidy(notice)
        async with self._started(notice) as (process, lines):
            try:
                async with asyncio.timeout(self.timeout):
                    code = await process.wait()
            except TimeoutError:
                waited = format_duration(self.timeout)
                raise NotifyError(f"{self._called}: not done within {waited}", kind=Trouble.TIMEOUT) from None
            said = await lines.last_words() if code else ""
        if code:
            raise self._refusal(code, said)

    @property
    def _called(self) -> str:
        return f"command {Path(self.run[0]).name}"

    def _refusal(self, code: int, said: str) -> NotifyError:
        reason = one_line(Redactor(value.get_secret_value() for value in self.env.values())(said), 160)
        how = f"ended by signal {-code}" if code < 0 else f"exited with {code}"
        permanent = code in self.permanent_codes and code != _EX_TEMPFAIL
        kind = Trouble.REFUSED if permanent else Trouble.OTHER
        return NotifyError(f"{self._called} {how}" + (f": {reason}" if reason else ""), permanent=permanent, kind=kind)

    @asynccontextmanager
    async def _started(self, notice: Notice) -> AsyncIterator[tuple[Process, _Lines]]:
        """The program at work; killed with all that it has started, if it is still at work when the block ends."""
        ours, theirs = os.pipe()
        lines = _Lines(ours)
        try:
            process = await self._spawn(notice, theirs)
        except OSError as error:
            lines.close()
            raise NotifyError(f"{self._called} cannot be run: {os.strerror(error.errno or 0).lower()}") from None
        except BaseException:
            lines.close()
            raise
        finally:
            os.close(theirs)
        try:
            yield process, lines
        finally:
            lines.close()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def _spawn(self, notice: Notice, errors: int) -> Process:
        process = await asyncio.create_subprocess_exec(
            *self.run,
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=errors,
            env=self._variables(notice),
            cwd=self.cwd,
            start_new_session=True,  # its own group, so that all of it can be killed
        )
        assert process.stdin is not None
        process.stdin.write(fitted(notice, _INPUT, payload))
        process.stdin.close()
        return process

    def _variables(self, notice: Notice) -> Mapping[str, str]:
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        own = {name: value.get_secret_value() for name, value in self.env.items()}
        return {**passed, **own, **variables(notice), "PROBE_TO": self.to}


def variables(notice: Notice) -> Mapping[str, str]:
    """The notice for programs that parse no JSON. What is not known is an empty text."""
    bulletin = notice.kind is NoticeKind.BULLETIN
    told = {
        "ID": notice.id,
        "KIND": notice.kind.value,
        "INCIDENT": notice.incident,
        "NUMBER": str(notice.number or ""),
        "TITLE": headline(notice),
        "SUMMARY": summary(notice),
        "CHECK": notice.check,
        "LEVEL": "" if bulletin else notice.level.name.lower(),
        "SEVERITY": notice.severity,
        "FIRING": "1" if notice.firing and not bulletin else "0",
        "REASON": notice.reason,
        "TARGET": notice.target,
        "SERVICE": notice.service,
        "OWNER": notice.owner,
        "ACKNOWLEDGED_BY": notice.acked_by,
        "SINCE": utc(notice.since_ms),
        "ENDED": utc(notice.ended_ms) if notice.ended_ms else "",
        "TEXT": notice.text,
        "RUNBOOK": notice.runbook,
        "LINK": notice.link,
        "WHY": notice.why,
        "INSTANCE": notice.instance,
    }
    return {f"PROBE_{name}": text.replace("\0", "") for name, text in told.items()}


class _Lines:
    """The beginning of what is written to a pipe; the rest is read, too, and forgotten.

    Not asyncio's own pipe: that one stays open as long as anybody whom the program has started holds its other end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        self._end = asyncio.Event()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            chunk = os.read(self._descriptor, 65536)
            self._kept += chunk[: _KEPT - len(self._kept)]
            if not chunk:
                asyncio.get_running_loop().remove_reader(self._descriptor)
                self._end.set()

    async def last_words(self) -> str:
        """The first line that says something."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._end.wait()
        lines = self._kept.decode(errors="replace").splitlines()
        return next((line for line in lines if line.strip()), "")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)


RECEIVER = Command
