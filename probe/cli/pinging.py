"""Pings out: what a job says to a heartbeat, over the standard library alone, for a job's sake quick to start.

Nothing here raises because a monitor is dead or slow: a backup must not fail with what watches it.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from probe.cli.doors import Door

ATTEMPTS = 4
TIMEOUT = 5.0  # s for one attempt
_PAUSES = (0.5, 1.5, 4.0)  # s between attempts
_FINAL = frozenset({400, 401, 403, 404, 405, 409, 413})  # answers that no repetition changes
_MOMENT = 1.0  # s
_LONGEST_WAIT = 10.0  # s that a Retry-After is obeyed


def send(
    door: Door,
    suffix: str,
    rid: str = "",
    body: bytes = b"",
    *,
    within: float = 20.0,
    given_up: threading.Event | None = None,
) -> str:
    """Say something, again where it is not taken; "" once it is kept, else why it was not.

    `within` bounds all attempts together; `given_up` ends them when nobody needs them any more.
    """
    end, why = time.monotonic() + within, "no time"
    for attempt in range(ATTEMPTS):
        left = end - time.monotonic()
        if left <= 0 or (given_up is not None and given_up.is_set()):
            break
        why, final, pause = _attempt(door, suffix, rid, body, min(TIMEOUT, left))
        if final:
            return why
        pause = max(pause, _PAUSES[min(attempt, len(_PAUSES) - 1)])
        if attempt + 1 < ATTEMPTS and pause < end - time.monotonic():
            (given_up.wait if given_up is not None else time.sleep)(pause)
        else:
            break
    return why


def _attempt(door: Door, suffix: str, rid: str, body: bytes, timeout: float) -> tuple[str, bool, float]:
    """Why it was not kept, or ""; whether that is the last word; and the seconds that the service asks for."""
    try:
        connection = _connection(door.url, timeout)
        try:
            headers = {"Authorization": f"Bearer {door.key}", "User-Agent": "probe-exec"}
            connection.request("POST", door.path(suffix, rid), body, headers)
            answer = connection.getresponse()
            line = answer.read(300).decode("utf-8", "replace").strip()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _words(error), False, 0.0
    if answer.status == 200:
        return "", True, 0.0
    wait = answer.getheader("Retry-After", "")
    pause = min(float(wait), _LONGEST_WAIT) if wait.isdigit() else 0.0
    said = "".join(char for char in line if char.isprintable())[:200]
    return f"it answers {answer.status} {said}".strip(), answer.status in _FINAL, pause


def _connection(url: str, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).lower()


class Background:
    """A ping on its way while the job begins: nothing waits for it."""

    def __init__(self, door: Door, suffix: str, rid: str, failed: Callable[[str], None]) -> None:
        self._given_up = threading.Event()

        def work() -> None:
            if why := send(door, suffix, rid, given_up=self._given_up):
                failed(why)

        self._thread = threading.Thread(target=work, name="ping", daemon=True)
        self._thread.start()

    def give_up(self) -> None:
        """What is not said by now need not be; what is just being said is waited for a moment."""
        self._given_up.set()
        self._thread.join(_MOMENT)
