"""What a result costs on its way, and a check that waits: nothing is done in vain, nothing is kept twice."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext

import pytest

from benchmarks import idle
from benchmarks.result_path import Desk, desk, lines, runner
from benchmarks.witness import Witness
from checks.core import tls
from checks.core.base import CheckSpec
from checks.core.net import Net
from checks.core.result import Failure, FailureKind, Result
from checks.core.wire import encode
from checks.http import Http
from probe.store.shapes import Splitter
from tests.servers import Authority, answering, response, serving

NAMES = [f"shop/check-{number}" for number in range(5)]
AT_MS = 1_700_000_000_000
GOOD = Result(
    "",
    AT_MS,
    0.02,
    {"connect": 0.004, "ttfb": 0.016},
    {"http.url": "http://127.0.0.1:9/", "net.address": "127.0.0.1", "http.status": 200, "http.version": "1.1"},
)
FACTS = tuple(GOOD.facts.items())
SLOW = replace(GOOD, phases={"connect": 0.1, "ttfb": 1.9})  # the desk's checks are degraded from 500 ms on
FAILED = replace(GOOD, failure=Failure(FailureKind.EXPECTATION, "ttfb", "status 503, wanted 200"))


def batches(run: Result, names: Sequence[str]) -> list[list[bytes]]:
    """A line of each check in each of four turns. Before them, one of a good run: what is new to the store is over."""
    return [lines(one, names, turn) for turn, one in enumerate((GOOD, run, run, run, run))]


async def arrive(one: Desk, batch: Sequence[bytes]) -> None:
    """From the line of a worker to the disk."""
    for line in batch:
        one.take(line)
    await one.recorder.pump.drain()


@pytest.mark.parametrize("run", [GOOD, SLOW, FAILED])
async def test_a_result_on_its_way_builds_no_model_looks_up_no_label_and_logs_nothing(
    tmp_path: Path, run: Result, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # as the service has it
    first, *others = batches(run, NAMES)
    with Witness() as seen:
        async with desk(tmp_path, len(NAMES)) as one:
            assert seen.models  # the configuration, so they are seen where there are any
            await arrive(one, first)
            seen.forget()
            for batch in others:
                await arrive(one, batch)
    assert seen.calls["hub: Hub.emit"] == 20
    assert seen.calls["writer: _transacted"] >= 4  # the thread that writes is seen, too
    assert (seen.models, seen.labels, seen.records) == ({}, {}, {})


async def test_a_good_result_on_its_way_formats_nothing(tmp_path: Path) -> None:
    first, *others = batches(GOOD, NAMES)
    with Witness() as seen:
        async with desk(tmp_path, len(NAMES)) as one:
            assert seen.texts  # of the start
            await arrive(one, first)
            seen.forget()
            for batch in others:
                await arrive(one, batch)
    assert seen.texts == {}


async def test_a_probe_builds_no_model_and_logs_nothing() -> None:
    authority = Authority()
    async with serving(answering(response()), tls=authority.issue().server()) as site:
        check = Http.model_validate({"url": site.url(scheme="https"), "tls": {"ca": str(authority.path)}})
        spec, net = CheckSpec("shop/home", check, 10.0, 5.0), Net()
        try:
            prober = runner(net)
            assert (await prober.run_once(spec)).failure is None
            with Witness() as seen:
                encode(await prober.run_once(spec))
        finally:
            await net.close()
    assert seen.calls["runner: Runner.run_once"] >= 1
    assert (seen.models, seen.labels, seen.records) == ({}, {}, {})


async def test_one_tls_context_serves_all_checks_with_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    authority, make = Authority(), tls.make_context
    loaded: list[tls.TlsOptions] = []

    def counted(options: tls.TlsOptions, alpn: tuple[str, ...]) -> SSLContext:
        loaded.append(options)
        return make(options, alpn)

    monkeypatch.setattr(tls, "make_context", counted)
    sets = ({"ca": str(authority.path)}, {"ca": str(authority.path), "min_version": "TLSv1.3"}, {"verify": False})
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serving(answering(response()), tls=authority.issue().server()))
        net = Net()
        stack.push_async_callback(net.close)
        gc.collect()
        before = alive()
        checks = [Http.model_validate({"url": site.url(scheme="https"), "tls": sets[n % 3]}) for n in range(30)]
        prober = runner(net)
        runs = [prober.run_once(CheckSpec(str(n), check, 10.0, 5.0)) for n, check in enumerate(checks)]
        assert [run.failure for run in await asyncio.gather(*runs)] == [None] * 30
        assert len(loaded) == alive() - before == 3


def alive() -> int:
    return sum(1 for one in gc.get_objects() if isinstance(one, SSLContext))


async def test_a_check_that_waits_takes_hundreds_of_bytes_in_each_part(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()
    await idle.waiting(20, few)  # what is loaded once is there
    parts = idle.each(await idle.waiting(20, few), await idle.waiting(320, many), 300)
    assert set(parts) > {"service: how it stands", "service: its counters", "worker: its place in the schedule"}
    assert {part: size for part, size in parts.items() if not 0 < size < 1000} == {}
    assert sum(parts[part] for part in parts if part.startswith("service")) < 1600


def test_texts_that_stay_the_same_are_kept_once() -> None:
    splitter = Splitter()
    first = splitter.mould(GOOD, None)
    again = replace(
        GOOD, facts={name: value.encode().decode() if isinstance(value, str) else value for name, value in FACTS}
    )
    assert all(again.facts[name] == value for name, value in FACTS)
    assert splitter.mould(again, first) is first
    assert [text is again.facts[name] for name, text in zip(first.layout.same, first.texts, strict=True)] == [True] * 3


class Alike(str):
    """A text whose hash is that of any other."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 1


def test_shapes_that_hash_alike_are_told_apart() -> None:
    splitter = Splitter()
    moulds = [splitter.mould(replace(GOOD, facts={"http.url": Alike(text)}), None) for text in ("a", "b", "a")]
    assert [mould.texts for mould in moulds] == [("a",), ("b",), ("a",)]
