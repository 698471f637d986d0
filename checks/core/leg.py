"""What a run has in hand of its way to a target, for the evidence of a run that fails: references, and no work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.connection import Connection
    from checks.core.decode import Body
    from checks.core.http1 import Answer
    from checks.core.race import Attempt
    from checks.core.request import Request


class Leg:
    """One request of a chain of redirects, or the one connection of a check. Each is written down as it comes.

    What did not come has the value of the class: a run that is all right makes an empty object and sets what it has.
    """

    host: str = ""  # that was resolved last
    addresses: Sequence[str] = ()  # of it, in the order to try in; those that policy denies among them
    behind: Sequence[str] = ()  # addresses of the target, where those above are its proxy's
    attempts: Sequence[Attempt] = ()  # where several were tried
    connection: Connection | None = None
    peer: str = ""  # who was reached and from where, without a Connection of ours
    local: str = ""
    chain: Sequence[bytes] = ()  # certificates that the server sent, as DER
    request: Request | None = None
    payload: bytes = b""  # what was sent: the request as a whole, or a check's own bytes
    answer: Answer | None = None
    body: Body | None = None
    heard: bytes | bytearray = b""  # by checks without requests
