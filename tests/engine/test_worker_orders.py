"""What the service and its workers say to each other, byte by byte."""

import pickle
import struct
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import msgspec
import pytest

from checks.core.base import CheckSpec
from checks.core.result import Failure, FailureKind, Result
from checks.core.wire import encode
from checks.http import Http
from probe.config import load
from probe.engine.orders import Change, NonsenseError, Order, Parcels, Rules, Stop, pack, read_line, vitals_line
from probe.engine.vitals import Vitals
from tests.config.test_examples import ENVIRONMENT

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ORDERS: tuple[Order, ...] = (
    Rules((ip_network("10.0.0.0/8"),), (ip_network("10.1.0.0/16"),), ("127.0.0.1:53",), 20.0, 4, frozenset({"s3cr3t"})),
    Change(("gone",), (CheckSpec("a", Http(url="http://a.example/?k=s3cr3t"), 10.0, 5.0),), (17,), last=True),
    Stop(),
)


def unpacked(*pieces: bytes) -> list[object]:
    parcels = Parcels()
    orders: list[object] = []
    for piece in pieces:
        parcels.feed(piece)
        orders += parcels.orders()
    return orders


@pytest.mark.parametrize("size", [1, 3, 4, 5, 100, 10_000_000])
def test_orders_arrive_whole_however_the_pipe_cuts_them(size: int) -> None:
    stream = b"".join(map(pack, ORDERS))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert unpacked(*pieces) == list(ORDERS)


def test_no_order_is_made_of_a_part() -> None:
    assert unpacked(pack(Stop())[:-1]) == []


def test_a_length_that_cannot_be_is_refused_before_anything_is_kept_for_it() -> None:
    with pytest.raises(NonsenseError, match="4294967295 bytes"):
        unpacked(struct.pack("!I", 0xFFFFFFFF))


def test_rules_and_changes_show_no_secret() -> None:
    for order in ORDERS:
        assert "s3cr3t" not in repr(order)


@pytest.mark.parametrize("name", ["minimal.yml", "full.yml", "fleet/probe.yml"])
def test_every_check_of_the_examples_arrives_as_it_was(name: str) -> None:
    specs = tuple(planned.spec for planned in load(EXAMPLES / name, ENVIRONMENT).checks.values())
    for spec in specs:
        assert spec.check.target  # what a check remembers after its first use must not be in the way
    assert unpacked(pack(Change(specs=specs))) == [Change(specs=specs)]


def test_lines_are_results_or_vitals() -> None:
    result = Result("a", 17, 0.25, {"ttfb": 0.2}, {"http.status": 503}, Failure(FailureKind.EXPECTATION, "ttfb", "no"))
    vitals = Vitals("worker 1", 4711, 17, runs=3, dropped={"slow_reader": 2}, loop_lag=[1, 2], lateness=[3])
    assert read_line(encode(result)) == result
    assert read_line(vitals_line(vitals)) == vitals


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Traceback (most recent call last):",
        b"{}",
        b'{"check":"a"}',
        b'{"check":"a","at_ms":"soon","duration":0.1}',
        b'{"check":"a","at_ms":null,"duration":0.1}',
        b'{"check":"a","at_ms":1,"duration":0.1,"facts":{"x":[null]}}',
        b"null",
        b'{"check":"a","at_ms":1,"duration":0.1,"failure":{"kind":"odd","phase":"","message":""}}',
        b'{"vitals":{"process":"worker 1"}}',
        b'{"vitals":',
        b"\xff\xfe",
        encode(Result("a", 1, 0.1)) * 2,
    ],
)
def test_any_other_line_is_nonsense(line: bytes) -> None:
    with pytest.raises(NonsenseError, match="a line that is no result"):
        read_line(line)


NAN, ENDLESS = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("seen", "heard"),
    [
        (Result("a", 1, 0.5, {"dns": NAN, "ttfb": 0.1}), Result("a", 1, 0.5, {"ttfb": 0.1})),
        (Result("a", 1, 0.5, {}, {"x": -ENDLESS, "y": 2.5, "z": True}), Result("a", 1, 0.5, {}, {"y": 2.5, "z": True})),
        (Result("a", 1, NAN), Result("a", 1, 0.0)),
        (
            Result("a", 1, 0.5, {}, {"x": "\ud800!", "\udfff": 1, "n": NAN}),
            Result("a", 1, 0.5, {}, {"x": "?!", "?": 1}),
        ),
        (Result("a", 1, 0.5, {}, {"x": 10**30, "y": -1}), Result("a", 1, 0.5, {}, {"x": 10**30, "y": -1})),
        (
            Result("a", 1, 0.5, {}, {"x": cast("int", object()), "y": 1}),
            Result("a", 1, 0.5, {}, {"y": 1}),
        ),  # a bug of a check's
        (Result("a", 1, 0.5, {}, {"x": ':null,"y":null'}), Result("a", 1, 0.5, {}, {"x": ':null,"y":null'})),
        (
            Result("a", 1, 0.5, {"dns": NAN}, {}, Failure(FailureKind.LOCAL, "dns", "caf\udce9")),
            Result("a", 1, 0.5, {}, {}, Failure(FailureKind.LOCAL, "dns", "caf?")),
        ),
    ],
    ids=["phase", "fact", "duration", "half a character", "huge", "no fact", "only a text", "failure"],
)
def test_what_json_has_no_word_for_is_left_out_and_costs_no_worker_its_life(seen: Result, heard: Result) -> None:
    assert read_line(encode(seen)) == heard


def test_vitals_survive_a_field_that_only_a_newer_worker_knows() -> None:
    vitals = Vitals("worker 1", 1, 2, loop_lag=[1], lateness=[2])
    known = msgspec.json.decode(vitals_line(vitals))
    known["vitals"]["newer"] = 1
    assert read_line(msgspec.json.encode(known)) == vitals


def test_a_plan_of_a_thousand_checks_is_small_on_the_wire() -> None:
    specs = tuple(CheckSpec(f"c/{n}", Http(url=f"http://a.example/{n}"), 10.0, 5.0) for n in range(1000))
    assert len(pickle.dumps(specs, pickle.HIGHEST_PROTOCOL)) < 400_000
