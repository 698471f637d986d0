"""Whatever a target makes of our credentials, no run tells them: real runs against servers that echo requests."""

from base64 import b64encode
from pathlib import Path

import pytest

from checks.core.net import Net
from checks.core.redact import Redactor
from checks.core.result import FailureKind
from checks.core.wire import encode
from probe.clock import SystemClock
from probe.config.load import load
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from tests.servers import response, routing, serving

PAIR = b64encode(b"ann:open sesame").decode()


def echo(request: bytes) -> bytes:
    """An error page with what was sent, the credentials also as the server understood them."""
    sent = [line for line in request.split(b"\r\n") if line.lower().startswith((b"auth", b"x-api"))]
    page = b"\n".join([*sent, b"login: ann:open sesame, key k3y-of-ours"])
    return response(page, "401 Unauthorized", {"Content-Type": "text/plain; k3y-of-ours"})


@pytest.mark.parametrize(
    ("headers", "environment"),
    [
        (f"{{Authorization: Basic {PAIR}, X-Api-Key: k3y-of-ours}}", {}),
        ('{Authorization: "Basic ${env:PAIR}", X-Api-Key: "${env:KEY}"}', {"PAIR": PAIR, "KEY": "k3y-of-ours"}),
    ],
    ids=["written down", "referred to"],
)
async def test_no_run_tells_a_header_that_lets_us_in(tmp_path: Path, headers: str, environment: dict[str, str]) -> None:
    async with serving(routing({"/": echo})) as served:
        path = tmp_path / "probe.yml"
        path.write_text(f"checks: {{a: {{http: {{url: '{served.url()}', headers: {headers}}}}}}}")
        config = load(path, environment)
        clock, net = SystemClock(), Net()
        runner = Runner(net, clock, LagMeter(clock), Redactor(config.secrets))
        result = await runner.run_once(config.checks["a"].spec)
        await net.close()
    assert PAIR.encode() in served.requests[0]
    assert result.failure is not None
    assert result.failure.kind is FailureKind.EXPECTATION
    told = encode(result).decode()
    assert "login: ann:" in told
    assert not [secret for secret in (PAIR, "open sesame", "k3y-of-ours") if secret in told], told
