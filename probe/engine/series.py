"""Series of our own that are asked for at each scrape: where they are counted, a plain number has to do."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from probe.engine.process import own_usage
from probe.engine.vitals import BOUNDS, Vitals

Waiting = Mapping[str, tuple[int, int]]  # by receiver: how many notices wait, Unix ms of the oldest decision or 0

_LE = (*map(str, BOUNDS), "+Inf")
_OF = ("process",)


class Processes(Collector):
    """Every process of the service: itself, then the workers. `vitals` is asked once a scrape."""

    def __init__(self, vitals: Callable[[], Sequence[Vitals]]) -> None:
        self.vitals = vitals

    def collect(self) -> Iterable[Metric]:
        processes = self.vitals()
        yield from _pace(processes)
        yield from _load(processes)
        yield from _losses(processes)


def _pace(processes: Sequence[Vitals]) -> Iterator[Metric]:
    """How far a process keeps up with its schedule."""
    about = "How much later than asked for the event loop of a process woke; looked at fifty times a second."
    lag = HistogramMetricFamily("probe_loop_lag_seconds", about, labels=_OF)
    about = "How long after it was due a run began."
    lateness = HistogramMetricFamily("probe_schedule_lateness_seconds", about, labels=_OF)
    for one in processes:
        _add_counts(lag, one.process, one.loop_lag, one.loop_lag_total)
        _add_counts(lateness, one.process, one.lateness, one.lateness_total)
    yield lag
    yield lateness
    about = "Runs skipped because the one before had not ended, or because there was no time to begin them."
    yield _counter("probe_runs_missed", about, {one.process: one.missed for one in processes})
    about = "Runs and repeated attempts that ended."
    yield _counter("probe_process_runs", about, {one.process: one.runs for one in processes})


def _add_counts(family: HistogramMetricFamily, process: str, counts: Sequence[int], total: float) -> None:
    if counts:  # a process may have none: it has sent no word yet
        family.add_metric((process,), list(zip(_LE, accumulate(counts), strict=True)), total)


def _load(processes: Sequence[Vitals]) -> Iterator[Metric]:
    """What a process has to do, and what it takes for that."""
    yield _gauge("probe_process_checks", "Checks that a process is to run.", _each(processes, "checks"))
    yield _gauge("probe_runs_in_flight", "Runs that are under way.", _each(processes, "in_flight"))
    about = "Runs that may be under way at once: the limit of open files leaves no room for more."
    yield _gauge("probe_runs_in_flight_limit", about, _each(processes, "seats"))
    yield _gauge("probe_resolver_waiting", "Names that wait for a name server's answer.", _each(processes, "lookups"))
    yield _counter("probe_process_cpu_seconds", "Processor time, user and system.", _each(processes, "cpu"))
    yield _gauge("probe_process_resident_memory_bytes", "Memory that a process occupies.", _each(processes, "rss"))
    yield _gauge("probe_open_fds", "Open file descriptors.", _each(processes, "fds"))
    yield _gauge("probe_max_fds", "Limit of open file descriptors.", _each(processes, "fd_limit"))


def _losses(processes: Sequence[Vitals]) -> Iterator[Metric]:
    """What waits between a worker and the service, what was lost there, and how often a worker was."""
    about = "Results that wait in a worker to be taken by the service."
    yield _gauge("probe_results_waiting", about, _each(processes[1:], "queued"))
    about = "Results that did not get from a worker to the service."
    dropped = CounterMetricFamily("probe_results_dropped", about, labels=("process", "reason"))
    for one in processes:
        for reason, count in one.dropped.items():
            dropped.add_metric((one.process, reason), count)
    yield dropped
    about = "Times that a worker died or hung and was replaced."
    yield _counter("probe_worker_restarts", about, _each(processes[1:], "restarts"))


def _each(processes: Sequence[Vitals], name: str) -> dict[str, float]:
    return {one.process: getattr(one, name) for one in processes}


def _gauge(name: str, about: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=_OF)
    for process, value in values.items():
        family.add_metric((process,), value)
    return family


def _counter(name: str, about: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, about, labels=_OF)
    for process, value in values.items():
        family.add_metric((process,), value)
    return family


class Process(Collector):
    """What prometheus_client says of a process, without its listing of all open files: 10 ms for 10,000 of them."""

    def __init__(self) -> None:
        families = list(ProcessCollector(registry=None).collect())
        self._started = [family for family in families if family.name == "process_start_time_seconds"]
        self.started_ms = round(sum(one.value for family in self._started for one in family.samples) * 1000)

    def collect(self) -> Iterable[Metric]:
        usage = own_usage()
        about = "Total user and system CPU time spent in seconds."
        yield CounterMetricFamily("process_cpu_seconds_total", about, usage.cpu)
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory size in bytes.", usage.rss)
        yield GaugeMetricFamily("process_open_fds", "Number of open file descriptors.", usage.fds)
        yield GaugeMetricFamily("process_max_fds", "Maximum number of open file descriptors.", usage.fd_limit)
        yield from self._started


class Queues(Collector):
    """Asks the queues at each scrape, so that nothing has to be counted twice."""

    def __init__(self) -> None:
        self.queues: dict[str, tuple[Callable[[], int], Callable[[], int]]] = {}
        self.waiting: Callable[[], Waiting] = dict
        self.disabled: Callable[[], Container[str]] = frozenset
        self.now_ms: Callable[[], int] = int

    def collect(self) -> Iterable[Metric]:
        yield from self._lengths()
        yield from self._notices()

    def _lengths(self) -> Iterable[Metric]:
        length = GaugeMetricFamily("probe_queue_length", "Items that wait in a queue of ours.", labels=("queue",))
        dropped = CounterMetricFamily(
            "probe_queue_dropped_total", "Items dropped because a queue of ours was full.", labels=("queue",)
        )
        for name, (count, lost) in self.queues.items():
            length.add_metric((name,), count())
            dropped.add_metric((name,), lost())
        yield length
        yield dropped

    def _notices(self) -> Iterable[Metric]:
        pending = GaugeMetricFamily(
            "probe_notifications_pending", "Notices that a receiver has not taken yet.", labels=("receiver",)
        )
        about = "Age of the notice that a receiver has waited for longest; 0 when it waits for none."
        oldest = GaugeMetricFamily("probe_notification_oldest_pending_seconds", about, labels=("receiver",))
        about = "1 while a receiver is disabled because it takes nothing any more."
        shut = GaugeMetricFamily("probe_receiver_disabled", about, labels=("receiver",))
        disabled, now_ms = self.disabled(), self.now_ms()
        for receiver, (count, oldest_ms) in self.waiting().items():
            pending.add_metric((receiver,), count)
            oldest.add_metric((receiver,), max(0, now_ms - oldest_ms) / 1000 if oldest_ms else 0.0)
            shut.add_metric((receiver,), float(receiver in disabled))
        yield from (pending, oldest, shut)
