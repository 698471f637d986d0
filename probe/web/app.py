"""The web application: which address is answered by what, for whom, within which bounds."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from probe.clock import Clock, SystemClock
from probe.store.base import Store
from probe.web import (
    act,
    api,
    changes,
    exclusions,
    heartbeats,
    incident_forms,
    incident_pages,
    incidents,
    maintenance,
    oncall,
    oncall_pages,
    operate,
    overrides,
    page,
    pages,
    past,
    receivers,
    silences,
)
from probe.web.agenda import Agenda
from probe.web.answer import harden
from probe.web.auth import ACT, FORM, guard
from probe.web.base import Board, Control
from probe.web.errors import errors
from probe.web.evidence import listing as evidence
from probe.web.jobs import Jobs
from probe.web.scanners import server_log
from probe.web.site import SITE, Site
from probe.web.vitals import vitals

_LARGEST_BODY = 64 << 10  # bytes; no endpoint needs one
_SHUTDOWN = 2.0  # s for answers that are on their way
_IDLE = 75.0  # s that a connection may stay without a request: longer than Prometheus' usual interval


def make_app(
    board: Board,
    control: Control,
    store: Store,
    *,
    instance: str,
    token: Callable[[], str],
    redact: Callable[[str], str],
    clock: Clock | None = None,
    jobs: Jobs | None = None,
) -> web.Application:
    """All endpoints over a running service. `token` and `redact` are asked at each request."""
    app = web.Application(middlewares=[errors, guard], client_max_size=_LARGEST_BODY)
    clock = clock or SystemClock()
    app[SITE] = Site(board, control, store, instance, token, redact, clock, Agenda(control, clock))
    app[page.TEMPLATES] = page.environment(redact)
    app.on_response_prepare.append(harden)
    app.add_routes(
        [
            web.get("/", pages.index),
            web.get("/checks/{name:.+}", pages.check),
            web.get("/incidents", incident_pages.index),
            web.get("/incidents/{number}", incident_pages.detail),
            web.post("/incidents/{number}", incident_forms.submit, name=FORM),
            web.get("/static/{name}", page.static),
            web.get("/metrics", operate.metrics),
            web.get("/-/healthy", operate.healthy),
            web.get("/-/ready", operate.ready),
            web.post("/-/reload", operate.reload),
            web.get("/api/v1/checks", api.checks),
            web.get("/api/v1/checks/{name:.+}", api.check),
            web.get("/api/v1/vitals", vitals),
            web.get("/api/v1/evidence", evidence),
            web.get("/api/v1/availability", past.availability),
            web.get("/api/v1/outages", past.outages),
            web.get("/api/v1/objectives", past.objectives),
            web.get("/api/v1/series", past.series),
            web.get("/api/v1/maintenance", maintenance.listing),
            web.post("/api/v1/maintenance", maintenance.start),
            web.post("/api/v1/maintenance/{id}/end", maintenance.end),
            web.get("/api/v1/changes", changes.listing),
            web.post("/api/v1/changes", changes.start),
            web.post("/api/v1/changes/{id}/end", changes.end),
            *(_answered(*one) for one in incidents.ROUTES),
            *(_answered(*one) for one in receivers.ROUTES),
            web.get("/oncall", oncall_pages.index),
            *oncall.ROUTES,
            *overrides.ROUTES,
            web.get("/api/v1/silences", silences.listing),
            web.post("/api/v1/silences", silences.start),
            web.post("/api/v1/silences/{id}/end", silences.end),
            web.get("/act/{link}", act.ask),
            web.post("/act/{link}", act.do, name=ACT),
            web.get("/api/v1/exclusions", exclusions.listing),
            web.post("/api/v1/exclusions", exclusions.add),
            web.post("/api/v1/exclusions/{id}/withdraw", exclusions.withdraw),
        ]
    )
    if jobs is not None:
        heartbeats.attach(app, jobs)
    return app


def _answered(method: str, path: str, handler: Handler) -> web.RouteDef:
    """What is read answers HEAD, too."""
    return web.get(path, handler) if method == "GET" else web.post(path, handler)


class ListenError(OSError):
    """The address cannot be listened on. One line, with the remedy."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A listening application."""

    host: str
    port: int  # the real one, also where 0 was asked for
    runner: web.AppRunner

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host and "[" not in host else f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Stop listening, let answers end for a moment, cut the rest."""
        await self.runner.cleanup()


async def serve(app: web.Application, host: str, port: int) -> Serving:
    """The application, listening. Raises ListenError."""
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=server_log(),
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN,
        keepalive_timeout=_IDLE,
        auto_decompress=False,  # nobody has a reason to pack a request, and unpacking a small one may take seconds
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ListenError(_objection(host, port, error)) from error
    except BaseException:
        await runner.cleanup()
        raise
    return Serving(host, runner.addresses[0][1], runner)


def _objection(host: str, port: int, error: OSError) -> str:
    address = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: another program does; stop it, or change `listen` in the configuration"
    if error.errno == errno.EACCES:
        return f"cannot listen on {address}: ports under 1024 need a privilege; change `listen` in the configuration"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {address}: this machine has no such address; change `listen` in the configuration"
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return f"cannot listen on {address}: {reason}; change `listen` in the configuration"
