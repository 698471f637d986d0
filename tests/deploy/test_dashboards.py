"""Dashboards are what their builder makes, hold together, and ask only for series that exist."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from exporters import families
from probe.engine.metrics import OwnMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
UNITS = {"short", "none", "s", "m", "d", "dtdurations", "percentunit", "bytes", "ops"}  # of Grafana's unit picker


def board(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def panels(path: Path) -> Iterator[dict[str, Any]]:
    return (panel for panel in board(path)["panels"] if panel["type"] != "row")


def own_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    OwnMetrics(registry)
    return registry


def exposed() -> set[str]:
    """Names of all series that Probe has or that rules record."""
    names = {family.name for family in families.ALL}
    for metric in own_registry().collect():
        names.add(f"{metric.name}_total" if metric.type == "counter" else metric.name)
    for name in [*names]:
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    rules = yaml.safe_load((DEPLOY / "prometheus/rules/probe.yml").read_text())
    return names | {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}


def series_of(expr: str) -> set[str]:
    return set(re.findall(r"\b(?:(?:check|service)(?:_\w+)?:)?(?:probe|process|python)_[\w:]+", expr))


def test_the_files_are_what_the_builder_makes():
    done = subprocess.run([sys.executable, DEPLOY / "grafana/build.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_holds_together(path):
    loaded = board(path)
    assert loaded["uid"] == f"probe-{path.stem}"
    assert loaded["schemaVersion"] >= 36
    ids = [panel["id"] for panel in loaded["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels(path):
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters))


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path):
    taken: set[tuple[int, int]] = set()
    for panel in board(path)["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_variables_that_are_used_are_there(path):
    loaded = board(path)
    known = {variable["name"] for variable in loaded["templating"]["list"]} | {
        "__rate_interval",
        "__range",
        "__range_s",
    }
    used = {
        name
        for panel in panels(path)
        for target in panel["targets"]
        for name in re.findall(r"\$\{?(\w+)", target["expr"] + target["datasource"]["uid"])
    }
    assert used <= known


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_queries_ask_for_series_that_exist(path):
    names = exposed()
    for panel in panels(path):
        for target in panel["targets"]:
            assert series_of(target["expr"]) <= names, panel["title"]


@pytest.mark.parametrize("file", ["rules/probe.yml", "optional/checks.yml"])
def test_rules_ask_for_series_that_exist(file):
    names = exposed()
    for group in yaml.safe_load((DEPLOY / "prometheus" / file).read_text())["groups"]:
        for rule in group["rules"]:
            assert series_of(rule["expr"]) <= names, rule


def test_the_documentation_lists_every_series_and_no_other():
    text = (DEPLOY.parent / "docs/metrics.md").read_text()
    listed = set(re.findall(r"(?m)^\| `(\w+)` \|", text))
    own = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in own_registry().collect()
        if metric.name.startswith("probe_")
    }
    assert listed == {family.name for family in families.ALL} | own
    for family in families.ALL:
        assert f"| `{family.name}` | {family.type} |" in text
