"""The files of deploy/ at work: Debian's Prometheus and Alertmanager with our configuration, and Probe itself.

Addresses are those of loopback, intervals are a second; rules, routes and dashboards are what users get.
"""

import json
import math
import re
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from aiohttp import web

from tests.e2e.processes import PROBE, Process, free_port, started, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = ("rules/probe.yml", "optional/checks.yml")

CONFIG = """
instance: deployed
listen: 127.0.0.1:{port}
store: sqlite:probe.db
defaults: {{every: 500ms, timeout: 400ms, confirm: {{retries: 1, after: 100ms}}, down_after: 2 of 3}}
services: {{shop: {{owner: team-shop, runbook: "https://wiki.example/shop", labels: {{tier: "1"}}}}}}
checks:
  shop/secure:
    service: shop
    http: {{url: "https://localhost:{tls}/moody", tls: {{ca: "{ca}"}}}}
    down_after: 20 of 20
  shop/broken:
    service: shop
    http: {{url: "http://127.0.0.1:{site}/broken"}}
  shop/cache:
    tcp: {{host: 127.0.0.1, port: {site}}}
alerts:
  receivers:
    alertmanager: {{alertmanager: {{urls: ["{alertmanager}"]}}}}
  routes: [{{to: [alertmanager]}}]
"""


@dataclass
class Stack:
    """What runs, by its address; and Probe's process."""

    probe: str
    prometheus: str
    alertmanager: str
    process: Process

    async def get(self, url: str, **parameters: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as response:
            if response.status == 503:
                raise ConnectionError(f"{url} is not ready")
            return await response.json(content_type=None)

    async def query(self, expr: str) -> list[dict[str, Any]]:
        answer = await self.get(f"{self.prometheus}/api/v1/query", query=expr)
        assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
        data = answer["data"]
        return [{"metric": {}, "value": data["result"]}] if data["resultType"] == "scalar" else list(data["result"])

    async def alerts(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What Alertmanager holds, by the alert's name and check."""
        held = await self.get(f"{self.alertmanager}/api/v2/alerts")
        return {(alert["labels"]["alertname"], alert["labels"].get("check", "")): alert for alert in held}


@asynccontextmanager
async def targets(folder: Path) -> AsyncIterator[dict[str, object]]:
    """A site that is always broken; the same over TLS, with a path that fails four times in a row now and then."""
    asked = 0

    async def moody(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=500 if asked % 10 < 4 else 200, text="ok", headers={"Last-Modified": LAST_MODIFIED})

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500, text="no")

    authority = trustme.CA()
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    app = web.Application()
    app.add_routes([web.get("/moody", moody), web.get("/broken", broken)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site, tls = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", site).start()
    await web.TCPSite(runner, "127.0.0.1", tls, ssl_context=context).start()
    try:
        yield {"site": site, "tls": tls, "ca": folder / "ca.pem"}
    finally:
        await runner.cleanup()


LAST_MODIFIED = "Tue, 15 Nov 1994 12:45:26 GMT"


def quick(path: Path) -> str:
    """A rule file that is looked at every second and does not wait to fire; otherwise as it is."""
    text = re.sub(r"(?m)^( +)interval: \w+$", r"\1interval: 1s", path.read_text())
    return re.sub(r"(?m)^( +)for: \w+$", r"\1for: 1s", text)


def prometheus_config(folder: Path, addresses: dict[str, str]) -> Path:
    """Our configuration, on loopback, with the optional rules as well."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    for name, address in addresses.items():
        text = text.replace(name, address)
    config = yaml.safe_load(text)
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    for name in RULES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(quick(DEPLOY / "prometheus" / name))
    config["rule_files"] += ["optional/checks.yml"]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """Everything started; ended by the ids of the processes."""
    ports = {name: free_port() for name in ("probe:8080", "localhost:9090", "alertmanager:9093")}
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    urls = {name.partition(":")[0]: f"http://{address}" for name, address in addresses.items()}
    async with AsyncExitStack() as running:
        told = await running.enter_async_context(targets(tmp_path))
        config = tmp_path / "probe.yml"
        config.write_text(CONFIG.format(port=ports["probe:8080"], alertmanager=urls["alertmanager"], **told))
        alertmanager = [
            "/usr/bin/prometheus-alertmanager",
            f"--config.file={DEPLOY / 'alertmanager/alertmanager.yml'}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address={addresses['alertmanager:9093']}",
            "--cluster.listen-address=",
        ]
        prometheus = [
            "/usr/bin/prometheus",
            f"--config.file={prometheus_config(tmp_path, addresses)}",
            f"--storage.tsdb.path={tmp_path / 'prometheus'}",
            f"--web.listen-address={addresses['localhost:9090']}",
        ]
        await running.enter_async_context(started(alertmanager, tmp_path / "alertmanager.log"))
        await running.enter_async_context(started(prometheus, tmp_path / "prometheus.log"))
        process = await running.enter_async_context(
            started([str(PROBE), "run", str(config)], tmp_path / "probe.log", NO_COLOR="1")
        )
        yield Stack(urls["probe"], urls["localhost"], urls["alertmanager"], process)


async def test_everything_in_deploy_works_together(stack: Stack) -> None:
    await _targets_are_up(stack)
    await _rules_are_loaded(stack)
    await _alerts_arrive_once(stack)
    await _variables_have_values(stack)
    await _every_panel_has_data(stack)
    await _examples_have_data(stack)
    await _the_end_of_probe_is_noticed(stack)


async def _targets_are_up(stack: Stack) -> None:
    async def up() -> bool:
        answer = await stack.get(f"{stack.prometheus}/api/v1/targets")
        health = {one["labels"]["job"]: one["health"] for one in answer["data"]["activeTargets"]}
        return health == {"probe": "up", "alertmanager": "up", "prometheus": "up"}

    await until(up, "all targets up")


async def _rules_are_loaded(stack: Stack) -> None:
    async def healthy() -> bool:
        groups = (await stack.get(f"{stack.prometheus}/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert not [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")]
        return len(rules) == _rule_count() and all(rule["health"] == "ok" for rule in rules)

    await until(healthy, "all rules evaluated")


def _rule_count() -> int:
    files = (yaml.safe_load((DEPLOY / "prometheus" / name).read_text()) for name in RULES)
    return sum(len(group["rules"]) for file in files for group in file["groups"])


async def _alerts_arrive_once(stack: Stack) -> None:
    """Probe tells of the broken check; what Prometheus says of it, too, is not told a second time."""

    async def told() -> dict[tuple[str, str], dict[str, Any]]:
        held = await stack.alerts()
        second = held.get(("SeriesCheckDown", "shop/broken"), {"status": {"state": "absent"}})
        by_probe = ("CheckDown", "shop/broken") in held
        return held if by_probe and second["status"]["state"] == "suppressed" else {}

    held = await until(told, "an alert by Probe, and one by Prometheus that is inhibited by it")
    assert isinstance(held, dict)
    first = held["CheckDown", "shop/broken"]
    assert first["status"]["state"] == "active"
    assert held["SeriesCheckDown", "shop/broken"]["status"]["inhibitedBy"] == [first["fingerprint"]]
    assert [receiver["name"] for receiver in first["receivers"]] == ["oncall"]


async def _variables_have_values(stack: Stack) -> None:
    for path in (DEPLOY / "grafana/dashboards").glob("*.json"):
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if match := re.fullmatch(r"label_values\((.+), (\w+)\)", str(variable["query"])):
                series = _substituted(match[1])
                url = f"{stack.prometheus}/api/v1/label/{match[2]}/values"
                assert (await stack.get(url, **{"match[]": series}))["data"], variable["name"]


# What Grafana would put in place of its variables.
VARIABLES = {
    "$__rate_interval": "8s",
    "$__range_s": "60",
    "$__range": "60s",
    "$service": ".*",
    "$check": "shop/secure",
    "$slo": "99.9",
}


def _substituted(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


async def _every_panel_has_data(stack: Stack) -> None:
    queries = {
        (path.stem, panel["title"], _substituted(target["expr"]))
        for path in (DEPLOY / "grafana/dashboards").glob("*.json")
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", ())
    }
    assert len(queries) > 60
    empty = queries

    async def answered() -> bool:
        nonlocal empty
        # Counters need two scrapes, and rules an evaluation, until there is an increase.
        empty = {one for one in empty if not _finite(await stack.query(one[2]))}
        return not empty

    try:
        await until(answered, "data for every query", limit=40)
    except AssertionError:
        pytest.fail("no data for:\n" + "\n".join(map(str, sorted(empty))))


def _finite(result: list[dict[str, Any]]) -> bool:
    return any(math.isfinite(float(sample["value"][1])) for sample in result)


def _examples() -> list[str]:
    """The queries of docs/metrics.md."""
    blocks = re.findall(r"```promql\n(.*?)```", (ROOT / "docs/metrics.md").read_text(), flags=re.DOTALL)
    lines = (re.sub(r"(?m)^#.*\n?", "", block).strip() for block in blocks)
    return [expr for block in lines for expr in block.split("\n\n") if expr]


# Examples of what ought not to be: without it, nothing is the right answer.
EMPTY_IS_RIGHT = {"< 14 * 86400"}


async def _examples_have_data(stack: Stack) -> None:
    assert len(_examples()) >= 8
    for expr in _examples():
        result = await stack.query(expr)
        assert result or any(part in expr for part in EMPTY_IS_RIGHT), expr


async def _the_end_of_probe_is_noticed(stack: Stack) -> None:
    await stack.process.end(signal.SIGKILL)

    async def told() -> bool:
        held = await stack.alerts()
        return bool(held.get(("ProbeDown", ""), {"status": {}})["status"].get("state") == "active")

    await until(told, "an alert that Probe is down")


def _promtool(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_the_configuration() -> None:
    _promtool("check", "config", str(DEPLOY / "prometheus/prometheus.yml"))
    _promtool("check", "rules", *(str(DEPLOY / "prometheus" / name) for name in RULES))


def test_rules_do_what_their_tests_say() -> None:
    tests = sorted((DEPLOY / "prometheus/tests").glob("*.yml"))
    assert len(tests) == 3
    _promtool("test", "rules", *map(str, tests))


def test_every_alert_has_a_test() -> None:
    tests = "".join(path.read_text() for path in (DEPLOY / "prometheus/tests").glob("*.yml"))
    files = (yaml.safe_load((DEPLOY / "prometheus" / name).read_text()) for name in RULES)
    alerts = [rule["alert"] for file in files for group in file["groups"] for rule in group["rules"] if "alert" in rule]
    assert [name for name in alerts if name not in tests] == []


def test_amtool_takes_the_configuration() -> None:
    path = DEPLOY / "alertmanager/alertmanager.yml"
    done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_of_the_documentation_are_queries(tmp_path: Path) -> None:
    rules = [{"record": f"example:{number}", "expr": expr} for number, expr in enumerate(_examples())]
    file = tmp_path / "examples.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "examples", "rules": rules}]}))
    _promtool("check", "rules", str(file))


async def test_promtool_finds_nothing_to_say_of_the_exposition(tmp_path: Path) -> None:
    """Names, types, units and HELP of every series, of checks that ran and of the process."""
    async with targets(tmp_path) as told:
        port = free_port()
        config = tmp_path / "probe.yml"
        config.write_text(CONFIG.format(port=port, alertmanager="http://127.0.0.1:9", **told))
        async with started([str(PROBE), "run", str(config)], tmp_path / "probe.log", NO_COLOR="1"):
            scraped = ""

            async def scrape() -> bool:
                nonlocal scraped
                async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as got:
                    scraped = await got.text()
                return "probe_ssl_last_chain_info{" in scraped and 'probe_check_level{check="shop/broken"' in scraped

            await until(scrape, "a run of every check", limit=30)
    assert _promtool("check", "metrics", text=scraped) == ""
