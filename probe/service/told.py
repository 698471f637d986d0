"""What the probers, the store and the couriers tell the service while it works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from checks.core.redact import Redactor
from checks.core.result import Result
from exporters.base import Trouble
from exporters.prometheus import CheckSeries
from probe.clock import Clock, SystemClock
from probe.config.model import Config
from probe.engine.hub import Hub
from probe.engine.judgement import Judgement
from probe.engine.metrics import OwnMetrics
from probe.engine.probing import Probing
from probe.engine.record import Recorder
from probe.engine.vitals import Vitals
from probe.store.deliveries import Delivery
from thresholds.base import Level


class Told:
    """What a service is made of, and what happens to it. The parts are there once it is built."""

    board: Hub
    judgement: Judgement
    _recorder: Recorder
    _probing: Probing

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.address = ""  # where the pages are, once `started`
        self.started = asyncio.Event()
        self._clock = clock or SystemClock()
        self._mask = Redactor(config.secrets)
        self._phase = "starting"
        self._store_trouble = ""
        self._store_size = 0  # bytes, as of the last look
        self._reloading = asyncio.Lock()
        self._reload_wanted = asyncio.Event()
        self._replan = asyncio.Event()  # other checks than before are paused
        self.alerts_sent = self.alerts_failed = self.runs = 0  # since the start
        self._series = CheckSeries(self._clock.now_ms)
        self.registry = CollectorRegistry()
        self.own = OwnMetrics(self.registry)

    def redact(self, text: str) -> str:
        return self._mask(text)

    def _ran(self, result: Result) -> None:
        self.runs += 1
        self.judgement.take(result)
        self.board.emit(result)

    def _seen_ms(self, check: str) -> int:
        """When the last run of a check ended that a result came from; 0 for none."""
        view = self.board.view(check)
        if view is None or view.last is None:
            return 0
        last = view.last.result
        return last.at_ms + round(last.duration * 1000)

    def _sized(self, size: int) -> None:
        self._store_size = size
        self.own.store_size.set(size)

    def _settle(self, delivery: Delivery) -> None:
        self._recorder.settle(delivery)

    def _stored(self, trouble: str) -> None:
        if trouble:
            self.own.store_failures.inc()
        self._store_trouble = trouble
        self.board.report(
            "store", Level.DOWN if trouble else Level.UP, trouble and f"results cannot be stored: {trouble}"
        )

    def _taken(self, receiver: str) -> None:
        self.alerts_sent += 1
        self.own.sent(receiver)
        self.board.report(f"receiver/{receiver}", Level.UP, "")

    def _failed(self, receiver: str, trouble: Trouble, final: bool) -> None:
        self.alerts_failed += 1
        self.own.failed(receiver, trouble, final)

    def _refused(self, receiver: str, why: str) -> None:
        self.board.report(f"receiver/{receiver}", Level.DEGRADED, why)

    @property
    def instance(self) -> str:
        return self.config.instance

    @property
    def lag(self) -> float:
        """Seconds by which the slowest of our processes lags."""
        return max(one.lag for one in self.vitals())

    @property
    def missed(self) -> int:
        return sum(one.missed for one in self.vitals())

    def vitals(self) -> Sequence[Vitals]:
        """How our processes do, the service first."""
        return self._probing.vitals()
