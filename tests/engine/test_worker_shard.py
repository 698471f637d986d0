"""Which check runs in which process, and how many processes there are."""

import pytest

from checks.core.base import CheckSpec
from checks.tcp import Tcp
from probe.engine.shard import ALONE, PER_WORKER, Shard, dealt, parse_shard, rate, shard_of, workers_for


def spec(name: str, host: str = "a.example", every: float = 10.0) -> CheckSpec:
    return CheckSpec(name, Tcp(host=host, port=80), every, 5.0)


@pytest.mark.parametrize(
    ("name", "shard"),
    # Source: crc32 of the names as gzip has it, modulo 8: `printf shop/home | gzip -c | tail -c8 | od -An -tu4 -N4`.
    [("shop/home", 1240861284 % 8), ("shop/cache", 2373139572 % 8), ("a", 3904355907 % 8)],
)
def test_a_check_belongs_to_the_same_shard_wherever_it_is_asked(name: str, shard: int) -> None:
    assert shard_of(spec(name), 8, by_host=False) == shard


def test_every_check_is_in_exactly_one_shard_and_they_are_about_equal() -> None:
    names = [f"shop/store-{n}" for n in range(8000)]
    shards = dealt(map(spec, names), 8, by_host=False)
    assert sorted(name for shard in shards for name in shard) == sorted(names)
    assert all(900 <= len(shard) <= 1100 for shard in shards)


def test_with_limits_per_host_all_checks_of_a_host_are_together() -> None:
    specs = [spec(f"c{n}", f"host-{n % 40}.example") for n in range(400)]
    shards = dealt(specs, 5, by_host=True)
    homes = [{one.check.host for one in shard.values()} for shard in shards]
    assert sum(len(hosts) for hosts in homes) == 40
    assert sum(len(shard) for shard in shards) == 400


@pytest.mark.parametrize(("text", "shard"), [("1/1", Shard(0, 1)), ("2/8", Shard(1, 8)), ("8/8", Shard(7, 8))])
def test_a_shard_is_written_as_people_count(text: str, shard: Shard) -> None:
    assert parse_shard(text) == shard
    assert str(shard) == text


@pytest.mark.parametrize("text", ["", "2", "0/8", "9/8", "1/0", "a/b", "-1/8", "1/8/2", " 1/8", "1/8\n"])
def test_what_is_no_shard_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no shard"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("runs", "cores", "workers"),
    [
        (0.0, 8, 0),
        (ALONE - 1, 8, 0),
        (ALONE, 8, 1),
        (PER_WORKER, 8, 1),
        (PER_WORKER + 1, 8, 2),
        (5 * PER_WORKER, 8, 5),
        (100 * PER_WORKER, 8, 8),
        (100 * PER_WORKER, 1, 1),
        (ALONE, 0, 1),
    ],
)
def test_many_runs_take_workers_but_no_more_than_there_are_cores(runs: float, cores: int, workers: int) -> None:
    assert workers_for(runs, cores) == workers


def test_the_rate_is_what_all_checks_ask_for() -> None:
    assert rate([spec("a", every=10.0), spec("b", every=0.5), spec("c", every=4.0)]) == pytest.approx(2.35)
