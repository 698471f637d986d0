"""What a scrape costs: processor time, size, and the longest piece that the event loop waits for.

    python benchmarks/exposition.py [checks]

Every check is an HTTPS one with all of its series; each pass takes a verdict of each check, then renders them all.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field

from checks.core.base import CheckSpec
from checks.core.result import Fact, Result
from exporters.prometheus import CheckSeries
from thresholds.base import Level, State, Verdict

PASSES = 5
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


def main(checks: int) -> None:
    series = CheckSeries()
    series.set_checks({one.spec.name: one for one in map(described, range(checks))})
    verdicts = [verdict(number, time.time_ns() // 1_000_000) for number in range(checks)]
    print(f"{checks} HTTPS checks, processor time of {PASSES} passes")
    for _ in range(PASSES):
        began = time.thread_time()
        series.record(verdicts)
        recorded = time.thread_time() - began
        pieces, size, lines = [], 0, 0
        began = time.thread_time()
        for chunk in series.render(openmetrics=True):
            pieces.append(time.thread_time() - began)
            size += len(chunk)
            lines += chunk.count(b"\n")
            began = time.thread_time()
        pieces.sort()
        print(
            f"record {recorded / checks * 1e6:.1f} us a verdict | render {sum(pieces):.2f} s, {lines:,} lines, "
            f"{size / 1e6:.0f} MB, {sum(pieces) / lines * 1e6:.2f} us a line | {len(pieces)} pieces: "
            f"p50 {pieces[len(pieces) // 2] * 1e3:.2f}, p99 {pieces[len(pieces) * 99 // 100] * 1e3:.2f}, "
            f"longest {pieces[-1] * 1e3:.2f} ms"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
