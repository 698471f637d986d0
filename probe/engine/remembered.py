"""What a courier remembers of its receiver: what it was told, and by what it knows each incident."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import TypeVar

from exporters.base import Notice, NoticeKind
from probe.store.deliveries import Delivery

_MOST = 10_000  # of whatever is remembered of what is over
Value = TypeVar("Value")


class Remembered:
    """`told` is by incident the last notice that the receiver took, or had the last word on.

    An end stays in it only for receivers that forget by themselves.
    """

    def __init__(self) -> None:
        self.told: dict[str, Notice] = {}
        self._settled: OrderedDict[str, None] = OrderedDict()  # ids
        self._references: OrderedDict[str, str] = OrderedDict()  # by incident

    def took(self, delivery: Delivery, *, forgets: bool) -> None:
        """The receiver took it, perhaps before a restart, or will never take what was the last word."""
        notice = delivery.notice
        self.settled(notice.id)
        if notice.kind is NoticeKind.BULLETIN:
            return
        if delivery.reference:
            self.refer(notice.incident, delivery.reference)
        if notice.firing or forgets:
            self.told[notice.incident] = notice
        else:
            self.told.pop(notice.incident, None)

    def settled(self, notice: str) -> None:
        _keep(self._settled, notice, None)

    def is_settled(self, notice: str) -> bool:
        return notice in self._settled

    def lasting(self, incident: str) -> Notice | None:
        """What the receiver was told last of an incident of whose end it does not know."""
        told = self.told.get(incident)
        return told if told is not None and told.firing else None

    def refer(self, incident: str, reference: str) -> None:
        """Remember by what the receiver knows an incident; "" where it is known that it does not."""
        _keep(self._references, incident, reference)

    def reference(self, incident: str) -> str | None:
        """By what it does; None where that is not remembered."""
        return self._references.get(incident)

    def recent(self, since_ms: float) -> Collection[Notice]:
        """What a receiver that forgets is to be told again; ends of before an instant are dropped."""
        self.told = {key: told for key, told in self.told.items() if told.firing or told.ended_ms > since_ms}
        return list(self.told.values())


def _keep(memory: OrderedDict[str, Value], key: str, value: Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MOST:
        memory.popitem(last=False)
