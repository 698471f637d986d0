"""`probe demo`: starts the targets, writes a configuration for them, and runs the service on it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click

from probe.cli.operate import operate
from probe.config import load


def play(listen: str, *, plain: bool) -> int:
    """Run the demonstration until it is told to end; the exit code."""
    listen = _free(listen)
    with tempfile.TemporaryDirectory(prefix="probe-demo-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "probe.cli.demo.targets", name]
        # It ends with its standard input, so it never outlives us; a session of its own keeps Ctrl-C away from it.
        with subprocess.Popen(  # noqa: S603  # our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as targets:
            assert targets.stdin is not None
            assert targets.stdout is not None
            line = targets.stdout.readline()
            if not line:
                click.secho("the demonstration's targets did not start", fg="red", err=True)
                return 1
            path = folder / "probe.yml"
            path.write_text(_configuration(json.loads(line), listen))
            code = operate(load(path), plain=plain)
            targets.stdin.close()
        return code


def _configuration(targets: Mapping[str, object], listen: str) -> str:
    text = (files(__package__) / "probe.yml").read_text()
    for key, value in {**targets, "listen": listen}.items():
        text = text.replace(f"@{key.upper()}@", str(value))
    return text


def _free(listen: str) -> str:
    """The wanted address, or one with a free port where that is taken: a demonstration must start."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.UsageError(f"{listen} is no address; write HOST:PORT, as in 127.0.0.1:8080")
    for number in (int(port), 0):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((host, number))
            except OSError:
                continue
            return f"{host}:{attempt.getsockname()[1]}"
    raise click.UsageError(f"{listen} is no address of this machine")
