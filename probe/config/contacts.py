"""What reaches one person: for each of their contacts a receiver of their own, `ana/mail`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporters.base import Addressed, Notifier
from exporters.oncall.people import personal
from exporters.oncall.targets import TargetKind
from probe.config.faults import Faults
from probe.config.problems import suggestion
from probe.config.secrets import guarded
from probe.config.targets import Targets
from probe.config.tree import Path, Table, missing


def read_contacts(
    users: object, receivers: Mapping[str, Notifier], targets: Targets, faults: Faults
) -> dict[str, Notifier]:
    """A receiver for every contact of every user; what cannot reach people is reported."""
    found: dict[str, Notifier] = {}
    for user, body in users.items() if isinstance(users, Table) else ():
        contacts = body.get("contacts") if isinstance(body, Table) else None
        for name, address in contacts.items() if isinstance(contacts, Table) else ():
            path = ("users", user, "contacts", name)
            if not isinstance(address, str) or not address or missing(address):
                continue  # reported with the user
            receiver = _addressed(name, address, path, receivers, targets, faults)
            if receiver is not None:
                found[_free(personal(user, name), path, targets, faults)] = receiver
    return found


def _addressed(
    name: str, address: str, path: Path, receivers: Mapping[str, Notifier], targets: Targets, faults: Faults
) -> Notifier | None:
    able = list(_able(receivers))
    receiver = receivers.get(name)
    if receiver is None:
        if name not in targets.names[TargetKind.RECEIVER]:
            faults.error(path, f"no receiver is called {name}", _instead(name, able), key=True)
        return None  # or it has a mistake of its own
    if not isinstance(receiver, Addressed):
        faults.error(path, f"{name} cannot reach one person: it has no addresses", _instead("", able), key=True)
        return None
    try:
        return receiver.addressed(address)
    except ValueError as error:
        faults.error(path, guarded(str(error), address))
        return None


def _able(receivers: Mapping[str, Notifier]) -> Iterator[str]:
    return (name for name, receiver in receivers.items() if isinstance(receiver, Addressed))


def _instead(name: str, able: list[str]) -> str:
    if not able:
        return "no receiver here reaches people; add one that does, as email"
    return suggestion(name, able, "receivers that reach people")


def _free(name: str, path: Path, targets: Targets, faults: Faults) -> str:
    if name in targets.names[TargetKind.RECEIVER]:
        faults.error(path, f"a receiver is already called {name}", "give that receiver another name", key=True)
    return name
