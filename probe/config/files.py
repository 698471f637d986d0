"""Files that a configuration names: a relative path starts at the folder of the file that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from probe.config.secrets import Filled

_OF_TLS = ("ca", "cert", "key")
_OF_RECEIVERS = ("ca",)


def rooted(body: Mapping[str, Any], type_: str, folder: Callable[[], Path]) -> Mapping[str, Any]:
    """`body` with the certificate files of its type looked for from `folder`; itself where there are none.

    Few name a file: only then is the folder asked for.
    """
    section = body.get(type_)
    if not isinstance(section, dict):
        return body
    changed = {**_changed(section, _OF_RECEIVERS, folder), **_of_tls(section, folder)}
    login = section.get("oauth2")
    if isinstance(login, dict) and (files := _of_tls(login, folder)):
        changed["oauth2"] = {**login, **files}
    return {**body, type_: {**section, **changed}} if changed else body


def _of_tls(section: Mapping[str, Any], folder: Callable[[], Path]) -> dict[str, Any]:
    tls = section.get("tls")
    files = _changed(tls, _OF_TLS, folder) if isinstance(tls, dict) else {}
    return {"tls": {**tls, **files}} if isinstance(tls, dict) and files else {}


def _changed(section: Mapping[str, Any], keys: Sequence[str], folder: Callable[[], Path]) -> dict[str, Any]:
    return {key: _path(value, folder()) for key in keys if isinstance(value := section.get(key), str) and value}


def _path(value: str, folder: Path) -> str:
    found = str(folder.absolute() / value)
    return Filled.of(value.raw, [(found, True)]) if isinstance(value, Filled) else found


class FileError(Exception):
    """A file that cannot be read, and why. The message names it as it was written."""


def read_text(path: Path, name: str, largest: int) -> str:
    """The text of a file of at most so many bytes. Raises FileError; a pipe would keep us waiting, and is none."""
    try:
        if not path.is_file():
            raise FileError(f"file {name} {'is no regular file' if path.exists() else 'does not exist'}")
        with path.open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise FileError(f"file {name} is larger than {largest >> 20} MiB")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise FileError(f"file {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"file {name} is not UTF-8 text") from None
    except ValueError:
        raise FileError(f"{name!r} is no name of a file") from None
