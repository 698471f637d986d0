"""Sketches, against the values themselves and against the published buckets."""

from __future__ import annotations

import math
import random
import struct
import sys
from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thresholds.sketch import ERROR, ZERO, Sketch, key_of, middle_of, rank_of, slot_of, stand_in, upper_of, value_of

# Bounds of schema 5 within [0.5, 1): Prometheus, model/histogram/generic.go, `exponentialBounds`.
_PUBLISHED = """
0.5 0.5109485743270583 0.5221368912137069 0.5335702003384117 0.5452538663326288 0.5571933712979462 0.5693943173783458
0.5818624293887887 0.5946035575013605 0.6076236799902344 0.620928906036742 0.6345254785958666 0.6484197773255048
0.6626183215798706 0.6771277734684463 0.6919549409819159 0.7071067811865475 0.7225904034885232 0.7384130729697496
0.7545822137967112 0.7711054127039704 0.7879904225539431 0.805245165974627 0.8228777390769823 0.8408964152537144
0.8593096490612387 0.8781260801866495 0.8973545375015533 0.9170040432046711 0.9370838170551498 0.9576032806985735
0.9785720620876999
"""

_LATENCIES = st.floats(1e-6, 1e4)
_ANY = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-10, 10).map(float) | st.just(-0.0)
_VALUES = st.lists(_ANY, min_size=1, max_size=60)
_QS = st.floats(0, 1)


def _of(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


def _near(estimate: float | None, exact: float) -> bool:
    return estimate is not None and abs(estimate - exact) <= ERROR * abs(exact) * (1 + 1e-9) + ZERO


def test_the_error_is_at_most_one_and_a_tenth_of_a_percent() -> None:
    assert 0.0108 < ERROR < 0.011


def test_buckets_are_those_of_native_histograms() -> None:
    bounds = [float(word) for word in _PUBLISHED.split()]
    assert [upper_of(k - 32) for k in range(32)] == pytest.approx(bounds, rel=3e-16)
    assert [key_of(bound * (1 + 1e-15)) for bound in bounds] == list(range(-31, 1))
    assert [key_of(bound * (1 - 1e-15)) for bound in bounds] == list(range(-32, 0))


def test_bounds_are_right_to_the_last_bit_so_that_every_machine_has_the_same() -> None:
    with localcontext(prec=50):
        assert [upper_of(k) for k in range(32)] == [float(Decimal(2) ** (Decimal(k) / 32)) for k in range(32)]


@pytest.mark.parametrize(
    ("value", "key"),
    [(1.0, 0), (2.0, 32), (0.5, -32), (1.0000001, 1), (0.001, -318), (3600.0, 379), (sys.float_info.max, 32768)],
)
def test_a_value_exactly_at_a_bound_belongs_below_it(value: float, key: int) -> None:
    assert key_of(value) == key
    assert key == math.ceil(math.log2(value) * 32)


@given(st.floats(min_value=ZERO, exclude_min=True, allow_infinity=False))
@example(sys.float_info.max)
def test_a_bucket_holds_what_is_over_the_last_bound_and_not_over_its_own(value: float) -> None:
    key = key_of(value)
    assert upper_of(key - 1) < value <= upper_of(key)
    assert _near(value_of(key), value)


@given(_ANY)
@example(ZERO)
@example(-ZERO)
@example(math.nextafter(ZERO, 1))
@example(math.nextafter(-ZERO, -1))
@example(1.0)
@example(-sys.float_info.max)
def test_slots_stand_for_values_of_either_sign(value: float) -> None:
    assert _near(middle_of(slot_of(value)), value)
    assert stand_in(value) == middle_of(slot_of(value)) == -middle_of(slot_of(-value))


@given(_ANY, _ANY)
def test_slots_are_in_the_order_of_values(one: float, other: float) -> None:
    assert (slot_of(one) <= slot_of(other)) or one > other


@pytest.mark.parametrize("values", [_VALUES, st.lists(_LATENCIES, min_size=1, max_size=200)], ids=["any", "latencies"])
def test_quantiles_are_off_by_at_most_the_error(values: st.SearchStrategy[list[float]]) -> None:
    @given(values, _QS)
    @example([0.3], 0.5)
    @example([-1.0, 0.0, 1.0], 0.5)
    def holds(taken: list[float], q: float) -> None:
        exact = sorted(taken)[rank_of(q, len(taken))]
        estimate = _of(taken).quantile(q)
        assert _near(estimate, exact)
        assert estimate is not None
        assert min(taken) <= estimate <= max(taken)

    holds()


def test_a_quarter_of_lognormal_latencies_keeps_the_promise_at_every_percentile() -> None:
    chance = random.Random(8)
    values = sorted(chance.lognormvariate(-1, 0.8) for _ in range(20_000))
    sketch = _of(values)
    for per_mille in range(1001):
        q = per_mille / 1000
        assert _near(sketch.quantile(q), values[rank_of(q, len(values))]), q


@pytest.mark.parametrize("per_cent", [50, 75, 90, 95, 99])
def test_ranks_are_those_of_exact_arithmetic(per_cent: int) -> None:
    for count in range(1, 5001):
        assert rank_of(per_cent / 100, count) == per_cent * (count - 1) // 100


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("count", [2, 5, 19, 60, 99])
def test_one_slow_run_alone_is_no_percentile(q: float, count: int) -> None:
    estimate = _of([0.1] * (count - 1) + [30.0]).quantile(q)
    assert estimate == pytest.approx(0.1, rel=ERROR)


def test_the_extremes_are_exact() -> None:
    sketch = _of([0.123456, 7.654321, 1.0])
    assert (sketch.quantile(0), sketch.quantile(1)) == (0.123456, 7.654321) == (sketch.least, sketch.most)


def test_equal_values_are_told_as_they_are() -> None:
    assert _of([0.5009] * 5).quantiles((0.01, 0.5, 0.99)) == [0.5009] * 3


@given(st.lists(st.tuples(_ANY, st.integers(0, 3)), max_size=60), st.randoms(use_true_random=False))
def test_any_order_and_grouping_of_merges_is_the_same_to_the_byte(
    placed: list[tuple[float, int]], chance: random.Random
) -> None:
    whole = _of([value for value, _ in placed])
    groups = [_of([value for value, group in placed if group == i]) for i in range(4)]
    chance.shuffle(groups)
    while len(groups) > 1:
        other = groups.pop(chance.randrange(len(groups)))
        groups[chance.randrange(len(groups))].merge(other)
    assert groups[0].encode() == whole.encode()
    assert (groups[0].count, groups[0].total, groups[0].mean) == (whole.count, whole.total, whole.mean)


@given(_VALUES, st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_show(values: list[float], chance: random.Random) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)
    assert _of(shuffled).encode() == _of(values).encode()


def test_adding_many_at_once_is_adding_each() -> None:
    sketch = Sketch()
    sketch.add(0.3, 1000)
    assert sketch.encode() == _of([0.3] * 1000).encode()


@given(st.lists(st.lists(st.floats(-1e308, 1e308), max_size=40), max_size=4))
@example([[-0.0], [0.0, -0.0]])
@example([[0.21, 0.0125, 3e-6, 1e99], [1e101, 0.5], [2.0**-128, 1.0]])
@example([[1e-40, -1e-40, 5e-324]])
def test_taking_many_in_is_adding_each(batches: list[list[float]]) -> None:
    one, each = Sketch(), Sketch()
    for values in batches:
        one.extend(iter(values))
        for value in values:
            each.add(value)
    assert one.encode() == each.encode()
    assert (one.count, one.least, one.most, one.total) == (each.count, each.least, each.most, each.total)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_of_many_of_which_one_is_no_number_none_is_taken(wrong: float) -> None:
    sketch = _of([1.0, 2.0])
    before = sketch.encode()
    with pytest.raises(ValueError, match="finite numbers"):
        sketch.extend([3.0, wrong])
    assert sketch.encode() == before


def test_a_sketch_merged_into_itself_counts_double() -> None:
    sketch = _of([1.0, 2.0])
    sketch.merge(sketch)
    assert sketch.encode() == _of([1.0, 2.0, 1.0, 2.0]).encode()


@given(st.lists(_LATENCIES, min_size=1, max_size=60))
def test_the_mean_is_that_of_the_values(values: list[float]) -> None:
    sketch = _of(values)
    assert sketch.total == pytest.approx(math.fsum(values), rel=1e-12, abs=60 * 2.0**-41)
    assert sketch.mean == pytest.approx(math.fsum(values) / len(values), rel=1e-12, abs=2.0**-41)


def test_sums_beyond_floats_have_a_mean_still() -> None:
    sketch = _of([sys.float_info.max] * 3)
    assert (sketch.total, sketch.mean) == (math.inf, sys.float_info.max)


@given(_VALUES, _ANY)
def test_what_is_counted_up_to_a_limit_is_off_by_less_than_a_bucket(values: list[float], limit: float) -> None:
    away = ERROR * abs(limit) * 1.02 + 2 * ZERO
    counted = _of(values).count_upto(limit)
    assert sum(value <= limit - away for value in values) <= counted <= sum(value <= limit + away for value in values)


@given(_VALUES, _ANY, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_quantile_is_within_a_limit_exactly_when_enough_values_are(
    values: list[float], limit: float, q: float
) -> None:
    sketch = _of(values)
    quantile = sketch.quantile(q)
    assert quantile is not None
    assert (quantile <= limit) is (sketch.count_upto(limit) > rank_of(q, len(values)))


def test_buckets_are_told_by_their_upper_bounds() -> None:
    sketch = _of([1.0, 1.0, 2.0, 0.0, -1.5, 1.01])
    assert sketch.buckets() == [(-upper_of(18), 1), (ZERO, 1), (1.0, 2), (upper_of(1), 1), (2.0, 1)]
    assert key_of(1.5) == 19


@given(_VALUES)
def test_buckets_hold_every_value_under_its_native_index(values: list[float]) -> None:
    buckets = _of(values).buckets()
    assert [bound for bound, _ in buckets] == sorted({bound for bound, _ in buckets})
    natively: dict[tuple[int, int], int] = {}
    for bound, count in buckets:
        index = 0 if bound == ZERO else key_of(bound) if bound > 0 else key_of(-bound) + 1 if bound < -ZERO else -4095
        natively[0 if bound == ZERO else int(math.copysign(1, bound)), index] = count
    wanted: dict[tuple[int, int], int] = {}
    for value in values:
        sign = 0 if abs(value) <= ZERO else int(math.copysign(1, value))
        place = sign, key_of(abs(value)) if sign else 0
        wanted[place] = wanted.get(place, 0) + 1
    assert natively == wanted


@given(st.lists(st.tuples(_ANY, st.integers(1, 2**40)), max_size=60))
def test_a_sketch_comes_back_from_its_bytes(values: list[tuple[float, int]]) -> None:
    sketch = Sketch()
    for value, count in values:
        sketch.add(value, count)
    again = Sketch.decode(sketch.encode())
    assert again.encode() == sketch.encode()
    assert (again.count, again.total, again.least, again.most) == (
        sketch.count,
        sketch.total,
        sketch.least,
        sketch.most,
    )
    assert (again.buckets(), again.quantiles((0, 0.5, 1))) == (sketch.buckets(), sketch.quantiles((0, 0.5, 1)))


def test_bytes_once_written_stay_readable() -> None:
    """Version 1, spelled out: nobody can rewrite the years that lie in databases."""
    coded = "01" + "000000000000e0bf" + "0000000000000040" + "808080808060" + "0101" + "be7f" + "3e"
    sketch = Sketch.decode(bytes.fromhex(coded))
    assert sketch.buckets() == [(-upper_of(-33), 3), (1.0, 1), (2.0, 1)]
    assert (sketch.total, sketch.least, sketch.most) == (1.5, -0.5, 2.0)
    assert sketch.encode().hex() == coded == _of([2.0, -0.5, -0.5, 1.0, -0.5]).encode().hex()


def test_few_bytes_are_enough() -> None:
    chance = random.Random(8)
    values = [chance.lognormvariate(-1, 0.5) for _ in range(100_000)]
    assert len(_of(values[:5]).encode()) <= 35
    assert len(_of(values[:60]).encode()) <= 94  # what delta varints with a byte for each count took
    assert len(_of(values).encode()) <= 595


def test_an_empty_sketch_says_that_there_is_nothing() -> None:
    for sketch in (Sketch(), Sketch.decode(Sketch().encode())):
        sketch.merge(Sketch())
        assert (sketch.count, sketch.total, sketch.mean, sketch.least, sketch.most) == (0, 0.0, None, None, None)
        assert (sketch.quantile(0.5), sketch.count_upto(1.0), sketch.buckets()) == (None, 0, [])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_what_is_no_finite_number_is_refused_and_leaves_no_trace(value: float) -> None:
    sketch = _of([1.0])
    with pytest.raises(ValueError, match="finite numbers"):
        sketch.add(value)
    assert sketch.encode() == _of([1.0]).encode()


@pytest.mark.parametrize("count", [0, -1])
def test_a_value_is_added_once_at_least(count: int) -> None:
    with pytest.raises(ValueError, match="at least once"):
        Sketch().add(1.0, count)


@pytest.mark.parametrize("q", [-0.01, 1.01, math.nan])
def test_quantiles_outside_of_0_to_1_are_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sketch().quantile(q)


@given(st.binary(max_size=60))
@example(b"")
@example(b"\x00")
@example(b"\x02" + _of([1.0]).encode()[1:])
@example(b"\x01" + b"\xff" * 16)
def test_bytes_of_anything_are_refused_or_are_exactly_what_a_sketch_is_written_as(raw: bytes) -> None:
    _refused_or_exact(raw)


@given(_VALUES, st.data())
def test_damaged_bytes_are_refused_or_are_exactly_what_a_sketch_is_written_as(
    values: list[float], data: st.DataObject
) -> None:
    raw = bytearray(_of(values).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    _refused_or_exact(bytes(raw))


def _refused_or_exact(raw: bytes) -> None:
    try:
        sketch = Sketch.decode(raw)
    except ValueError:
        return
    assert sketch.encode() == raw


_WHOLE = _of([0.2, 0.2, 0.2, 0.4, 0.8]).encode()


@pytest.mark.parametrize("length", range(2, len(_WHOLE)))
def test_a_sketch_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="a sketch"):
        Sketch.decode(_WHOLE[:length])


_ONE_OF_TWO = b"\x01" + struct.pack("<dd", 1.001, 1.002) + bytes.fromhex("e4cbeea48c4000")
_NONE = _of([0.0, 0.0]).encode()[:-1]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(_WHOLE + b"\x00", "do not agree", id="a bucket above the largest value"),
        pytest.param(_WHOLE[:1] + _WHOLE[9:17] + _WHOLE[1:9] + _WHOLE[17:], "from 0.8 to 0.2", id="changed round"),
        pytest.param(_WHOLE[:17] + b"\x00" + _WHOLE[23:], "do not agree", id="a sum under what the values come to"),
        pytest.param(_WHOLE[:-1] + b"\xff" * 300 + b"\x01", "too long", id="a number without end"),
        pytest.param(_WHOLE[:-1] + bytes([_WHOLE[-1] | 0x80, 0]), "padded", id="a number that is padded"),
        pytest.param(_WHOLE + b"\x80", "cut off", id="a number that is cut off"),
        pytest.param(_WHOLE + b"\x00" * (1 << 18), "can read", id="more bytes than there are buckets"),
        pytest.param(b"\x01" + b"\x00" * 7 + b"\x80" + b"\x00" * 10, "do not agree", id="minus zero"),
        pytest.param(_NONE, "do not agree", id="a bucket without its count"),
        pytest.param(_ONE_OF_TWO, "do not agree", id="one value, and two extremes"),
        pytest.param(b"\x02" + _WHOLE[1:], "version", id="a later version"),
    ],
)
def test_a_sketch_that_cannot_be_is_refused_and_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Sketch.decode(raw)
