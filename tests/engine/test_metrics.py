"""The process's own series: what is counted is what a scrape says."""

import pytest
from prometheus_client import CollectorRegistry

from probe.engine.metrics import OwnMetrics


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def own(registry):
    return OwnMetrics(registry)


def test_queues_are_asked_at_each_scrape(own, registry):
    queue = [1, 2, 3]
    own.watch_queue("store", lambda: len(queue), lambda: 5)
    assert registry.get_sample_value("probe_queue_length", {"queue": "store"}) == 3
    assert registry.get_sample_value("probe_queue_dropped_total", {"queue": "store"}) == 5
    queue.clear()
    assert registry.get_sample_value("probe_queue_length", {"queue": "store"}) == 0


def test_the_oldest_notice_of_all_receivers_has_the_age(own, registry):
    waiting = {"chat": (2, 95_000), "page": (1, 40_000), "idle": (0, 0)}
    own.watch_receivers(lambda: waiting, lambda: 100_000)
    assert registry.get_sample_value("probe_notification_oldest_pending_seconds") == 60
    assert registry.get_sample_value("probe_notifications_pending", {"receiver": "chat"}) == 2
    waiting.clear()
    assert registry.get_sample_value("probe_notification_oldest_pending_seconds") == 0


def test_receivers_count_from_zero_and_vanish(own, registry):
    own.set_receivers(["chat", "page"])
    own.sent("chat")
    own.failed("page", permanent=True)
    failed = {"receiver": "page", "reason": "permanent"}
    assert registry.get_sample_value("probe_notifications_failed_total", failed) == 1
    assert registry.get_sample_value("probe_notifications_failed_total", {**failed, "reason": "temporary"}) == 0
    own.set_receivers(["chat"])
    assert registry.get_sample_value("probe_notifications_failed_total", failed) is None
    assert registry.get_sample_value("probe_notifications_sent_total", {"receiver": "chat"}) == 1


def test_a_rejected_configuration_leaves_the_time_of_the_one_in_use(own, registry):
    own.reloaded(7, 1_700_000_000_000)
    own.reload_failed()
    assert registry.get_sample_value("probe_config_last_reload_successful") == 0
    assert registry.get_sample_value("probe_config_last_reload_success_timestamp_seconds") == 1_700_000_000
    assert registry.get_sample_value("probe_checks") == 7


def test_no_counter_has_a_second_series(own, registry):
    own.set_receivers(["chat"])
    assert not [s.name for metric in registry.collect() for s in metric.samples if s.name.endswith("_created")]
