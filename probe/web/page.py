"""Templates to bytes: everything that a configuration or a server said is redacted, then escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from exporters.message import clip
from probe.web.answer import body_answer
from probe.web.site import SITE, Turn

TEMPLATES = web.AppKey("templates", Environment)

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_YEAR = "public, max-age=31536000, immutable"


def environment(redact: Callable[[str], str]) -> Environment:
    def shown(value: Any) -> Any:
        return redact(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    templates = Environment(
        loader=PackageLoader("probe.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,  # the last thing before escaping, whatever the template does
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["short"] = lambda text, limit: clip(redact(text), limit)  # never half a secret
    templates.globals["version"] = version()
    return templates


async def render(
    request: web.Request, name: str, values: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A page, made a few rows at a time."""
    turn, parts = Turn(), []
    values = {"instance": request.app[SITE].instance, **values}
    for part in request.app[TEMPLATES].get_template(name).generate(values):
        parts.append(part)
        await turn.yielded()
    body = "".join(parts).encode(errors="replace")
    return await body_answer(request, body, "text/html; charset=utf-8", status=status, headers=headers)


async def error(request: web.Request, status: int, line: str, headers: dict[str, str] | None) -> web.Response:
    values = {"status": status, "line": line, "worst": "unknown"}
    return await render(request, "error.html", values, status=status, headers=headers)


@cache
def static_files() -> dict[str, bytes]:
    """Script, style and icons by name: all that a page loads."""
    return {file.name: file.read_bytes() for file in files("probe.web").joinpath("static").iterdir() if file.is_file()}


@cache
def version() -> str:
    """Changes with any static file: it is in their addresses, so browsers may keep them for good."""
    digest = hashlib.sha256()
    for name, body in sorted(static_files().items()):
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:12]


async def static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    body = static_files().get(name)
    content_type = _TYPES.get(name.rpartition(".")[2])
    if body is None or content_type is None:
        raise web.HTTPNotFound
    current = request.query.get("v") == version()
    headers = {"Cache-Control": _YEAR if current else "no-cache"}
    return await body_answer(request, body, content_type, headers=headers)
