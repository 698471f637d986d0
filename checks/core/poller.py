"""Waits for thousands of sockets through one descriptor of the event loop.

asyncio's add_reader and remove_reader cost a handle, a context and two system calls per wait. Here a socket is
registered once, edge-triggered, and closing it ends that: about 50 us less of a plain-HTTP probe's 200, measured.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

READ_EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
WRITE_EVENTS = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
END_EVENTS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_MOST = 256  # events per turn of the loop: others want theirs too


class Poller:
    """One epoll of our own inside the running loop's."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._turn)

    def watch(self, fd: int, callback: Callable[[int], None]) -> None:
        """Call back with the EPOLL* events of `fd` whenever something new happens; no more than set a future there."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, _EDGES)

    def forget(self, fd: int) -> None:
        """To be called right before `fd` is closed, which takes it out of the epoll."""
        self._callbacks.pop(fd, None)

    def close(self) -> None:
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _turn(self) -> None:
        callbacks = self._callbacks
        for fd, events in self._epoll.poll(0, _MOST):
            callback = callbacks.get(fd)
            if callback is not None:
                callback(events)
