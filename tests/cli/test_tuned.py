"""What `probe tune` prints to paste: over the configuration in force it makes the policy that was counted."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from probe.cli.tuned import Found, Proposal, yaml_of
from probe.config import load
from probe.config.inherit import memory_of
from thresholds.track import Usual
from thresholds.tuning import Candidate, Outcome

RUNS, WINDOW = Candidate("total", 0.62, (3, 5)), Candidate("total", 0.62, (2, 3), 600.0)


def outcome(candidate: Candidate | None) -> Outcome:
    return Outcome(candidate, 1, 0, 1, 1, 60.0, 60.0, 1.0)


def proposal(path: Path, candidate: Candidate) -> Proposal:
    planned = load(path).checks["shop/home"]
    policy = candidate.policy(planned.policy)
    policy = replace(policy, memory=memory_of(policy.down_after, policy.up_after, planned.spec.every))
    found = Found(100, 0, 0, Usual(0.2, 0.3, ()))
    return Proposal(planned, "total", (0, 1), 1.0, found, outcome(None), [], outcome(candidate), policy)


def written(folder: Path, thresholds: str) -> Path:
    path = folder / "probe.yml"
    path.write_text(
        f"store: sqlite:probe.db\ndefaults: {{every: 60s, thresholds: {{{thresholds}}}}}\n"
        "checks: {shop/home: {http: {url: http://127.0.0.1:9/}}}\n",
        encoding="utf-8",
    )
    return path


def pasted(path: Path, text: str) -> Path:
    """The configuration with the lines in their places."""
    config, lines = yaml.safe_load(path.read_text(encoding="utf-8")), yaml.safe_load(text)
    lines["checks"]["shop/home"]["thresholds"] = {
        name: limits or "off"  # YAML 1.1 takes a bare off for false
        for name, limits in lines["checks"]["shop/home"]["thresholds"].items()
    }
    config["checks"]["shop/home"] |= lines["checks"]["shop/home"]
    new = path.with_name("new.yml")
    new.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return new


@pytest.mark.parametrize("candidate", [RUNS, WINDOW])
@pytest.mark.parametrize(
    "thresholds",
    [
        "",
        "total: {degraded: 450ms}",
        "total: {degraded: 450ms, down: 5s}",
        "total: {degraded: 450ms, down: 500ms}",
        "total: {down: 5s}",
        "ttfb: {degraded: 400ms}, tls.days_left: {degraded: 21, down: 3}, failure_ratio over 1h: {degraded: 5%}",
        "p95(total) over 600s: {degraded: 1s, down: 90s, min_samples: 8, hysteresis: 25%}",
        "p95(total) over 600s: {degraded: 1s}, p99(total) over 1h: {degraded: 2s, down: 3s}",
        "total: {degraded: 450ms}, baseline(total): {degraded: 4 mad}, baseline(ttfb): {degraded: 4 mad}",
        "mean(total) over 5m: {degraded: 1s}",
    ],
)
def test_what_is_pasted_makes_the_policy_that_was_counted(
    tmp_path: Path, thresholds: str, candidate: Candidate
) -> None:
    path = written(tmp_path, thresholds)
    made = proposal(path, candidate)
    config = load(pasted(path, yaml_of(made)))
    assert config.checks["shop/home"].policy == made.policy
    assert not [one for one in config.warnings if "takes nothing out" in one]


def test_a_limit_on_runs_keeps_what_says_down(tmp_path: Path) -> None:
    path = written(tmp_path, "total: {degraded: 450ms, down: 5s}")
    assert "      total: {degraded: 620ms, down: 5s}\n" in yaml_of(proposal(path, RUNS))
    (threshold,) = load(pasted(path, yaml_of(proposal(path, RUNS)))).checks["shop/home"].policy.thresholds
    assert (threshold.degraded, threshold.down) == (0.62, 5.0)


def test_a_down_that_cannot_stay_is_told(tmp_path: Path) -> None:
    printed = yaml_of(proposal(written(tmp_path, "total: {degraded: 450ms, down: 500ms}"), RUNS))
    assert "# down: 500ms of total goes: it would not lie over degraded\n" in printed


@pytest.mark.parametrize(
    ("thresholds", "line"),
    [
        ("total: {degraded: 450ms}", "total: off"),
        ("total: {degraded: 450ms, down: 5s}", "total: {down: 5s}"),
        ("baseline(total): {degraded: 4 mad}", "baseline(total): off"),
    ],
)
def test_a_window_takes_the_old_limit_out(tmp_path: Path, thresholds: str, line: str) -> None:
    printed = yaml_of(proposal(written(tmp_path, thresholds), WINDOW))
    assert "      p95(total) over 10m: {degraded: 620ms}\n" in printed
    assert f"      {line}\n" in printed


def test_what_is_about_something_else_stays_and_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "tls.days_left: {degraded: 21}, ttfb: {degraded: 400ms}, total: {degraded: 450ms}")
    assert yaml_of(proposal(path, RUNS)).endswith("# counted with what stays: tls.days_left, ttfb\n")
