"""Where a redirect leads, with what, and when to stop. Pure."""

from __future__ import annotations

from dataclasses import replace

from checks.core.base import ExpectationError
from checks.core.cookies import Cookies
from checks.core.http1 import Answer
from checks.core.request import Request
from checks.core.result import Trace
from checks.core.text import legible, quoted
from checks.core.url import Url, redirect_target

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Headers that say what is asked for, not who asks: only these leave the origin that they were meant for. Any other may
# be a key.
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-length", "pragma"}
    | {"content-type", "content-encoding", "content-language", "user-agent"}
)
_OF_THE_BODY = frozenset({"content-type", "content-encoding", "content-language", "content-location"})


def redirected(request: Request, status: int, location: str) -> Request:
    """The request that follows a redirect; raises ExpectationError where it leads nowhere."""
    try:
        url = redirect_target(request.url, location)
    except ValueError:
        raise ExpectationError(
            f"redirected to {quoted(legible(location))}, which is no usable http(s) address"
        ) from None
    headers = dict(request.headers)
    if url.origin != request.url.origin:
        headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
    # RFC 9110 section 15.4: 303 asks for a GET; 301 and 302 turn a POST into one, as every browser does.
    turned = status == 303 and request.method not in ("GET", "HEAD")
    if turned or (status in (301, 302) and request.method == "POST"):
        for name in _OF_THE_BODY:
            headers.pop(name, None)
        return Request("GET", url, headers)
    return replace(request, url=url, headers=headers)


class Following:
    """A chain of redirects: how long it may be, where it has been, and the cookies that it was given."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._cookies = Cookies()
        self._seen: set[tuple[str, Url, str]] = set()

    def follow(self, trace: Trace, request: Request, answer: Answer) -> tuple[Request, bytes]:
        """The next request and its bytes; raises ExpectationError at the end of our patience."""
        self._seen.add((request.method, request.url, self._cookies.header(request.url)))
        self._cookies.keep(request.url, answer.headers.get("set-cookie", ""))
        after = redirected(request, answer.status, answer.headers["location"])
        cookies = self._cookies.header(after.url)
        if (after.method, after.url, cookies) in self._seen:
            raise ExpectationError(f"redirect loop: {request.url} leads back to {after.url}")
        if self._count == self._limit:
            raise ExpectationError(f"more than {self._limit} redirects, the last one to {after.url}")
        self._count += 1
        facts = trace.facts
        for name in [name for name in facts if name.startswith(("tls.", "http."))]:
            del facts[name]  # they tell of the last hop alone
        facts["http.url"] = str(after.url)
        facts["http.redirects"] = self._count
        answer.release()
        trace.next_leg()
        return after, after.render(cookies)
