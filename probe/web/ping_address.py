"""What the address of a ping means: whose it is, and what it says. Pure but for the keys that it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from probe.config.heartbeats import slug
from thresholds.heartbeat import Signal

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLAIN = {signal.value: signal for signal in (Signal.START, Signal.FAIL, Signal.LOG, Signal.RUNNING)}
_STAGE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_HIGHEST = 255  # exit code

Owners = Callable[[str], Sequence[str]]  # the heartbeats that a key is of


class AddressError(Exception):
    """An address that means nothing. `status` is what is answered."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True, slots=True)
class Meant:
    """A ping's address, understood."""

    check: str
    signal: Signal
    exit: int | None = None
    stage: str = ""


def _unknown() -> AddressError:
    """Whether the key or the name is wrong, nobody learns."""
    return AddressError(404, "not found")


def understand(path: str, bearer: str, owners: Owners) -> Meant:
    """What `KEY/start`, `KEY/NAME/0` or, with the key in a header, `NAME/fail` means. Raises AddressError."""
    parts = [part for part in path.split("/") if part]
    first, rest = (parts[0], parts[1:]) if parts else ("", [])
    by_path, by_header = owners(first), owners(bearer)  # both, always: neither takes longer than the other
    if by_path:
        check, suffix = _chosen(by_path, rest)
    elif by_header:
        check, suffix = _named(by_header, first), rest
    else:
        raise _unknown()
    return _said(check, suffix)


def _chosen(owners: Sequence[str], rest: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The heartbeat of a key, by its name in the address where several have the key."""
    if rest and (name := next((one for one in owners if slug(one) == rest[0]), "")):
        return name, rest[1:]
    if len(owners) == 1:
        return owners[0], rest
    if rest and not _is_signal(rest[0]):
        raise _unknown()
    raise AddressError(409, "several heartbeats have this key: write /ping/KEY/NAME, with the name of one of them")


def _named(owners: Sequence[str], name: str) -> str:
    found = next((one for one in owners if slug(one) == name), "")
    if not found:
        raise _unknown()
    return found


def _is_signal(part: str) -> bool:
    return part in _PLAIN or part == Signal.STAGE or part.isdigit()


def _said(check: str, suffix: Sequence[str]) -> Meant:
    match suffix:
        case []:
            return Meant(check, Signal.SUCCESS)
        case [word] if word in _PLAIN:
            return Meant(check, _PLAIN[word])
        case [digits] if digits.isascii() and digits.isdigit():
            return _exited(check, digits)
        case ["stage", name] if _STAGE.fullmatch(name):
            return Meant(check, Signal.STAGE, stage=name)
        case ["stage", *_]:
            raise AddressError(400, "a stage is said as /stage/NAME")
        case _:
            raise _unknown()


def _exited(check: str, digits: str) -> Meant:
    if len(digits) > 3 or int(digits) > _HIGHEST:
        raise AddressError(400, f"invalid url format: an exit code is a number from 0 to {_HIGHEST}")
    code = int(digits)
    return Meant(check, Signal.FAIL if code else Signal.SUCCESS, code)


def run_id(text: str | None) -> str:
    """The id of a run as it is compared; "" for none. Raises AddressError."""
    if text is None:
        return ""
    if not _UUID.fullmatch(text):
        raise AddressError(400, "invalid uuid format: rid is the id of a run, as uuidgen makes them")
    return str(UUID(text))
