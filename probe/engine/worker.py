"""A process that does nothing but probe: `python -m probe.engine.worker`, started by the service.

Orders come through standard input, results and vitals go out as lines through standard output. It never waits for the
service: what the service does not take is kept up to a bound. It ends when it is told to, and when the service is gone.
Nothing is imported here that probing does not need: it counts once per process.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys

from checks.core.base import CheckSpec
from checks.core.wire import encode
from probe.clock import SystemClock
from probe.engine.briefing import missed
from probe.engine.local import Local
from probe.engine.orders import Change, Order, Parcels, Rules, Stop, vitals_line
from probe.engine.outbox import Outbox, enlarge
from probe.engine.process import most_at_once, settle

log = logging.getLogger("probe.worker")

_VITALS = 1.0  # s between two looks at ourselves
_LAST_WORDS = 3.0  # s for what is left to say at the end
_PIECE = 1 << 18  # bytes of orders read in one turn


class Worker:
    """What the service wants of this process, and what has become of it."""

    def __init__(self, orders: int, results: int) -> None:
        self._orders = orders
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._outbox = Outbox(results, self._ended.set)
        self._clock = SystemClock()
        self._local = Local(
            self._clock, lambda result: self._outbox.put(encode(result)), most_at_once(), process="worker"
        )
        self._parcels = Parcels()
        self._rules = Rules()
        self._specs: dict[str, CheckSpec] = {}
        self._seen: list[tuple[CheckSpec, int]] = []
        self._failed = False

    async def run(self) -> int:
        """Work until told to end, or until the service is gone; the exit code."""
        self._loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        self._loop.add_reader(self._orders, self._read)
        working = asyncio.create_task(self._work())
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        self._loop.remove_reader(self._orders)
        if not working.done():
            await self._leave()
        ended.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return int(self._failed)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._local.run(), name="probing")
            tasks.create_task(self._report(), name="vitals")

    async def _report(self) -> None:
        """Say regularly how we are: silence means that we hang."""
        while True:
            self._tell()
            await self._clock.sleep(_VITALS)

    def _tell(self) -> None:
        (vitals,) = self._local.vitals()
        vitals.queued, vitals.dropped = len(self._outbox), self._outbox.dropped
        self._outbox.tell(vitals_line(vitals))

    async def _leave(self) -> None:
        await self._local.stop()
        self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._outbox.flush()
        self._outbox.close()

    def _read(self) -> None:
        try:
            data = os.read(self._orders, _PIECE)
        except BlockingIOError:
            return
        if not data:
            self._ended.set()  # the service is gone
            return
        self._parcels.feed(data)
        self._loop.remove_reader(self._orders)
        self._obey()

    def _obey(self) -> None:
        """One order in each turn of the loop: a long plan must not keep it from the probes."""
        if self._ended.is_set():
            return
        try:
            order = next(self._parcels.orders(), None)
        except Exception:  # whatever unpickling raises, after the program's files have changed for example
            log.exception("an order cannot be read; if the program was just updated, restart the service")
            self._failed = True
            self._ended.set()
            return
        if order is None:
            self._loop.add_reader(self._orders, self._read)
        else:
            self._take(order)
            self._loop.call_soon(self._obey)

    def _take(self, order: Order) -> None:
        match order:
            case Stop():
                self._ended.set()
            case Rules():
                self._rules = order
            case Change():
                self._change(order)

    def _change(self, change: Change) -> None:
        gc.disable()  # it would walk what is only being built, again and again
        for name in change.gone:
            self._specs.pop(name, None)
        for spec in change.specs:
            self._specs[spec.name] = spec
        self._seen += zip(change.specs, change.seen_ms, strict=False)
        if change.last:
            self._local.plan(self._specs.values(), self._rules)
            self._count_missed()
            settle()
            gc.enable()

    def _count_missed(self) -> None:
        """Instants that nobody ran while there was no worker here, or one that hung, are missed runs."""
        self._local.tally.skipped(missed(self._seen, self._clock.now_ms(), self._clock.monotonic()))
        self._seen.clear()


async def _run(orders: int, results: int) -> int:
    return await Worker(orders, results).run()


def main() -> None:
    """Serve the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's: it ends us in order
    faulthandler.enable()
    orders, results, errors = (stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr))
    for fd in (orders, results, errors):
        os.set_blocking(fd, False)  # pipes of our own; log lines are lost before they are waited for
    lines = os.dup(results)
    os.dup2(errors, results)  # what a library prints is no result
    enlarge(lines)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    sys.exit(asyncio.run(_run(orders, lines)))


if __name__ == "__main__":
    main()
