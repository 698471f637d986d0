"""Starts `probe` many times, quickly: what it imports is imported once, and each process is a fork of that.

Standard input has a line of JSON for each: `log`, `arguments` and `fault`. Standard output has the id of the process
as it begins, and as it ends its id and what it ended with. The end of the input ends all of them, and this.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import select
import signal
import sys

import probe.cli.operate
import probe.service  # noqa: F401  # all of it, before the first fork
from probe.cli.main import main
from tests.e2e.faults.sitecustomize import install

_LOOK = 0.02  # s between two looks at who has ended


def child(asked: dict[str, str]) -> None:
    """Be `probe`."""
    with open(asked["log"], "ab", buffering=0) as log, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        for target, file in ((0, nothing), (1, log), (2, log)):
            os.dup2(file.fileno(), target)
    random.seed()
    if asked["fault"]:
        install(asked["fault"].split())
    sys.argv = ["probe", *asked["arguments"]]
    code: object = 1
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def say(**what: int) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def serve() -> None:
    children: set[int] = set()
    waiting = b""
    while True:
        readable, _, _ = select.select([0], [], [], _LOOK)
        if readable:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, waiting = (waiting + read).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    child(json.loads(line))
                children.add(pid)
                say(pid=pid)
        for pid in list(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                say(ended=pid, code=os.waitstatus_to_exitcode(status))
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    serve()
