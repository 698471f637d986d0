"""What docker-compose.yml, the Dockerfile and the files in deploy/ say of each other agrees."""

import fnmatch
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from probe.config import load as load_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PORTS = {"probe": 8080, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


def load(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def binds(name: str) -> dict[str, Path]:
    """Files of ours by where the container sees them."""
    mounts = (mount.split(":") for mount in SERVICES[name]["volumes"])
    return {target: ROOT / source for source, target, *_ in mounts if source.startswith(".")}


def inside(name: str, path: str) -> Path:
    """The file of ours that a container sees at a path."""
    for target, source in binds(name).items():
        if path == target or path.startswith(f"{target}/"):
            return source / path[len(target) :].lstrip("/")
    raise AssertionError(f"{name} has nothing of ours at {path}")


@pytest.mark.parametrize("name", PORTS)
def test_what_is_mounted_is_there_and_read_only(name):
    assert binds(name)
    for source in binds(name).values():
        assert source.exists(), source
    assert all(mount.endswith(":ro") for mount in SERVICES[name]["volumes"] if mount.startswith("."))


@pytest.mark.parametrize("name", PORTS)
def test_what_is_kept_lies_in_a_declared_volume(name):
    named = {mount.split(":")[0] for mount in SERVICES[name]["volumes"] if not mount.startswith(".")}
    assert named
    assert named <= set(COMPOSE["volumes"])


@pytest.mark.parametrize(("name", "port"), PORTS.items())
def test_ports_are_published_on_loopback_alone(name, port):
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]


@pytest.mark.parametrize("name", PORTS)
def test_containers_are_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", PORTS)
def test_images_are_pinned(name):
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert tag == "local" if "build" in SERVICES[name] else re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


@pytest.mark.parametrize(("name", "flag"), [("prometheus", "--config.file"), ("alertmanager", "--config.file")])
def test_a_command_names_a_mounted_file(name, flag):
    (path,) = (argument.partition("=")[2] for argument in SERVICES[name]["command"] if argument.startswith(flag))
    assert inside(name, path).is_file()


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "grafana"])
def test_health_is_asked_at_the_port_that_is_served(name):
    url = SERVICES[name]["healthcheck"]["test"][-1]
    assert urlsplit(url).port == PORTS[name]


def test_addresses_in_configurations_are_services_and_their_ports():
    text = "".join(
        (DEPLOY / path).read_text()
        for path in ("prometheus/prometheus.yml", "probe.yml", "grafana/provisioning/datasources/prometheus.yml")
    )
    found = set(re.findall(r"\b(probe|prometheus|alertmanager|grafana):(\d+)", text))
    assert found == {(name, str(port)) for name, port in PORTS.items()}


def test_rule_files_exist():
    files = [
        path
        for pattern in load("prometheus/prometheus.yml")["rule_files"]
        for path in (DEPLOY / "prometheus").glob(pattern)
    ]
    assert [path.name for path in files] == ["probe.yml"]
    commented = re.findall(r"# - (\S+\.yml)", (DEPLOY / "prometheus/prometheus.yml").read_text())
    assert commented == ["optional/checks.yml"]
    assert (DEPLOY / "prometheus/optional/checks.yml").exists()


def test_grafana_finds_its_dashboards():
    (provider,) = load("grafana/provisioning/dashboards/probe.yml")["providers"]
    folder = inside("grafana", provider["options"]["path"])
    assert {path.name for path in folder.glob("*.json")} == {"fleet.json", "check.json", "sla.json"}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert inside("grafana", home).is_file()
    assert inside("grafana", "/etc/grafana/provisioning/datasources/prometheus.yml").is_file()


def test_dashboards_ask_the_data_source_that_is_provisioned():
    sources = load("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    variables = json.loads((DEPLOY / "grafana/dashboards/fleet.json").read_text())["templating"]["list"]
    (chosen,) = (one["current"]["value"] for one in variables if one["name"] == "datasource")
    assert chosen in {source["uid"] for source in sources if source["type"] == "prometheus"}


def test_probe_runs_as_nobody_in_particular_on_a_mounted_file():
    stages = re.split(r"(?m)^FROM ", DOCKERFILE)[1:]
    assert len(stages) == 2
    final = stages[-1]
    (user,) = re.findall(r"(?m)^USER (\d+):(\d+)$", final)
    assert all(int(number) >= 10_000 for number in user)
    (command,) = re.findall(r"(?m)^CMD (\[.*\])$", final)
    (entry,) = re.findall(r"(?m)^ENTRYPOINT (\[.*\])$", final)
    assert json.loads(entry) == ["probe"]
    assert json.loads(command)[0] == "run"
    assert inside("probe", json.loads(command)[1]) == DEPLOY / "probe.yml"
    assert any(mount.endswith(":/data") for mount in SERVICES["probe"]["volumes"])
    assert "VOLUME /data" in final


def test_the_health_check_asks_where_probe_listens():
    port = int(load("probe.yml")["listen"].rpartition(":")[2])
    (check,) = re.findall(r"HEALTHCHECK.*", DOCKERFILE)
    assert f"127.0.0.1:{port}/-/healthy" in check
    assert f"EXPOSE {port}" in DOCKERFILE
    assert port == PORTS["probe"]


def test_dependencies_of_the_image_are_pinned_by_hash():
    (install,) = (line for line in DOCKERFILE.splitlines() if "run.txt" in line and "pip install" in line)
    assert "--require-hashes" in install
    assert "--no-deps" in install


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path from the builder: the last rule that matches wins."""
    out = False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.lstrip("!").replace("**/", "*")
        if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
            out = not rule.startswith("!")
    return out


def test_what_the_image_is_built_of_is_sent_to_the_builder():
    copied = [
        source
        for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", DOCKERFILE)
        for source in line.split()[:-1]
    ]  # fmt: skip
    assert "probe" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    assert ignored("tests/conftest.py")
    assert ignored(".git/config")
    assert ignored("probe.db")


def test_secrets_come_from_the_environment():
    text = (ROOT / "docker-compose.yml").read_text()
    assert "GF_SECURITY_ADMIN_PASSWORD: ${GRAFANA_PASSWORD:?" in text
    assert "PROBE_TOKEN: ${PROBE_TOKEN:?" in text
    assert "token: ${env:PROBE_TOKEN}" in (DEPLOY / "probe.yml").read_text()


def test_the_configuration_loads_without_a_warning(monkeypatch):
    monkeypatch.setenv("PROBE_TOKEN", "0123456789abcdef0123456789abcdef")
    config = load_config(DEPLOY / "probe.yml")
    assert config.warnings == ()
    assert (config.host, config.port) == ("0.0.0.0", PORTS["probe"])
    assert config.store == "sqlite:/data/probe.db"
    assert {planned.spec.check.host for planned in config.checks.values()} == set(PORTS) - {"probe"}
