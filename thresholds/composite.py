"""How a service stands by how its checks stand: all, any, k of n or a weighted share of them. Pure.

What is not known decides nothing. A member of which nothing is known (UNKNOWN) is tried both ways: where the others
decide whatever it may be, they do; where they do not, the service is UNKNOWN. A PAUSED member is no part of the
service: the rule is about the others, and a service of which all are paused is PAUSED.

A member that does not count (outside its hours, in maintenance, excluded) is judged with the others, because users
meet it all the same. Where the service stands worse for it than the members that do count would make it, the service's
time does not count either, and carries the flags of those that did it. What the others explain by themselves counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, groupby
from math import ceil, inf, lcm
from operator import itemgetter

from thresholds.base import Level
from thresholds.timeline import FLAGS, Condition, Edge, Interval, Look, intervals_of, look_of


class Kind(StrEnum):
    ALL = "all"  # as bad as the worst member
    ANY = "any"  # as good as the best member
    K_OF_N = "k_of_n"  # as good as the k-th best member
    WEIGHTED = "weighted"  # as good as enough weight is


@dataclass(frozen=True, slots=True)
class Rule:
    """How members make a service. Raises ValueError where no member could ever satisfy it."""

    kind: Kind = Kind.ALL
    k: int = 0  # of K_OF_N; where members are paused, at most as many as are left
    weights: tuple[float, ...] = ()  # of WEIGHTED, one for each member
    need: float = 0.5  # of WEIGHTED: the share of all weight that has to be well

    def __post_init__(self) -> None:
        if self.kind == Kind.K_OF_N and self.k < 1:
            raise ValueError(f"k of n needs a k of 1 or more, not {self.k}")
        if self.kind == Kind.WEIGHTED and not (self.weights and all(0 < weight < inf for weight in self.weights)):
            raise ValueError("weighted needs weights, each of them more than 0")
        if self.kind == Kind.WEIGHTED and not 0 < self.need <= 1:
            raise ValueError(f"weighted needs a share between 0 and 1, not {self.need}")

    def integers(self, members: int) -> list[int]:
        """A whole number for each member's weight: sums of them are exact, as those of 0.1 and 0.2 are not."""
        if self.kind == Kind.K_OF_N and self.k > members:
            raise ValueError(f"{self.k} of {members} members can never be well")
        if self.kind != Kind.WEIGHTED:
            return [1] * members
        if len(self.weights) != members:
            raise ValueError(f"{len(self.weights)} weights for {members} members")
        exact = [Fraction(str(weight)) for weight in self.weights]
        scale = lcm(*(weight.denominator for weight in exact))
        return [int(weight * scale) for weight in exact]

    def needed(self, total: int) -> int:
        """How much of a weight has to be well for the service to be well."""
        match self.kind:
            case Kind.ALL:
                return total
            case Kind.ANY:
                return 1
            case Kind.K_OF_N:
                return min(self.k, total)
            case Kind.WEIGHTED:
                return ceil(Fraction(str(self.need)) * total)


def standing(rule: Rule, conditions: Sequence[Condition]) -> Condition:
    """How a service stands by how its members stand, at one instant."""
    weight_of = [0] * len(Condition)
    for condition, weight in zip(conditions, rule.integers(len(conditions)), strict=True):
        weight_of[condition] += weight
    return _judged(weight_of, rule.needed(sum(weight_of[: Condition.PAUSED])))


def _judged(weight_of: Sequence[int], needed: int) -> Condition:
    """The condition of a service by the weight of its members in each condition."""
    unknown, up, degraded, down, _ = weight_of
    if not unknown + up + degraded + down:
        return Condition.PAUSED
    if up >= needed:
        return Condition.UP
    if up + degraded >= needed:
        return Condition.DEGRADED
    return Condition.UNKNOWN if up + degraded + unknown >= needed else Condition.DOWN


def compose(members: Sequence[Sequence[Interval]], rule: Rule) -> list[Interval]:
    """The timeline of a service from those of its members, over all time that any of them is about.

    A member is UNKNOWN where its timeline says nothing. Raises ValueError where the rule does not fit so many members.
    """
    tally = _Tally(rule, len(members))
    pieces: list[tuple[int, Look]] = []
    end_ms = max((member[-1].end_ms for member in members if member), default=0)
    for at_ms, changes in groupby(sorted(_changes(members)), key=itemgetter(0)):
        for _, member, look in changes:
            tally.put(member, look)
        if at_ms < end_ms:
            pieces.append((at_ms, tally.look()))
    return intervals_of(pieces, end_ms)


def _changes(members: Sequence[Sequence[Interval]]) -> Iterator[tuple[int, int, Look]]:
    """Every instant at which a member begins to look otherwise: (Unix ms, member, look)."""
    for number, member in enumerate(members):
        for index, interval in enumerate(member):
            yield interval.start_ms, number, look_of(interval)
            if index + 1 == len(member) or member[index + 1].start_ms > interval.end_ms:
                yield interval.end_ms, number, _Tally.UNSEEN


# From the best to the worst that a service can be said to be.
_RANKS = {Condition.UP: 0, Condition.DEGRADED: 1, Condition.UNKNOWN: 2, Condition.PAUSED: 2, Condition.DOWN: 3}
_ALL_FLAGS = (1 << FLAGS) - 1


class _Tally:
    """The weight of members by their look, kept as they change: a service of 40 checks costs as much as one of two."""

    UNSEEN = Condition.UNKNOWN << FLAGS

    def __init__(self, rule: Rule, members: int) -> None:
        self._weights = rule.integers(members)
        self._looks = [self.UNSEEN] * members
        self._by_look = [0] * (len(Condition) << FLAGS)
        self._by_look[self.UNSEEN] = sum(self._weights)
        self._everybody = [sum(self._weights), 0, 0, 0, 0]  # by condition
        self._flagged = 0
        self._needed = lru_cache(rule.needed)

    def put(self, member: int, look: Look) -> None:
        weight, before = self._weights[member], self._looks[member]
        self._looks[member] = look
        self._by_look[before] -= weight
        self._by_look[look] += weight
        self._everybody[before >> FLAGS] -= weight
        self._everybody[look >> FLAGS] += weight
        self._flagged += weight * (bool(look & _ALL_FLAGS) - bool(before & _ALL_FLAGS))

    def look(self) -> Look:
        """How the service looks now."""
        condition = self._condition(self._everybody)
        if not self._flagged:
            return condition << FLAGS
        counting = self._by_look[:: _ALL_FLAGS + 1]
        if not any(counting):
            return condition << FLAGS | self._flags(but=None)
        if _RANKS[condition] > _RANKS[self._condition(counting)]:
            return condition << FLAGS | self._flags(but=Condition.UP)
        return condition << FLAGS

    def _condition(self, weight_of: Sequence[int]) -> Condition:
        return _judged(weight_of, self._needed(sum(weight_of) - weight_of[Condition.PAUSED]))

    def _flags(self, but: Condition | None) -> int:
        """All flags that members have, but for those that stand so."""
        found = 0
        for look, weight in enumerate(self._by_look):
            if weight and look >> FLAGS != but:
                found |= look & _ALL_FLAGS
        return found


def told(members: Mapping[str, Sequence[Edge]], rule: Rule) -> list[Edge]:
    """What was known of a service at the time: its levels by when those of its members were decided.

    The timeline says when an outage began, this says when it was seen: nothing here is dated back. A reason is that of
    the member whose change made the service's, and names it. Members come in the order of the rule's weights.
    """
    counts, shows = _Tally(rule, len(members)), _Tally(rule, len(members))
    found: list[Edge] = []
    for at_ms, changes in groupby(sorted(_decisions(members), key=itemgetter(0, 1)), key=itemgetter(0)):
        worst = Level.UNKNOWN, "", ""
        for _, member, name, edge in changes:
            counts.put(member, edge.level << FLAGS)
            shows.put(member, edge.seen << FLAGS)
            worst = max(worst, (edge.seen, f"{name}: {edge.reason}" if edge.reason else name, edge.incident))
        level, shown = Level(counts.look() >> FLAGS), Level(shows.look() >> FLAGS)
        if not found or (found[-1].level, found[-1].seen) != (level, shown):
            _, reason, incident = worst
            reason = reason if max(level, shown).bad else ""
            found.append(Edge(at_ms, level, at_ms, reason, incident, None if shown is level else shown))
    return found


def _decisions(members: Mapping[str, Sequence[Edge]]) -> Iterator[tuple[int, int, str, Edge]]:
    """Every edge with when it was decided: after the one before it, whatever the wall clock did meanwhile."""
    for number, (name, edges) in enumerate(members.items()):
        instants = accumulate((edge.at_ms or edge.since_ms for edge in edges), max)
        for at_ms, edge in zip(instants, edges, strict=True):
            yield at_ms, number, name, edge
