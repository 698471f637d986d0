"""What `probe check` prints: phases, certificate, facts, failure, verdict."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from checks.core.result import Failure, FailureKind, Result
from probe.cli.main import main
from probe.cli.waterfall import drawn_bar, render, to_json
from probe.web.bars import Bar, bars
from tests.servers import free_port
from tests.web.stand import planned
from thresholds.base import State, Verdict
from thresholds.policy import judge

FACTS = {
    "http.status": 200,
    "http.version": "HTTP/1.1",
    "http.bytes": 48213,
    "net.address": "192.0.2.17",
    "net.family": 4,
    "tls.version": "TLSv1.3",
    "tls.subject": "CN=shop.example",
    "tls.issuer": "CN=R11,O=Example CA",
    "tls.days_left": 10.3,
    "tls.not_after": 1_800_000_000,
    "tls.self_signed": False,
}
PHASES = {"dns": 0.01, "connect": 0.02, "tls": 0.03, "ttfb": 0.03, "transfer": 0.01}


def verdict(failure: Failure | None = None, duration: float = 0.1, **more: Any) -> Verdict:
    seen = {"phases": PHASES, "facts": FACTS, **more}
    run = replace(Result("shop/home", 1_700_000_000_000, duration, failure=failure), **seen)
    return judge(planned("x").policy, State(), run)


def printed(verdict_: Verdict, *earlier: Verdict, width: int = 100) -> str:
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True)
    console.print(render(planned("shop/home"), verdict_, earlier))
    return console.export_text()


def test_phases_follow_each_other_on_one_scale():
    lines = [line for line in printed(verdict()).split("\n") if "█" in line]
    assert [line.split()[0] for line in lines] == list(PHASES)
    assert [line.split(maxsplit=2)[2] for line in lines] == ["10 ms", "20 ms", "30 ms", "30 ms", "10 ms"]
    begins = [line.index("█") for line in lines]
    widths = [line.count("█") for line in lines]
    assert widths == [6, 12, 18, 18, 6]
    assert [at - begins[0] for at in begins] == [0, 6, 18, 36, 54]


def test_everything_that_was_seen_is_said():
    text = " ".join(printed(verdict()).split())
    for part in (
        "shop/home https://shop.example/",
        "total 100 ms",
        "status 200",
        "bytes 48.2 kB",
        "address 192.0.2.17",
        "IP version 4",
        "TLS TLSv1.3",
        "subject CN=shop.example",
        "issuer CN=R11,O=Example CA",
        "expires in 10 days",
        "not after 2027-01-15 08:00 UTC",  # date -u -d @1800000000
        "self signed no",
        "UP in 100 ms",
    ):
        assert part in text


def test_a_failure_shows_the_phase_that_was_open():
    failure = Failure(FailureKind.TIMEOUT, "ttfb", "no answer within 5 s")
    text = printed(verdict(failure, 5.0, phases={"dns": 0.01, "connect": 0.02}))
    assert "timeout in ttfb: no answer within 5 s" in text
    (line,) = (line for line in text.split("\n") if "failed" in line)
    assert line.split()[0] == "ttfb"
    assert "4.97 s" in line
    assert "DOWN  in 5 s" in text


def test_a_threshold_that_was_crossed_is_the_reason():
    assert "DEGRADED  in 1.5 s: total 1.5 s is over 800 ms" in printed(verdict(duration=1.5))


def test_a_run_that_saw_nothing_is_said_all_the_same():
    failure = Failure(FailureKind.LOCAL, "", "no file descriptors left")
    text = printed(verdict(failure, 0.0, phases={}, facts={}))
    assert "local: no file descriptors left" in text
    assert "UNKNOWN" in text


def test_all_attempts_are_shown():
    failure = Failure(FailureKind.CONNECT, "connect", "connection refused")
    text = printed(verdict(attempt=2), verdict(failure, 0.01, phases={"dns": 0.001}, provisional=True))
    assert text.index("attempt 1 of 2") < text.index("connect: connection refused") < text.index("attempt 2 of 2")
    assert "connect in connect" not in text
    assert text.rstrip().endswith("UP  in 100 ms")


@pytest.mark.parametrize("width", [20, 40, 80, 300])
def test_lines_fit_the_terminal(width: int):
    assert max(cell_len(line) for line in printed(verdict(), width=width).split("\n")) <= width


def test_what_servers_say_is_harmless():
    evil = "\x1b[2Jx\x07[red]y[/red]"
    failure = Failure(FailureKind.PROTOCOL, evil, evil)
    facts = {"http.server": evil, evil: evil}
    console = Console(width=100, file=StringIO(), force_terminal=True, color_system=None)
    console.print(render(planned(evil, evil), verdict(failure, phases={evil: 0.1}, facts=facts)))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert not set(text) & {"\x1b", "\x07"}
    assert "[red]y[/red]" in text


def test_a_secret_of_the_configuration_is_not_in_the_title(tmp_path: Path):
    port = free_port()
    (tmp_path / "key").write_text("FileSecretOfAPath")
    config = tmp_path / "probe.yml"
    config.write_text(
        f'checks: {{shop/home: {{http: {{url: "http://127.0.0.1:{port}/${{file:{tmp_path}/key}}/x?page=2"}}}}}}\n'
    )
    outcome = CliRunner().invoke(main, ["check", "shop/home", "-c", str(config)])
    assert outcome.exit_code == 1
    assert f"http://127.0.0.1:{port}/•••/x?page=2" in outcome.output
    assert "FileSecret" not in outcome.output


def test_json_holds_the_whole_run():
    failure = Failure(FailureKind.TLS, "tls", "certificate expired")
    value = json.loads(json.dumps(to_json(verdict(failure), [verdict(failure, provisional=True)])))
    assert value.pop("attempts")[0]["provisional"] is True
    assert value == {
        "check": "shop/home",
        "at": "2023-11-14T22:13:20.000Z",
        "duration": 0.1,
        "level": "down",
        "reason": "certificate expired",
        "phases": PHASES,
        "failure": {"kind": "tls", "phase": "tls", "message": "certificate expired"},
        "attempt": 1,
        "provisional": False,
        "facts": FACTS,
    }
    assert "attempts" not in to_json(verdict())


@pytest.mark.parametrize(
    ("begins", "lasts", "bar"),
    [
        (0.0, 1.0, "██████████"),
        (0.5, 0.5, "     █████"),
        (0.0, 0.25, "██▌       "),
        (0.0, 0.0, "▏         "),  # the shortest still shows
        (1.0, 0.0, "         ▏"),
        (0.9, 5.0, "         █"),
    ],
)
def test_bars_are_drawn_to_the_eighth_of_a_cell(begins: float, lasts: float, bar: str):
    assert drawn_bar(begins, lasts, 10) == bar


def result(duration: float, phases: dict[str, float], failed: str | None = None) -> Result:
    failure = Failure(FailureKind.TIMEOUT, failed, "x") if failed is not None else None
    return Result("x", 0, duration, phases, failure=failure)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (result(0.3, {"dns": 0.1, "connect": 0.2}), [Bar("dns", 0, 0.1), Bar("connect", 0.1, 0.2)]),
        # What lies in no phase is shown when it matters.
        (result(0.5, {"dns": 0.1}), [Bar("dns", 0, 0.1), Bar("other", 0.1, 0.4)]),
        (result(0.5, {}), []),
        # The phase that was open has no length of its own: the rest is its.
        (result(0.5, {"dns": 0.1}, "connect"), [Bar("dns", 0, 0.1), Bar("connect", 0.1, 0.4, failed=True)]),
        (result(0.1, {"dns": 0.1}, "connect"), [Bar("dns", 0, 0.1), Bar("connect", 0.1, 0.0, failed=True)]),
        # It may have been through before, on the first hop of a redirect, or have ended as it failed.
        (result(0.5, {"tls": 0.1}, "tls"), [Bar("tls", 0, 0.1), Bar("tls", 0.1, 0.4, failed=True)]),
        (result(0.1, {"tls": 0.1}, "tls"), [Bar("tls", 0, 0.1, failed=True)]),
        (result(0.5, {}, ""), []),
    ],
)
def test_phases_become_bars(run: Result, expected: list[Bar]):
    assert list(bars(run)) == expected
