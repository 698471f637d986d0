"""One run of one check, now, outside any service: `probe check`."""

from __future__ import annotations

import asyncio
import json
import re
from difflib import get_close_matches

import click
from pydantic import ValidationError
from rich.console import Console

from checks.core.base import Check, CheckSpec
from checks.core.net import Net
from checks.core.redact import Redactor
from checks.core.result import Result
from checks.core.url import shown as presentable
from checks.core.veil import planted
from checks.http import Http
from checks.tcp import Tcp
from probe.cli.evidence import render as render_evidence
from probe.cli.waterfall import render, to_json
from probe.clock import SystemClock
from probe.config.model import Config, Planned
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from probe.web.evidence import shown
from thresholds.base import Policy, State, Verdict
from thresholds.policy import judge

_TIMEOUT = 10.0  # s, for a target without a configuration
_HOST_PORT = re.compile(r"(?:tcp://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^/:\s]+):(?P<port>\d{1,5})/?")


def plan(target: str, config: Config | None) -> Planned:
    """What to run: a check of the configuration by its name, or the address as it stands. Raises ValueError."""
    if config and target in config.checks:
        if config.checks[target].passive:
            raise ValueError(f"{target} is a heartbeat, which reports by itself: see `probe heartbeat list`")
        return config.checks[target]
    if check := _of_address(target):
        type_, name = ("http", presentable(target)) if isinstance(check, Http) else ("tcp", target)
        return Planned(CheckSpec(name, check, every=60.0, timeout=_TIMEOUT), Policy(), type_)
    if config:
        near = _near(target, config)
        raise ValueError(f"{presentable(target)!r} is neither a check in {config.path} nor an address{near}")
    raise ValueError(f"{presentable(target)!r} is no address; name the configuration of a check with -c CONFIG")


def _of_address(target: str) -> Check | None:
    try:
        if target.startswith(("http://", "https://")):
            return Http.model_validate({"url": target})
        if match := _HOST_PORT.fullmatch(target):
            return Tcp.model_validate({"host": match["host"].strip("[]"), "port": int(match["port"])})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{presentable(target)}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
    return None


def _near(target: str, config: Config) -> str:
    near = get_close_matches(target, config.checks, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def run_now(planned: Planned, config: Config | None) -> Verdict:
    """One attempt, judged by itself."""
    result = asyncio.run(_run(planned, config))
    return judge(planned.policy, State(), result)


def redactor(planned: Planned, config: Config | None) -> Redactor:
    """What hides the secrets of a configuration, and those that stand in a URL."""
    return Redactor({*(config.secrets if config else ()), *planted(getattr(planned.spec.check, "url", ""))})


async def _run(planned: Planned, config: Config | None) -> Result:
    network = config.network if config else None
    net = Net(deny=network.deny, allow=network.allow, nameservers=network.resolvers) if network else Net()
    clock = SystemClock()
    lag = LagMeter(clock)
    meter = asyncio.create_task(lag.run())
    try:
        runner = Runner(net, clock, lag, redactor(planned, config))
        return await runner.run_once(planned.spec)
    finally:
        meter.cancel()
        await net.close()


def show(planned: Planned, verdict: Verdict, hide: Redactor, *, as_json: bool, evidence: bool = False) -> None:
    """Print the run, for people or for programs; with `evidence`, all that it saw where it failed."""
    seen = verdict.result.evidence if evidence else None
    if as_json:
        also = {"evidence": shown(seen) if seen is not None else None} if evidence else {}
        click.echo(json.dumps(to_json(verdict) | also, indent=2))
        return
    console = Console()
    console.print(render(planned, verdict, hide=hide))
    if seen is not None:
        console.print(render_evidence(seen, verdict.result.at_ms), soft_wrap=True)  # what is copied is whole
