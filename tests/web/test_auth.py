"""Who may change something: a table per door."""

import asyncio
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from probe.web.auth import anonymous_objection, is_loopback_address, is_loopback_host
from tests.conftest import FakeClock
from tests.web.stand import standing

TOKEN = "correct-horse-battery-ünï"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer  {TOKEN} "}, 200),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example", "Host": "probe.example"}, 200),
        ({}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"Authorization": f"Bearer {TOKEN.upper()}"}, 401),
        ({"X-Token": TOKEN}, 401),
    ],
)
async def test_with_a_token_only_its_sender_may_reload(clock: FakeClock, tmp_path: Path, headers, status: int):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.token = TOKEN
        answer = await client.post("/-/reload", headers=headers)
        assert answer.status == status
        assert stand.service.reloads == (status == 200)
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert TOKEN not in await answer.text()


async def test_two_authorizations_are_none(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.token = TOKEN
        headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
        assert (await client.post("/-/reload", headers=headers)).status == 401


async def test_a_token_that_changes_counts_at_once(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        for token in ("first-token", "second-token"):
            stand.token = token
            assert (await client.post("/-/reload", headers={"Authorization": f"Bearer {token}"})).status == 200
        assert (await client.post("/-/reload", headers={"Authorization": "Bearer first-token"})).status == 401


@pytest.mark.parametrize("path", ["/", "/api/v1/checks", "/metrics", "/-/healthy", "/-/ready"])
async def test_reading_needs_no_token(clock: FakeClock, tmp_path: Path, path: str):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.token = TOKEN
        assert (await client.get(path)).status == 200
        assert (await client.head(path)).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/-/reload", "/api/v1/checks", "/nothing"])
async def test_every_method_that_may_change_something_asks_for_the_token(clock, tmp_path: Path, method: str, path: str):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.token = TOKEN
        assert (await client.request(method, path)).status == 401


LOCAL = {"Host": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        (LOCAL, True),
        ({"Host": "localhost:8080"}, True),
        ({"Host": "LOCALHOST"}, True),
        ({"Host": "[::1]:8080"}, True),
        ({"Host": "probe.localhost:8080"}, True),
        # A page of our own.
        ({**LOCAL, "Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}, True),
        ({**LOCAL, "Sec-Fetch-Site": "none"}, True),
        # A page of another site that somebody on this machine has open.
        ({**LOCAL, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
        ({**LOCAL, "Sec-Fetch-Site": "cross-site"}, False),
        ({**LOCAL, "Sec-Fetch-Site": "same-site"}, False),
        ({**LOCAL, "Origin": "https://evil.example"}, False),
        ({**LOCAL, "Origin": "null"}, False),
        ({**LOCAL, "Origin": ""}, False),
        ({**LOCAL, "Origin": "http://[broken"}, False),
        # Another program on this machine with a page: another port is another origin.
        ({**LOCAL, "Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"}, False),
        ({**LOCAL, "Origin": "http://localhost:8080"}, False),
        # DNS rebinding: the browser believes that it talks to evil.example, which now resolves to 127.0.0.1.
        ({"Host": "evil.example:8080", "Origin": "http://evil.example:8080", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Host": "evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "localhost.evil.example"}, False),
        ({"Host": "localhost@evil.example"}, False),
        ({"Host": ""}, False),
        # A proxy on this machine hands on what comes from anywhere.
        ({**LOCAL, "X-Forwarded-For": "192.0.2.1"}, False),
        ({**LOCAL, "Forwarded": "for=192.0.2.1"}, False),
        ({**LOCAL, "Via": "1.1 proxy"}, False),
    ],
)
async def test_without_a_token_only_this_machine_may_reload(clock: FakeClock, tmp_path: Path, headers, allowed: bool):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        answer = await client.post("/-/reload", headers=headers)
        assert answer.status == (200 if allowed else 403), await answer.text()
        assert stand.service.reloads == allowed


async def test_a_request_without_a_host_is_refused(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST /-/reload HTTP/1.0\r\n\r\n")
        assert b" 403 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("0.0.0.0", False),
        ("", False),
        ("/run/probe.sock", False),
    ],
)
def test_loopback_peers(address: str, loopback: bool):
    assert is_loopback_address(address) is loopback


def test_a_peer_from_elsewhere_may_not_change_anything():
    request = make_mocked_request("POST", "/-/reload", headers=LOCAL).clone(remote="192.0.2.1")
    assert "only processes on this machine" in anonymous_objection(request)
    assert anonymous_objection(request.clone(remote="127.0.0.1")) == ""


@pytest.mark.parametrize("host", ["localhost.", "127.0.0.1", "[::1]", "localhost:1", "a.b.localhost:65535"])
def test_loopback_hosts(host: str):
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "notlocalhost",
        "[::1",
        "localhost:x",
        "localhost:99999",
        "localhost/evil",
        "evil#localhost",
        "::1",
        "0",
        "2130706433",
    ],
)
def test_hosts_that_only_look_like_loopback(host: str):
    assert not is_loopback_host(host)


async def test_a_large_body_is_refused_before_anything_happens(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        answer = await client.post("/-/reload", data=b"x" * 70_000)
        assert answer.status == 413
        assert stand.service.reloads == 0


async def test_a_small_body_does_no_harm(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        assert (await client.post("/-/reload", data=b"x" * 1000)).status == 200


async def test_a_refusal_is_one_line_in_the_log_that_a_client_cannot_forge(clock, tmp_path: Path, caplog):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.token = TOKEN
        await client.post("/a%0aroot%20logged%20in")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "\n" not in record.getMessage()
    assert "/a%0aroot%20logged%20in" in record.getMessage().replace("%0A", "%0a")
