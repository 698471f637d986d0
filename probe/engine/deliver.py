"""From a stored notice to the people on call: a courier for each receiver, and who is told instead of one that is gone.

Nothing here waits for another receiver, and nothing else waits for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from exporters.base import Notifier
from exporters.limits import Paces
from exporters.message import clip
from exporters.terms import Terms
from probe.engine.courier import Courier
from probe.engine.crew import Crew
from probe.engine.desk import Desk
from probe.engine.disabling import Disabling
from probe.store.deliveries import Delivery, Outcome
from probe.store.receivers import Disabled

__all__ = ["Deliverer", "Desk"]

_CLERK = " "  # a name that no courier has
_SAID = 160  # characters of an error that people are shown


class Deliverer:
    """Keeps a courier for every receiver of the configuration."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._couriers: dict[str, Courier] = {}
        self._crew = Crew("courier")
        self._paces = Paces()
        self._disabling = Disabling(desk.clock, desk.book)
        self._terms: Mapping[str, Terms] = {}
        self._keeping = False

    async def run(self) -> None:
        """Wait for ever; raise what a courier raised, for that is a bug of ours."""
        await self._crew.run()

    def configure(
        self,
        receivers: Mapping[str, Notifier],
        told: Sequence[Delivery] = (),
        *,
        terms: Mapping[str, Terms] | None = None,
        disabled: Iterable[Disabled] = (),
    ) -> None:
        """Keep exactly these receivers. What waits for one that stays is sent by its new settings.

        `told` is what receivers knew before: a new one may be an old one that comes back. `terms` are by receiver;
        those of one that was derived for a person (`ana/mail`) are those of what it was derived from. `disabled` are
        the receivers that were when the service ended.
        """
        if not self._keeping:
            self._keeping = True
            self._crew.start(_CLERK, self._disabling.run())
        self._terms = terms or {}
        self._disabling.remember(disabled, receivers)
        for name in self._couriers.keys() - receivers.keys():
            self._crew.end(name)
            self._couriers.pop(name).abandon("the receiver was removed from the configuration")
            self._disabling.enable(name)
        for name, notifier in receivers.items():
            self._employ(name, notifier, told)
        for name in receivers:
            self._reconsider(name)

    def _employ(self, name: str, notifier: Notifier, told: Sequence[Delivery]) -> None:
        courier = self._couriers.get(name)
        if courier is None:
            courier = self._couriers[name] = Courier(name, notifier, self._desk, self)
            for delivery in told:
                if delivery.receiver == name:
                    courier.remember(delivery)
            self._crew.start(name, courier.run())
        courier.notifier, courier.voice.terms = notifier, self._terms_of(name)
        courier.paces = self._paces.of(notifier, courier.voice.terms.rate, name)
        courier.wake()

    def _reconsider(self, name: str) -> None:
        """A receiver that was disabled gets another try with other settings; one that still is, is said to be."""
        if self._disabling.changed(name, self._couriers[name].notifier):
            self.enable(name)
        elif why := self._disabling.why(name):
            self._desk.refused(name, self._said_disabled(name, why))

    def _terms_of(self, name: str) -> Terms:
        return self._terms.get(self._base(name)) or Terms()

    def _base(self, name: str) -> str:
        """The receiver that one was derived from for a person; itself where it was not."""
        return name if name in self._terms else name.rpartition("/")[2]

    def accept(self, delivery: Delivery) -> None:
        """Have a receiver told; whoever is told instead of it where it is disabled."""
        courier = self._couriers.get(delivery.receiver)
        if courier is None:
            self._settle(delivery, "no such receiver in the configuration")
        elif why := self._disabling.why(delivery.receiver):
            instead = self.divert(delivery, why)
            self._settle(delivery, f"disabled: {why}" + (f"; {instead} is told instead" if instead else ""))
        else:
            self._tell_again(delivery)
            courier.accept(delivery)

    def _settle(self, delivery: Delivery, error: str) -> None:
        now_ms = self._desk.clock.now_ms()
        self._desk.settle(replace(delivery, outcome=Outcome.FAILED, error=error, at_ms=now_ms))

    def _tell_again(self, delivery: Delivery) -> None:
        """The end of what was told elsewhere, while the receiver was disabled, is told there, too."""
        instead = None if delivery.notice.firing else self._instead_of(delivery.receiver)
        if instead is None:
            return
        told = instead.memory.lasting(delivery.notice.incident)
        if told is not None and f"instead of {delivery.receiver}," in told.why:
            self._hand(delivery, instead, f"told here before, instead of {delivery.receiver}")

    def divert(self, delivery: Delivery, why: str) -> str:
        """Have the fallback told what a receiver will not be; its name, "" where there is none.

        It is written down as owed there before it is as failed here: a crash between the two repeats this, and
        changes nothing.
        """
        instead = self._instead_of(delivery.receiver)
        if instead is None:
            return ""
        state = "is disabled" if self._disabling.why(delivery.receiver) else "did not take it"
        self._hand(delivery, instead, f"instead of {delivery.receiver}, which {state}: {clip(why, _SAID)}")
        return instead.name

    def _hand(self, delivery: Delivery, courier: Courier, why: str) -> None:
        if courier.knows(delivery.notice.id):
            return  # it is, or was, told of this all the same
        notice = replace(delivery.notice, why="; ".join(filter(None, (delivery.notice.why, why))))
        owed = Delivery(notice, courier.name)
        self._desk.settle(owed)
        courier.accept(owed)

    def _instead_of(self, name: str) -> Courier | None:
        """Whoever is told instead of a receiver: its fallback, or that one's, the first that is not disabled.

        Of a receiver that was derived for a person the same person's, where there is one.
        """
        person, _, _ = name.rpartition("/")
        seen = {name}
        while fallback := self._terms_of(name).fallback:
            own = f"{person}/{fallback}"
            name = own if person and own in self._couriers else fallback
            if name in seen or name not in self._couriers:
                return None
            if not self._disabling.why(name):
                return self._couriers[name]
            seen.add(name)
        return None

    def gone(self, name: str, why: str) -> None:
        """A receiver takes nothing any more: it is disabled, and what waits for it goes to its fallback."""
        courier = self._couriers[name]
        self._disabling.disable(name, courier.notifier, why)
        self._desk.refused(name, self._said_disabled(name, why))
        courier.abandon(why, diverted=True)

    def _said_disabled(self, name: str, why: str) -> str:
        return f"receiver {name} is disabled until it is changed or enabled: {clip(why, _SAID)}"

    def enable(self, name: str) -> bool:
        """Tell a receiver again, and all that are derived from it; whether any of them was disabled."""
        names = [one for one in self._disabling.all() if name in (one, self._base(one))]
        for one in names:
            self._disabling.enable(one)
            self._desk.enabled(one)
        return bool(names)

    def names(self) -> Sequence[str]:
        return list(self._couriers)

    def disabled(self) -> Mapping[str, Disabled]:
        """The receivers that are disabled, since when and why."""
        return self._disabling.all()

    def fallback(self, name: str) -> str:
        """Who would be told instead of a receiver; "" for nobody."""
        instead = self._instead_of(name) if name in self._couriers else None
        return instead.name if instead is not None else ""

    def waiting(self) -> Mapping[str, tuple[int, int]]:
        """How many notices wait by receiver, and Unix ms of the oldest one's decision."""
        return {name: (len(courier), courier.oldest_ms) for name, courier in self._couriers.items()}

    async def flush(self) -> None:
        """Wait until every courier has sent what it can send now. The caller sets the deadline."""
        for courier in list(self._couriers.values()):
            await courier.quiet.wait()

    async def stop(self) -> None:
        self._couriers.clear()
        await self._crew.stop()
