"""What a scrape costs: processor time, size, and the longest piece that the event loop waits for.

    python benchmarks/exposition.py [--short] [checks]

Every check is an HTTPS one with all of its series; each pass takes a verdict of each check, then renders them all.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass, field

from benchmarks.report import Table, middle, percentile
from checks.core.base import CheckSpec
from checks.core.result import Fact, Result
from exporters.prometheus import CheckSeries
from thresholds.base import Level, State, Verdict

LABELS = {"env": "prod", "tier": "1"}


@dataclass(frozen=True)
class Target:
    target: str
    host: str = "shop.example"

    async def run(self, trace: object, net: object) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Described:
    spec: CheckSpec
    type: str = "http"
    service: str = "shop"
    owner: str = "team-shop"
    runbook: str = "https://wiki.example/shop"
    labels: dict[str, str] = field(default_factory=LABELS.copy)


def described(number: int) -> Described:
    return Described(CheckSpec(f"shop/check-{number}", Target(f"https://shop.example/{number}"), 10.0, 10.0))


def verdict(number: int, now_ms: int) -> Verdict:
    phases = {phase: random.random() / 10 for phase in ("dns", "connect", "tls", "ttfb", "transfer")}
    facts: dict[str, Fact] = {
        "net.family": 4,
        "http.status": 200,
        "http.version": "1.1",
        "http.bytes": 5120,
        "http.content_length": 5120,
        "http.redirects": 0,
        "http.url": f"https://shop.example/{number}",
        "http.last_modified": now_ms / 1000,
        "tls.version": "TLSv1.3",
        "tls.cipher": "TLS_AES_256_GCM_SHA384",
        "tls.not_after": now_ms / 1000 + 86400,
        "tls.chain_not_after": now_ms / 1000 + 86400,
        "tls.fingerprint": f"{number:064x}",
        "tls.subject": "CN=shop.example",
        "tls.issuer": "CN=R11,O=Let's Encrypt,C=US",
        "tls.sans": "shop.example,www.shop.example",
        "tls.serial": "03ff",
    }
    result = Result(f"shop/check-{number}", now_ms, sum(phases.values()), phases, facts)
    return Verdict(result, Level.UP, "", State(Level.UP, now_ms, Level.UP, now_ms))


def measure(checks: int, passes: int) -> Table:
    """Processor time of `passes` rounds of verdicts and scrapes."""
    series = CheckSeries()
    series.set_checks({one.spec.name: one for one in map(described, range(checks))})
    verdicts = [verdict(number, time.time_ns() // 1_000_000) for number in range(checks)]
    recorded, rendered, pieces, size, lines = [], [], [], 0, 0
    for _ in range(passes):
        began = time.thread_time()
        series.record(verdicts)
        recorded.append((time.thread_time() - began) / checks * 1e6)
        made, size, lines = [], 0, 0
        began = time.thread_time()
        for chunk in series.render(openmetrics=True):
            made.append(time.thread_time() - began)
            size += len(chunk)
            lines += chunk.count(b"\n")
            began = time.thread_time()
        rendered.append(sum(made))
        pieces += made
    rows = [
        ["take a verdict", f"{middle(recorded, 1)} us", ""],
        ["render all", f"{middle(rendered)} s", f"{lines:,} lines, {size / 1e6:.0f} MB"],
        ["a line", f"{middle([one / lines * 1e6 for one in rendered])} us", ""],
        [
            "the loop waits for one piece",
            f"p50 {percentile(pieces, 0.5) * 1e3:.2f} ms",
            f"p99 {percentile(pieces, 0.99) * 1e3:.2f}, longest {max(pieces) * 1e3:.2f} ms",
        ],
    ]
    notes = [f"processor time, medians (lowest-highest) of {passes} passes"]
    return Table(f"A scrape of {checks:,} HTTPS checks", ["what", "figure", "beside it"], rows, notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checks", type=int, nargs="?", default=20_000, help="how many (20,000)")
    parser.add_argument("--short", action="store_true", help="5 passes rather than 15")
    options = parser.parse_args()
    print(measure(options.checks, 5 if options.short else 15).markdown())


if __name__ == "__main__":
    main()
