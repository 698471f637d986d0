"""One shard of a configuration, probed in the foreground: `probe worker`. Its results are lines on standard output."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import stat
import sys

import click

from checks.core.wire import encode
from probe.clock import SystemClock
from probe.config.model import Config
from probe.engine.local import Local
from probe.engine.outbox import Outbox, unblocked
from probe.engine.probing import rules_of
from probe.engine.process import most_at_once
from probe.engine.shard import Shard, dealt

_LAST_LINES = 1.0  # s for what is left to say at the end


def probe(config: Config, shard: Shard) -> None:
    """Run the checks of a shard until SIGTERM, Ctrl-C, or until nobody reads what they say."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_probe(config, shard))


async def _probe(config: Config, shard: Shard) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    out = unblocked(sys.stdout.fileno())
    if stat.S_ISFIFO(os.fstat(out).st_mode):
        loop.add_reader(out, ended.set)  # of the end that is written to, it tells that the other one is closed
    outbox = Outbox(out, ended.set)
    local = Local(SystemClock(), lambda result: outbox.put(encode(result)), most_at_once())
    working = asyncio.create_task(local.run())
    waiting = asyncio.create_task(ended.wait())
    _plan(local, config, shard)
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await _leave(local, outbox, working)


def _plan(local: Local, config: Config, shard: Shard) -> None:
    rules = rules_of(config)
    specs = dealt((one.spec for one in config.checks.values() if not one.passive), shard.count, by_host=rules.by_host)
    if not specs[shard.index]:
        click.echo(f"probe: none of {len(config.checks)} checks is in shard {shard}", err=True)
    local.plan(specs[shard.index].values(), rules)


async def _leave(local: Local, outbox: Outbox, working: asyncio.Task[None]) -> None:
    await local.stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_LINES):
            await outbox.flush()
    outbox.close()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    if lost := sum(outbox.dropped.values()):
        click.echo(f"probe: {lost} results dropped: their reader was too slow", err=True)
