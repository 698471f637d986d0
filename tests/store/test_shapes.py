"""Runs that differ in numbers alone share a shape; nothing else is taken for the same."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Fact, Result
from probe.store import rows
from probe.store.base import Kept
from probe.store.shapes import MICRO, Mould, Splitter
from tests.store.samples import AT_MS, result
from thresholds.base import Level, Verdict


def run(facts: Mapping[str, Fact], check: str = "a", **phases: float) -> Result:
    return Result(check, AT_MS, 0.1, phases or {"connect": 0.01}, facts)


def split(*runs: Result) -> list[Mould]:
    """The mould of each of a check's runs, one after the other."""
    splitter, moulds, last = Splitter(), [], None
    for one in runs:
        last = splitter.mould(one, last)
        moulds.append(last)
    return moulds


# As the first released version stored them: a database of its time goes on with the shapes that it has.
@pytest.mark.parametrize(
    ("good", "digest", "measured"),
    [
        (True, "4a621945105ae9a70fb2066fd0188bdf", "[4759,5447,12397,25347,4847,200,47000,41.257]"),
        (False, "1e2e38a703dd47fef47bced5665a7836", "[400]"),
    ],
)
def test_shapes_are_those_that_were_stored_before(good: bool, digest: str, measured: str) -> None:
    one = result(good=good)
    (mould,) = split(one)
    assert mould.stored()[0].hex() == digest
    assert mould.measured(one) == measured


def test_numbers_that_differ_share_a_mould() -> None:
    first, second = split(run({"n": 1, "x": 2.5, "url": "http://a"}), run({"n": 7, "x": 0.1, "url": "http://a"}))
    assert first is second


@pytest.mark.parametrize(
    "other",
    [
        run({"url": "http://b", "n": 1, "ok": True}),
        run({"url": "http://a", "n": True, "ok": True}),
        run({"url": "http://a", "n": 1.0, "ok": True}),
        run({"url": "http://a", "n": 1, "ok": 1}),
        run({"url": "http://a", "n": 1, "ok": False}),
        run({"n": 1, "url": "http://a", "ok": True}),
        run({"url": "http://a", "n": 1}),
        run({"url": "http://a", "n": 1, "ok": True, "more": ""}),
        run({"url": "http://a", "n": "1", "ok": True}),
        run({"url": "http://a", "n": 1, "ok": True}, connect=0.01, ttfb=0.02),
    ],
)
def test_anything_else_that_differs_is_a_mould_of_its_own(other: Result) -> None:
    first, second, again = split(
        run({"url": "http://a", "n": 1, "ok": True}), other, run({"url": "http://a", "n": 2, "ok": True})
    )
    assert first is not second
    assert first is again


def test_checks_with_the_same_shape_share_it() -> None:
    splitter = Splitter()
    assert splitter.mould(run({"version": "1.1"}), None) is splitter.mould(run({"version": "1.1"}, "b"), None)


def test_a_few_values_that_take_turns_stay_shapes_of_their_own() -> None:
    """A name with four addresses: each is known after its first run, however often it comes back."""
    moulds = split(*(run({"net.address": f"192.0.2.{number % 4}"}) for number in range(400)))
    assert len(set(moulds)) == 4


def test_a_text_that_is_always_new_goes_with_the_run() -> None:
    moulds = split(*(run({"request": f"id-{number}", "version": "1.1"}) for number in range(100)))
    assert len(set(moulds)) < 25
    assert moulds[-1].measured(run({"request": "id-x", "version": "1.1"})) == '[10000,"id-x"]'


def test_what_is_forgotten_is_not_taken_for_stored() -> None:
    splitter = Splitter()
    mould = splitter.mould(run({"version": "1.1"}), None)
    mould.id = 7
    splitter.forget()
    assert splitter.mould(run({"version": "1.1"}), None).id == 0


names = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=3)
values = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
outcomes = st.builds(
    lambda facts, phases: replace(run(facts), phases=phases),
    st.dictionaries(names, values, max_size=4),
    st.dictionaries(names, st.integers(0, 10**7).map(lambda us: us / MICRO), max_size=3),
)


@given(st.lists(outcomes, max_size=8))
def test_whatever_runs_there_were_they_are_put_together_again(runs: list[Result]) -> None:
    for one, mould in zip(runs, split(*runs), strict=True):
        mould.id = 5
        *_, body = mould.stored()
        row = rows.result_row(Verdict(one, Level.UP, ""), 1, mould)
        stored = (*row[1:6], *row[7:], row[6])  # in the order in which they are read
        (kept,) = rows.kept("a", [stored], {5: rows.shape(body)})
        assert kept == Kept(one, Level.UP, "")
        types = {name: type(fact) for name, fact in kept.result.facts.items()}
        assert types == {name: type(fact) for name, fact in one.facts.items()}
