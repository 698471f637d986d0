"""One scrape of /metrics by a process of its own, as Prometheus is one: how long it took, as a line of JSON.

python benchmarks/scrape.py PORT
"""

from __future__ import annotations

import http.client
import json
import sys
import time

_PIECE = 1 << 20  # bytes


def scrape(port: int) -> dict[str, float]:
    """Seconds from the request to the last byte, what came, and when the first byte of it did."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    began = time.monotonic()
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    answer = connection.getresponse()
    headed, size, lines = time.monotonic() - began, 0, 0
    while piece := answer.read1(_PIECE):
        size += len(piece)
        lines += piece.count(b"\n")
    seconds = time.monotonic() - began
    if answer.status != 200 or not lines:
        raise SystemExit(f"status {answer.status}, {lines} lines")
    return {"seconds": seconds, "headed": headed, "size": size, "lines": lines}


if __name__ == "__main__":
    print(json.dumps(scrape(int(sys.argv[1]))))
