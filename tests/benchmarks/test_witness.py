"""The witness sees what it is to count: whatever a test or a benchmark says is not there."""

import logging
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Counted
from pydantic import TypeAdapter

from benchmarks.witness import Witness
from checks.core.tls import TlsOptions

NUMBERS = TypeAdapter(int)
OPTIONS = TlsOptions()


def text(value: object) -> str:
    return f"a {value}"


@pytest.mark.parametrize(
    "work",
    [
        TlsOptions,
        TlsOptions.model_construct,
        lambda: OPTIONS.model_copy(update={"verify": False}),
        lambda: TlsOptions.model_validate({}),
        lambda: NUMBERS.validate_python("1"),
        lambda: NUMBERS.validator.validate_python("1"),
    ],
)
def test_models_are_seen(work: Callable[[], object]) -> None:
    with Witness() as seen:
        work()
    assert seen.models
    assert hash(OPTIONS) is not None  # which builds none
    with Witness() as seen:
        hash(OPTIONS)
    assert not seen.models


def test_texts_are_seen_by_the_function_that_formats_them() -> None:
    with Witness() as seen:
        text(1)
        "{}".format(2)  # noqa: UP032  # the other way to do it
        Counter("ab")
    assert seen.texts == {
        "test_witness: text": 1,
        f"test_witness: {test_texts_are_seen_by_the_function_that_formats_them.__name__}": 1,
    }


@pytest.mark.parametrize(("level", "count"), [(logging.INFO, 1), (logging.DEBUG, 0)])
def test_log_records_are_seen_where_they_are_made(level: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Witness() as seen:
        logging.getLogger("probe").log(level, "said %s", "once")
    assert seen.records.total() == count


def test_labels_that_are_looked_up_are_seen() -> None:
    counted = Counted("runs", "Runs.", ["check"], registry=CollectorRegistry())
    with Witness() as seen:
        counted.labels(check="shop/home").inc()
    assert seen.labels.total() == 1


def test_threads_that_begin_under_its_eyes_are_seen_and_nothing_after_it() -> None:
    with Witness() as seen:
        thread = threading.Thread(target=text, args=(1,))
        thread.start()
        thread.join()
    text(1)
    thread = threading.Thread(target=text, args=(1,))
    thread.start()
    thread.join()
    assert seen.texts == {"test_witness: text": 1}
    seen.forget()
    assert not seen.texts
