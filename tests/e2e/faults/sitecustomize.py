"""Has a process kill itself at a point on the way of a notice, where this folder is in its PYTHONPATH.

The program knows nothing of it: what passes a point is counted by functions that stand around the program's own.
PROBE_FAULT says where: `POINT PHASE COUNT FILE`, and `hold` at the end where whatever comes to the point waits there
until COUNT have come. FILE gets a line just before the end. `POINT` alone may be `slow`, which kills nothing: reading
who is disabled takes a second then.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_SLOW = 1.0  # s
_PHASES = {"acknowledged": "acknowledgement", "resolved": "end", "passed": "end"}

Call = Callable[..., Any]


def phase_of(kind: str, receiver: str) -> str:
    """What a notice belongs to: an opening is told to receivers first, and to people in the step after that."""
    if kind == "opened":
        return "step" if "/" in receiver else "opening"
    return _PHASES.get(kind, "")


class Fault:
    """Where the process ends, and what has come there."""

    def __init__(self, point: str, phase: str, count: int, file: str, *, hold: bool) -> None:
        self.point = point
        self.phase = phase
        self._count = count
        self._file = file
        self._hold = hold
        self._passed: set[object] = set()

    def concerns(self, kind: str, receiver: str) -> bool:
        return phase_of(kind, receiver) == self.phase

    def in_act(self, act: Any) -> bool:
        notices = act.notices if act is not None else ()
        return any(self.concerns(notice.kind.value, name) for notice, names in notices for name in names)

    def among(self, items: Sequence[Any]) -> bool:
        """Whether a batch for the store has something of the phase: a decision, or what became of a delivery."""
        return any(self._in_item(item) for item in items)

    def _in_item(self, item: Any) -> bool:
        if hasattr(item, "receiver"):
            return item.outcome.value == "delivered" and self.concerns(item.notice.kind.value, item.receiver)
        return self.in_act(item.act if hasattr(item, "act") else item)

    def passes(self, point: str, who: object = None) -> bool:
        """Count what passes a point; whether it has to wait there. Whoever is named counts once."""
        if point != self.point:
            return False
        self._passed.add(len(self._passed) if who is None else who)
        if len(self._passed) >= self._count:
            self._end()
        return self._hold

    def _end(self) -> None:
        with open(self._file, "a", encoding="utf-8") as file:  # noqa: PTH123  # as little as possible is imported here
            file.write(f"{self.point} {self.phase}\n")
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # no thread goes on until the signal is there


_telling: ContextVar[str] = ContextVar("telling", default="")  # the receiver that is told something of the phase
_writing: ContextVar[str] = ContextVar("writing", default="")  # the point before a commit of something of the phase


def around(owner: Any, name: str, make: Callable[[Call], Call]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(make(original)))


def in_dispatch(fault: Fault, module: ModuleType) -> None:
    def telling(original: Call) -> Call:
        def tell(self: Any, case: Any, tell: Any, *rest: Any) -> Any:
            if any(fault.concerns(tell.kind.value, name) for name in tell.receivers):
                fault.passes("deciding")
            return original(self, case, tell, *rest)

        return tell

    around(module.Dispatcher, "_tell", telling)


def in_record(fault: Fault, module: ModuleType) -> None:
    def recording(original: Call) -> Call:
        def record(self: Any, entry: Any) -> None:
            concerned = fault.among([entry])
            if concerned:
                fault.passes("decided")
            original(self, entry)
            if concerned:
                fault.passes("offered")

        return record

    def settling(original: Call) -> Call:
        def settle(self: Any, delivery: Any) -> None:
            original(self, delivery)
            if fault.among([delivery]):
                fault.passes("noted")

        return settle

    around(module.Recorder, "record", recording)
    around(module.Recorder, "settle", settling)


def in_sql(fault: Fault, module: ModuleType) -> None:
    def writing(before: str, within: str, after: str) -> Callable[[Call], Call]:
        def make(original: Call) -> Call:
            async def write(self: Any, items: Sequence[Any]) -> None:
                if not fault.among(items):
                    await original(self, items)
                    return
                fault.passes(before)
                token = _writing.set(within)
                try:
                    await original(self, items)
                finally:
                    _writing.reset(token)
                fault.passes(after)

            return write

        return make

    around(module.SqlStore, "append", writing("appending", "appended", "stored"))
    around(module.SqlStore, "settle", writing("settling", "set", "settled"))


def in_sqlite(fault: Fault, module: ModuleType) -> None:
    def numbering(original: Call) -> Call:
        async def number(self: Any, change: Any) -> Any:
            token = _writing.set("")  # a transaction of its own, before the one that counts
            try:
                return await original(self, change)
            finally:
                _writing.reset(token)

        return number

    around(module.SqliteDriver, "number", numbering)


def in_writer(fault: Fault, module: ModuleType) -> None:
    def transacting(original: Call) -> Call:
        async def transact(self: Any, work: Call) -> Any:
            point = _writing.get()

            def worked(connection: Any) -> Any:
                outcome = work(connection)
                fault.passes(point)  # in the thread of the connection, before its COMMIT
                return outcome

            return await original(self, worked if point else work)

        return transact

    around(module.Writer, "transact", transacting)


def in_deliver(fault: Fault, module: ModuleType) -> None:
    def accepting(original: Call) -> Call:
        def accept(self: Any, delivery: Any) -> None:
            original(self, delivery)
            if fault.concerns(delivery.notice.kind.value, delivery.receiver):
                fault.passes("handed")

        return accept

    around(module.Deliverer, "accept", accepting)


def in_voice(fault: Fault, module: ModuleType) -> None:
    def saying(original: Call) -> Call:
        async def say(self: Any, notice: Any, *rest: Any) -> str:
            if not fault.concerns(notice.kind.value, self.name):
                return str(await original(self, notice, *rest))
            await held(fault, "sending", self.name)
            token = _telling.set(self.name)
            try:
                reference = str(await original(self, notice, *rest))
            finally:
                _telling.reset(token)
            await held(fault, "sent", self.name)
            return reference

        return say

    around(module.Voice, "say", saying)


async def held(fault: Fault, point: str, who: str) -> None:
    if fault.passes(point, who):
        await asyncio.Event().wait()


def on_the_wire(fault: Fault, original: Call) -> Call:
    """Before a message goes out, and after its answer came."""

    async def exchange(*arguments: Any, **named: Any) -> Any:
        receiver = _telling.get()
        if not receiver:
            return await original(*arguments, **named)
        await held(fault, "posting", receiver)
        answer = await original(*arguments, **named)
        await held(fault, "answered", receiver)
        return answer

    return exchange


def in_post(fault: Fault, module: ModuleType) -> None:
    around(module.HttpPost, "__call__", functools.partial(on_the_wire, fault))


def in_email(fault: Fault, module: ModuleType) -> None:
    around(module.Email, "_deliver", functools.partial(on_the_wire, fault))


def in_command(fault: Fault, module: ModuleType) -> None:
    around(module.Command, "send", functools.partial(on_the_wire, fault))


def in_receivers(_fault: Fault | None, module: ModuleType) -> None:
    def slowly(original: Call) -> Call:
        async def disabled(self: Any) -> Any:
            await asyncio.sleep(_SLOW)
            return await original(self)

        return disabled

    around(module.SqlReceivers, "disabled", slowly)


_AROUND: dict[str, Callable[[Fault, ModuleType], None]] = {
    "probe.engine.dispatch": in_dispatch,
    "probe.engine.record": in_record,
    "probe.engine.deliver": in_deliver,
    "probe.engine.voice": in_voice,
    "probe.store.sql": in_sql,
    "probe.store.sqlite": in_sqlite,
    "probe.store.writer": in_writer,
    "exporters.post": in_post,
    "exporters.notifiers.email": in_email,
    "exporters.notifiers.command": in_command,
}


class After(Loader):
    """A module, and what is put around parts of it."""

    def __init__(self, loader: Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


class Finder(MetaPathFinder):
    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self._changes = changes

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        change = self._changes.pop(name, None)
        if change is None:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = After(spec.loader, change)
        return spec


def install(words: Sequence[str]) -> None:
    changes: dict[str, Callable[[ModuleType], None]]
    if words[0] == "slow":
        changes = {"probe.store.receivers": functools.partial(in_receivers, None)}
    else:
        fault = Fault(words[0], words[1], int(words[2]), words[3], hold="hold" in words[4:])
        changes = {name: functools.partial(change, fault) for name, change in _AROUND.items()}
    for name in [name for name in changes if name in sys.modules]:
        changes.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, Finder(changes))


if "PROBE_FAULT" in os.environ:
    install(os.environ["PROBE_FAULT"].split())
