"""What is allowed and probably not meant: warnings, and the few errors that only the whole configuration shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address

from checks.core.policy import denied_by
from checks.core.units import format_duration
from checks.core.url import parse_url
from checks.http import Http
from exporters.route import Route
from probe.config.alerts import Alerts
from probe.config.faults import Faults
from probe.config.grouped import Grouped
from probe.config.machine import cores as cores_here
from probe.config.model import Network, NetworkSettings, Planned
from probe.config.plan import OURS, Origin, Planner
from probe.config.problems import dotted, nearest
from probe.config.sections import Settings
from probe.config.tree import Path
from thresholds.base import Level

_SHORTEST_TOKEN = 16  # characters
_CREDENTIALS = ("basic", "bearer", "digest", "ntlm", "oauth2", "sigv4", "proxy")
_ROUTED = ("check", "service", "owner", "type")  # what every check has, beside its labels


def advise(
    faults: Faults,
    settings: Settings,
    network: NetworkSettings,
    planner: Planner,
    alerts: Alerts,
    named: Collection[str] = (),
) -> None:
    """Look at the whole, as far as it could be read. `named` are receivers that on-call leads to."""
    _listening(faults, settings)
    grouped = Grouped(faults)
    denial = lru_cache(maxsize=4096)(lambda host: _denial(host, network))
    for name, planned in planner.checks.items():
        origin = planner.origins[name]
        _times(grouped, planned, origin)
        _exposure(grouped, planned, origin)
        _address(faults, denial, planned, origin)
    grouped.tell()
    _politeness(faults, network, planner.checks.values())
    _workers(faults, settings, len(planner.checks))
    _services(faults, planner)
    _receivers(faults, alerts, named)
    _routes(faults, alerts, planner.checks.values())


def _listening(faults: Faults, settings: Settings) -> None:
    host, _ = settings.listen
    if settings.token is None and not _loopback(host):
        faults.warn(("listen",), "everybody who reaches this address may change things", "set a token")
    if settings.token is not None and len(settings.token) < _SHORTEST_TOKEN:
        faults.warn(("token",), f"a token of less than {_SHORTEST_TOKEN} characters can be guessed")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _times(grouped: Grouped, planned: Planned, origin: Origin) -> None:
    spec = planned.spec
    if planned.passive:
        return
    if spec.timeout > spec.every:
        text = f"longer than every, {format_duration(spec.every)}: a run that takes so long makes the next one skip"
        grouped.warn(origin.path_of("timeout"), text, spec.name)
    # The engine repeats a failure only where half an interval, or the timeout, is left for it.
    if spec.retries and spec.retry_after > spec.every - min(spec.timeout, spec.every / 2):
        text = f"no retry fits before the next run: every is {format_duration(spec.every)}"
        grouped.warn(origin.path_of("confirm"), text, spec.name)


def _exposure(grouped: Grouped, planned: Planned, origin: Origin) -> None:
    check = planned.spec.check
    path = (*origin.path, planned.type)
    tls = getattr(check, "tls", None)
    if getattr(tls, "verify", True) is False:
        text = "certificates are not verified: an impostor is UP, too"
        grouped.warn((*path, "tls", "verify"), text, planned.name)
    if isinstance(check, Http) and any(getattr(check, key) is not None for key in _CREDENTIALS):
        for keys, text in _in_clear(check):
            grouped.warn((*path, *keys), text, planned.name)


def _in_clear(check: Http) -> Iterator[tuple[Path, str]]:
    """What of the check's credentials others on the way can read, by its place. What stays on this machine is not."""
    if _plain(check.url):
        for key in ("basic", "bearer"):
            if getattr(check, key) is not None:
                yield (key,), "credentials travel unencrypted: the URL is http://"
        for key in ("digest", "ntlm"):
            if getattr(check, key) is not None:
                yield (key,), "who listens can guess the password from what travels: the URL is http://"
        if check.oauth2 is not None:
            yield ("oauth2",), "the token travels unencrypted: the URL is http://"
        if check.sigv4 is not None and check.sigv4.session_token is not None:
            yield ("sigv4", "session_token"), "it travels unencrypted: the URL is http://"
    if check.oauth2 is not None and _plain(check.oauth2.token_url):
        yield ("oauth2", "token_url"), "client_secret and token travel unencrypted: it is http://"
    proxy = check.proxy
    if proxy is not None and proxy.username and proxy.scheme != "https" and not _loopback(proxy.host):
        yield ("proxy",), f"credentials of the proxy travel unencrypted: it is {proxy.scheme}://"


def _plain(url: str) -> bool:
    """Whether what is sent to a URL can be read by others."""
    parsed = parse_url(url)
    return parsed.scheme == "http" and not _loopback(parsed.host)


def _address(faults: Faults, denial: Callable[[str], Network | None], planned: Planned, origin: Origin) -> None:
    host = planned.spec.check.host
    rule = denial(host)
    if rule is not None:
        message = f"{host} is denied by the network policy ({rule})"
        faults.error((*origin.path, planned.type), message, "network.allow makes an exception", key=True)


def _denial(host: str, network: NetworkSettings) -> Network | None:
    """The rule that forbids an address; a name is looked at when it has been resolved."""
    if not (host[-1:].isdigit() or ":" in host):
        return None
    try:
        return denied_by(host, network.deny, network.allow)
    except ValueError:
        return None


def _politeness(faults: Faults, network: NetworkSettings, checks: Iterable[Planned]) -> None:
    if network.rate is None:
        return
    needed: dict[str, float] = defaultdict(float)
    for planned in checks:
        if planned.passive:
            continue
        needed[planned.spec.check.host] += 1 / planned.spec.every
    over = {host: rate for host, rate in needed.items() if rate > network.rate * 1.001}
    if over:
        host = max(over, key=over.__getitem__)
        more = f"; {len(over) - 1} more hosts, too" if len(over) > 1 else ""
        message = f"{network.rate:g}/s is less than the {over[host]:.3g}/s that the checks of {host} need{more}"
        faults.warn(("network", "per_host", "rate"), message, "runs will be missed")


def _workers(faults: Faults, settings: Settings, checks: int) -> None:
    """More processes than there is work, or than processors to do it, are allowed; they only take memory."""
    workers, cores = settings.workers, cores_here()
    if workers == "auto" or workers < 2 or faults.report.errors:
        return  # checks that are faulty are not counted yet
    if workers > max(checks, 1):
        faults.warn(("workers",), f"more than there are checks, {checks}: the others have nothing to do")
    elif workers > cores:
        message = f"more than this machine has processors for us, {cores}: they take turns"
        faults.warn(("workers",), message, "auto takes one for each at most")


def _services(faults: Faults, planner: Planner) -> None:
    used = {planned.service for planned in planner.checks.values()}
    if faults.report.errors:
        return  # the check that uses it may be a faulty one
    for name in planner.known_services:
        if name not in used:
            idle = name in planner.services and planner.services[name].slo
            about = ": what it promises in slo is about nothing" if idle else ""
            faults.warn(("services", name), f"no check belongs to it{about}", key=True)
    if not planner.checks:
        faults.warn((), "no checks: there is nothing to watch")


def _receivers(faults: Faults, alerts: Alerts, also: Collection[str]) -> None:
    named = {*also, *(name for _, route in alerts.routes for name in route.to)}
    if faults.report.errors:
        return
    if alerts.receivers and not alerts.routes:
        faults.warn(("alerts", "receivers"), "nobody is told: there are no routes", "add routes: [{to: [NAME]}]")
        return
    for name in alerts.receivers:
        if name not in named:
            faults.warn(("alerts", "receivers", name), "no route leads to it", key=True)


def _routes(faults: Faults, alerts: Alerts, checks: Iterable[Planned]) -> None:
    if not alerts.routes:
        return
    values = _label_values(checks)
    for path, route in alerts.routes:
        for label, wanted in route.match.items():
            for value in (wanted,) if isinstance(wanted, str) else wanted:
                if value and label not in {"type", "service", "severity"} and not value.startswith((OURS, "!", "~")):
                    _matched(faults, (*path, "match", label), values, value)
    _reach(faults, alerts.routes)


def _matched(faults: Faults, path: Path, values: Mapping[str, Mapping[str, None]], value: str) -> None:
    """Whether any check can match: a misspelt label would keep a route silent for ever."""
    label = str(path[-1])
    if label not in values:
        word, words, message = label, list(values), "no check has this label"
    elif value not in values[label]:
        word, words, message = value, list(values[label]), f"no check has {label} {value}"
    else:
        return
    near = nearest(word, words)
    faults.warn(path, message, f"did you mean {near}?" if near else "")


def _label_values(checks: Iterable[Planned]) -> dict[str, dict[str, None]]:
    values: dict[str, dict[str, None]] = {name: {} for name in _ROUTED}
    for planned in checks:
        own = {"check": planned.name, "service": planned.service, "owner": planned.owner, "type": planned.type}
        for label, value in (own | dict(planned.labels)).items():
            values.setdefault(label, {})[value] = None
    return values


def _reach(faults: Faults, routes: Sequence[tuple[Path, Route]]) -> None:
    """Routes after one that takes everything are never tried; without such a one some alerts reach nobody."""
    catch_all = next((index for index, (_, route) in enumerate(routes) if _takes_all(route)), None)
    if catch_all is None:
        if not any(_takes_all(route, even_if_it_goes_on=True) for _, route in routes):
            faults.warn(
                ("alerts", "routes"), "an alert that no route matches is told to nobody", "end with {to: [NAME]}"
            )
        return
    for path, _ in routes[catch_all + 1 :]:
        faults.warn(path, f"never tried: {dotted(routes[catch_all][0])} takes everything")


def _takes_all(route: Route, *, even_if_it_goes_on: bool = False) -> bool:
    everything = not route.match and route.level is Level.DEGRADED and route.when is None
    return everything and (even_if_it_goes_on or not route.go_on)
