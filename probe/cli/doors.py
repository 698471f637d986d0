"""By which address and key a job speaks to its heartbeat: from options, the environment, or a configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from probe.config.model import Config

URL, KEY, KEY_FILE, RID, NAME = (
    "PROBE_URL",
    "PROBE_PING_KEY",
    "PROBE_PING_KEY_FILE",
    "PROBE_PING_RID",
    "PROBE_PING_NAME",
)
_USUAL = "http://127.0.0.1:8080"
_LONGEST = 1000  # bytes of a file with a key


@dataclass(frozen=True, slots=True)
class Door:
    """Where pings go, and the key that lets them in."""

    url: str  # of the service: http://127.0.0.1:8080
    key: str = field(repr=False)
    name: str  # of the heartbeat, as in an address

    def path(self, suffix: str, rid: str) -> str:
        parts = urlsplit(self.url)
        query = f"?rid={rid}" if rid else ""
        return f"{parts.path.rstrip('/')}/ping/{quote(self.name, safe='')}{f'/{suffix}' if suffix else ''}{query}"


def checked(url: str) -> str:
    """An address of a service. ValueError says what is wrong with it."""
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        raise ValueError("the address of the service is written as http://127.0.0.1:8080")
    return text.rstrip("/")


def door(name: str, url: str | None, key_file: Path | None, config: Path | None) -> Door:
    """Where the pings of a heartbeat go. ValueError says what is missing."""
    loaded = _loaded(config) if config else None
    url = url or os.environ.get(URL) or (_place(loaded) if loaded else _USUAL)
    key = _key(name, key_file, loaded)
    return Door(checked(url), key, name.replace("/", "-"))


def _loaded(path: Path) -> Config:
    from probe.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        raise ValueError(f"{path} is not valid: {error.problems[0]}") from None


def _place(config: Config) -> str:
    from probe.cli.top import place

    return place(None, config)


def _key(name: str, file: Path | None, config: Config | None) -> str:
    if file is None and os.environ.get(KEY_FILE) and not os.environ.get(KEY):
        file = Path(os.environ[KEY_FILE])
    if file is not None:
        return _read(file)
    if config is not None:
        return _configured(name, config)
    if key := os.environ.get(KEY, "").strip():
        return key
    raise ValueError(f"no key: set {KEY}, or give --key-file or -c")


def _configured(name: str, config: Config) -> str:
    from checks.heartbeat import Heartbeat

    planned = config.checks.get(name)
    if planned is None or not isinstance(planned.spec.check, Heartbeat):
        raise ValueError(f"there is no heartbeat {name} in {config.path}")
    return planned.spec.check.keys[0].get_secret_value()


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            key = file.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if not key or not key.isprintable() or " " in key:
        raise ValueError(f"{path} holds no key; it wants one line without spaces")
    return key
