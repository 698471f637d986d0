"""Cookies on a chain of redirects: sites that set one and redirect to themselves would go round for ever without."""

from __future__ import annotations

from dataclasses import dataclass

from checks.core.url import Url

_MOST = 50


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str
    domain: str
    wide: bool  # for the hosts below `domain` too
    secure: bool

    def fits(self, url: Url) -> bool:
        if self.secure and url.scheme != "https":
            return False
        return url.host == self.domain or (self.wide and url.host.endswith("." + self.domain))


class Cookies:
    """What one run was told to send back. Paths and dates are not looked at: a run is short."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Cookie] = {}

    def keep(self, url: Url, header: str) -> None:
        """Take what a response from `url` sets; `header` holds one cookie per line."""
        for line in header.splitlines():
            if len(self._kept) < _MOST and (cookie := _parse(url, line)) is not None:
                self._kept[cookie.domain, cookie.name] = cookie

    def header(self, url: Url) -> str:
        """The value of the Cookie header towards `url`; "" when there is none."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._kept.values() if cookie.fits(url))


def _parse(url: Url, line: str) -> _Cookie | None:
    pair, *attributes = line.split(";")
    name, equals, value = pair.strip().partition("=")
    if not equals or not name or not line.isprintable() or not line.isascii():
        return None
    given = {key.strip().lower(): text.strip() for key, _, text in (item.partition("=") for item in attributes)}
    domain = given.get("domain", "").lower().lstrip(".")
    if not domain:
        return _Cookie(name, value, url.host, wide=False, secure="secure" in given)
    # RFC 6265 section 5.3: a host sets cookies for itself and the domains above it, but for no bare top level.
    if "." not in domain or not (url.host == domain or url.host.endswith("." + domain)):
        return None
    return _Cookie(name, value, domain, wide=True, secure="secure" in given)
