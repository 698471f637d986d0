"""What is done on a path, as the interpreter tells: models built, log records made, labels looked up, texts formatted.

Code runs some twenty times slower under its eyes: it counts, and measures nothing.
"""

from __future__ import annotations

import opcode
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

_FORMAT = opcode.opmap["FORMAT_VALUE"]  # a value made text within an f-string
_ROOT = str(Path(__file__).resolve().parents[1])
_BUILDING = ("__init__", "model_construct", "model_copy", "model_validate", "validate_python", "validate_json")
_LABELS = "MetricWrapperBase.labels"


class Witness:
    """Sees everything that this thread does for the length of the block, and threads that begin in it.

    Each counter is by the function: that which did it, or that of the library which was called.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()  # of all functions
        self.models: Counter[str] = Counter()  # of pydantic's that build, copy or validate one
        self.records: Counter[str] = Counter()  # log records
        self.labels: Counter[str] = Counter()  # series that a metrics library looked up by their labels
        self.texts: Counter[str] = Counter()  # f-strings, and str.format, of this program

    def forget(self) -> None:
        """Count anew: what was done before was for the start."""
        for counter in (self.calls, self.models, self.records, self.labels, self.texts):
            counter.clear()

    def __enter__(self) -> Self:
        for module in (threading, sys):
            module.settrace(self._trace)
            module.setprofile(self._profile)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for module in (sys, threading):
            module.settrace(None)
            module.setprofile(None)

    def _trace(self, frame: FrameType, event: str, _arg: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if event == "call":
            self.calls[_place(frame)] += 1
            frame.f_trace_lines, frame.f_trace_opcodes = False, _ours(frame)
            self._entered(code.co_filename, code.co_qualname)
        elif event == "opcode" and code.co_code[frame.f_lasti] == _FORMAT:
            self.texts[_place(frame)] += 1
        return self._trace

    def _entered(self, file: str, name: str) -> None:
        if "/pydantic/" in file and name.rpartition(".")[2] in _BUILDING:
            self.models[name] += 1
        elif name == "LogRecord.__init__":
            self.records[name] += 1
        elif "/prometheus_client/" in file and name == _LABELS:
            self.labels[name] += 1

    def _profile(self, frame: FrameType, event: str, function: Any) -> None:
        """Calls of what is written in C, which no trace tells of."""
        if event != "c_call":
            return
        owner = getattr(function, "__self__", None)
        if type(owner).__module__.startswith("pydantic_core"):
            self.models[function.__name__] += 1
        elif isinstance(owner, str) and function.__name__.startswith("format") and _ours(frame):
            self.texts[_place(frame)] += 1


def _ours(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_ROOT) and "/site-packages/" not in file


def _place(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).stem}: {frame.f_code.co_qualname}"
