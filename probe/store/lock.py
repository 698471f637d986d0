"""One Probe per database file."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from probe.store.base import StoreError
from probe.store.faults import explain


def take(path: Path) -> int:
    """A lock on `path` that ends with this process, however it ends. SQLite's own would shut out readers too."""
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist; create it with: mkdir -p {path.parent}")
    if path.is_dir():
        raise StoreError(f"{path}: this is a folder; give the path of a file for `store`")
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise explain(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(
            f"{path}: another Probe uses this database (process {owner}); stop it, or give this one a store of its own"
        ) from error
    with contextlib.suppress(OSError):  # the number is for people; a full disk need not stop us here
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
