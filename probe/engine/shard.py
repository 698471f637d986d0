"""How many processes probe, and which check belongs to which of them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from checks.core.base import CheckSpec

# Below it a process of its own costs more, 50 MB and a pipe, than it takes off the service.
ALONE = 400.0  # runs/s
PER_WORKER = 1500.0  # runs/s that one process is given
_SHARD = re.compile(r"(\d{1,5})/(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the checks: number `index`, from 0, of `count`."""

    index: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def parse_shard(text: str) -> Shard:
    """`2/8` is the second of eight; raises ValueError that says what is wrong."""
    match = _SHARD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no shard; write 2/8 for the second of eight")
    number, count = int(match[1]), int(match[2])
    if not 1 <= number <= count:
        raise ValueError(f"{text} is no shard: the first of {count} is 1/{count}, the last {count}/{count}")
    return Shard(number - 1, count)


def rate(specs: Iterable[CheckSpec]) -> float:
    """Runs per second that the checks ask for."""
    return math.fsum(1 / spec.every for spec in specs)


def workers_for(runs: float, cores: int) -> int:
    """Processes that do nothing but probe, for so many runs per second; 0: the service probes itself."""
    if runs < ALONE:
        return 0
    return min(max(1, cores), math.ceil(runs / PER_WORKER))


def shard_of(spec: CheckSpec, count: int, *, by_host: bool) -> int:
    """The shard, from 0, that a check belongs to.

    `by_host` keeps all checks of a host together: limits per host are then kept by the one process that has them.
    """
    return crc32((spec.check.host if by_host else spec.name).encode()) % count


def dealt(specs: Iterable[CheckSpec], count: int, *, by_host: bool) -> list[dict[str, CheckSpec]]:
    """The checks of every shard, by name."""
    shards: list[dict[str, CheckSpec]] = [{} for _ in range(count)]
    for spec in specs:
        shards[shard_of(spec, count, by_host=by_host)][spec.name] = spec
    return shards
