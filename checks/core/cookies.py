"""Cookies on a chain of redirects: sites that set one and redirect to themselves would go round for ever without.

RFC 6265 as far as a run of seconds can notice, with the prefixes of its successor. SameSite is not looked at: a chain
of redirects from a typed-in address is what all its values allow.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from checks.core.url import Url

_MOST = 50
_LONGEST = 4096  # characters of a name and its value
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DELIMITERS = re.compile(r"[\t -/;-@\[-`{-~]+")


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str
    domain: str
    path: str
    wide: bool  # for the hosts below `domain` too
    secure: bool
    expired: bool  # which is how a site takes one back

    def fits(self, url: Url) -> bool:
        if self.secure and url.scheme != "https":
            return False
        if not (url.host == self.domain or (self.wide and url.host.endswith("." + self.domain))):
            return False
        path = _path(url)
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


class Cookies:
    """What one run was told to send back."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], _Cookie] = {}

    def keep(self, url: Url, header: str) -> None:
        """Take what a response from `url` sets; `header` holds one cookie per line."""
        for line in header.split("\n") if header else ():
            cookie = _parse(url, line)
            if cookie is None:
                continue
            key = cookie.domain, cookie.path, cookie.name
            if cookie.expired:
                self._kept.pop(key, None)
            elif key in self._kept or len(self._kept) < _MOST:
                self._kept[key] = cookie

    def header(self, url: Url) -> str:
        """The value of the Cookie header towards `url`; "" when there is none."""
        fitting = [cookie for cookie in self._kept.values() if cookie.fits(url)]
        # RFC 6265 section 5.4: longer paths first, then the older ones.
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting)


def _parse(url: Url, line: str) -> _Cookie | None:
    """The cookie that a Set-Cookie line sets; None where it is not to be kept. RFC 6265 sections 5.2 and 5.3."""
    pair, *attributes = line.replace("\t", " ").split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not equals or not name or len(name) + len(value) > _LONGEST or not (line.isascii() and pair.isprintable()):
        return None
    given = {key.strip().lower(): text.strip() for key, _, text in (item.partition("=") for item in attributes)}
    domain = _domain(url, given.get("domain", "").lower().removeprefix("."))
    if domain is None:
        return None
    path = given.get("path", "")
    cookie = _Cookie(
        name,
        value,
        domain or url.host,
        path if path.startswith("/") else _path(url).rpartition("/")[0] or "/",
        wide=bool(domain),
        secure="secure" in given,
        expired=_expired(given, time.time()),
    )
    return cookie if _trustworthy(cookie, url, given) else None


def _domain(url: Url, domain: str) -> str | None:
    """The domain that a cookie is for; "" for the host alone, None where it is not the host's to set."""
    if domain in ("", url.host) and ("." not in domain or _literal(domain)):
        return ""
    if url.host != domain and (not url.host.endswith("." + domain) or _literal(url.host)):
        return None
    # There is no list of public suffixes here; but a bare top level is one.
    return domain if "." in domain else None


def _trustworthy(cookie: _Cookie, url: Url, given: Mapping[str, str]) -> bool:
    """RFC 6265bis sections 5.7 and 4.1.3: what only https may set, and what the prefixes of a name promise."""
    name = cookie.name.lower()
    if cookie.secure and url.scheme != "https":
        return False
    if name.startswith("__host-"):
        return cookie.secure and not cookie.wide and given.get("path") == "/" and not given.get("domain")
    return cookie.secure or not name.startswith("__secure-")


def _expired(given: Mapping[str, str], now: float) -> bool:
    """Max-Age wins over Expires; what cannot be read is not there."""
    if re.fullmatch(r"-?[0-9]+", given.get("max-age", "")):
        return given["max-age"].startswith("-") or not given["max-age"].strip("0")
    expires = _instant(given.get("expires", ""))
    return expires is not None and expires <= now


def _instant(text: str) -> float | None:
    """The Unix time of a cookie's date, by the algorithm of RFC 6265 section 5.1.1."""
    found: dict[str, tuple[int, ...]] = {}
    for token in _DELIMITERS.split(text):
        if "time" not in found and (clock := re.match(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)", token)):
            found["time"] = tuple(map(int, clock.groups()))
        elif "day" not in found and (day := re.match(r"(\d{1,2})(?!\d)", token)):
            found["day"] = (int(day[1]),)
        elif "month" not in found and token[:3].lower() in _MONTHS:
            found["month"] = (_MONTHS.index(token[:3].lower()) + 1,)
        elif "year" not in found and (year := re.match(r"(\d{2,4})(?!\d)", token)):
            short = int(year[1])
            found["year"] = (short + (1900 if 70 <= short <= 99 else 2000 if short < 70 else 0),)
    try:
        (years,), (months,), (days,) = found["year"], found["month"], found["day"]
        hours, minutes, seconds = found["time"]
        return datetime(years, months, days, hours, minutes, seconds, tzinfo=UTC).timestamp()
    except (KeyError, ValueError):
        return None


def _path(url: Url) -> str:
    return url.path.partition("?")[0]


def _literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
