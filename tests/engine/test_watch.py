"""What the pages show of a check: where it stands, its last run, and a short history."""

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Result
from checks.tcp import Tcp
from probe.config.model import Planned
from probe.engine.hub import Watch
from thresholds.base import Level, Policy, State, Verdict

PLANNED = Planned(CheckSpec("a", Tcp(host="127.0.0.1", port=1), 10.0, 5.0), Policy(), "tcp")


def verdict(number, level=Level.UP, *, provisional=False):
    return Verdict(Result("a", number, number / 8, provisional=provisional), level, "", State(level))


@pytest.mark.parametrize("runs", [0, 1, 39, 40, 41, 100])
def test_the_history_is_the_last_forty_runs_oldest_first(runs):
    watch = Watch(PLANNED, State())
    levels = [Level(number % 4) for number in range(runs)]
    for number, level in enumerate(levels):
        watch.take(verdict(number, level))
    assert list(watch.history) == [(levels[number], number / 8) for number in range(runs)][-40:]
    assert (watch.last and watch.last.result.at_ms) == (runs - 1 if runs else None)


def test_an_attempt_that_is_about_to_be_repeated_is_no_history():
    watch = Watch(PLANNED, State())
    watch.take(verdict(1))
    watch.take(verdict(2, Level.DOWN, provisional=True))
    assert list(watch.history) == [(Level.UP, 1 / 8)]
    assert watch.last is not None
    assert watch.last.result.at_ms == 1
    assert watch.state.level is Level.DOWN
