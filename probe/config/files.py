"""Files that checks and receivers name: a relative path starts at the folder of the file that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probe.config.secrets import Filled

_OF_TLS = ("ca", "cert", "key")
_OF_RECEIVERS = ("ca",)


def rooted(body: Mapping[str, Any], type_: str, folder: Path) -> Mapping[str, Any]:
    """`body` with the certificate files of its type looked for from `folder`; itself where there are none."""
    section = body.get(type_)
    if not isinstance(section, dict):
        return body
    changed = _changed(section, _OF_RECEIVERS, folder)
    tls = section.get("tls")
    if isinstance(tls, dict) and (files := _changed(tls, _OF_TLS, folder)):
        changed["tls"] = {**tls, **files}
    return {**body, type_: {**section, **changed}} if changed else body


def _changed(section: Mapping[str, Any], keys: Sequence[str], folder: Path) -> dict[str, Any]:
    return {key: _path(value, folder) for key in keys if isinstance(value := section.get(key), str) and value}


def _path(value: str, folder: Path) -> str:
    found = str(folder.absolute() / value)
    return Filled.of(value.raw, [(found, True)]) if isinstance(value, Filled) else found
