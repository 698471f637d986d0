"""The engine over libcurl: when it is used, what it leaves alone, and that nothing of a run outlives it."""

import asyncio
import gc
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from pydantic import ValidationError

from checks.core.curl import Multi
from checks.core.curl_wish import lacking
from checks.core.net import Net
from checks.core.result import FailureKind
from checks.http import Http
from tests.checks.conftest import outcome
from tests.servers import (
    ENDLESS_BODY,
    HOST,
    Authority,
    answering,
    gzip_bomb,
    name_server,
    redirecting,
    response,
    routing,
    serving,
    silent,
)

LOGIN = {"username": "u", "password": "hidden"}
KEY = {"access_key": "a", "secret_key": "hidden", "region": "eu-west-1", "service": "s3"}
EXCLUDE = "basic, bearer, oauth2, digest, ntlm, sigv4 and an Authorization header exclude each other; keep one"
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        ({}, None),
        ({"version": "1.1"}, None),
        ({"version": "auto"}, "curl"),
        ({"digest": LOGIN}, "curl"),
        ({"ntlm": LOGIN}, "curl"),
        ({"sigv4": KEY}, "curl"),
    ],
)
async def test_libcurl_is_used_for_what_our_own_exchange_does_not_speak(net, options, engine):
    async with serving(answering(response())) as served:
        run = await outcome(Http(url=served.url(), **options), net)
    assert run.failure is None
    assert run.facts.get("engine") == engine


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://a/", "version": "3"}, 'version "3" needs an https:// url: HTTP/3 is never unencrypted'),
        ({"version": "3", "proxy": "http://p:1"}, 'version "3" does not go through a proxy; leave one of them out'),
        (
            {"version": "2", "ntlm": LOGIN},
            'ntlm does not go with version "2": it logs in a connection of HTTP/1.1',
        ),
        (
            {"digest": LOGIN, "bearer": "t"},
            EXCLUDE,
        ),
        (
            {"sigv4": KEY, "headers": {"authorization": "x"}},
            EXCLUDE,
        ),
    ],
)
def test_what_does_not_go_together_is_said(options, message):
    with pytest.raises(ValidationError) as caught:
        Http(**{"url": "https://a/", **options})
    (error,) = caught.value.errors()
    assert message in error["msg"]


async def test_a_token_of_oauth2_is_fetched_and_carried_by_either_engine(net):
    token = response(b'{"access_token": "the-token", "token_type": "Bearer"}')
    async with serving(routing({"/token": token, "/": response(b"hello")})) as served:
        oauth2 = {"token_url": served.url("/token"), "client_id": "a", "client_secret": "hidden"}
        ours = await outcome(Http(url=served.url(), oauth2=oauth2), net)
        curls = await outcome(Http(url=served.url(), oauth2=oauth2, version="auto"), net)
    assert ours.failure is curls.failure is None
    assert set(ours.phases) == {"auth", "connect", "ttfb", "transfer"}
    assert curls.facts["engine"] == "curl"
    asked, *carried = served.requests
    assert asked.startswith(b"POST /token ")
    assert [b"Authorization: Bearer the-token\r\n" in request for request in carried] == [True, True]


@pytest.mark.parametrize("version", ["1.1", "2", "3", "auto"])
def test_the_pycurl_that_is_tested_with_speaks_everything(version):
    assert lacking(version) == ""


def test_without_pycurl_a_check_that_needs_it_is_an_error_with_its_remedy():
    program = (
        "import sys; sys.modules['pycurl'] = None\n"
        "from checks.http import Http\n"
        "Http(url='https://a/')\n"
        "try: Http(url='https://a/', proxy='http://p:3128')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "proxy needs pycurl, which is not installed: make setup EXTRAS=curl in the checkout, or" in done.stdout


def test_a_check_that_does_not_need_pycurl_does_not_load_it():
    program = "import sys; from checks.http import Http; Http(url='https://a/'); print('pycurl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_secrets_of_logins_are_nowhere_to_be_seen():
    for options in ({"digest": LOGIN}, {"ntlm": LOGIN}, {"sigv4": KEY | {"session_token": "hidden"}}):
        check = Http(url="https://a/", **options)
        assert "hidden" not in f"{check!r} {check.model_dump()} {check.model_dump_json()}"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_run_that_is_cut_off_leaves_nothing_behind(net):
    async with serving(silent) as served:
        warm = Http(url=served.url(), version="auto")
        await outcome(warm, net, limit=0.05)
        multi = net.shared(Multi).transfers
        before = open_files()
        for scheme in ("http", "https"):
            checks = [Http(url=served.url(scheme=scheme), version="auto") for _ in range(20)]
            runs = await asyncio.gather(*(outcome(check, net, limit=0.2) for check in checks))
            assert {run.kind for run in runs} == {FailureKind.TIMEOUT}
            assert multi.futures() == ()
        await asyncio.sleep(0.05)  # the server closes its ends
        assert open_files() <= before + 2


async def test_a_task_that_is_cancelled_ends_its_transfer_at_once(net):
    async with serving(silent) as served:
        task = asyncio.create_task(outcome(Http(url=served.url(), version="auto"), net))
        while not served.requests and not net.shared(Multi).transfers.futures():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert net.shared(Multi).transfers.futures() == ()


async def test_a_network_that_is_closed_closes_libcurl():
    net = Net()
    async with serving(answering(response())) as served:
        await outcome(Http(url=served.url(), version="auto"), net)
        multi = net.shared(Multi).transfers
        await net.close()
    assert multi.closed


async def test_runs_leave_no_garbage(net):
    async with serving(answering(response(b"hello"))) as served:
        check = Http(url=served.url(), version="auto", expect={"body": "hello"})
        await outcome(check, net)
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                assert (await outcome(check, net)).failure is None
            found = [kept for kept in gc.get_objects() if type(kept).__name__ in ("Transfer", "Hop", "Curl")]
        finally:
            gc.enable()
    assert found == []


@pytest.mark.parametrize("handler", [ENDLESS_BODY, answering(gzip_bomb())], ids=["body", "bomb"])
@pytest.mark.parametrize("expect", [{}, {"body": "x"}], ids=["counted", "kept"])
async def test_memory_does_not_grow_with_what_is_sent(net, handler, expect):
    async with serving(handler) as served:
        check = Http(url=served.url(), version="auto", max_body=1 << 20, expect=expect)
        await outcome(check, net)
        tracemalloc.start()
        run = await outcome(check, net)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert run.failure is not None
    assert peak < 4 << 20  # the server's own buffers are in it


async def test_a_large_body_comes_whole(net):
    body = bytes(range(256)) * 16000
    async with serving(answering(response(body))) as served:
        run = await outcome(Http(url=served.url(), version="auto"), net)
    assert run.failure is None
    assert run.facts["http.bytes"] == len(body)


async def test_names_are_resolved_by_us_and_asked_for_every_run():
    async with (
        name_server({"shop.example": [HOST], "blog.example": ["127.0.0.2"]}) as dns,
        serving(answering(response(b"hello"))) as served,
        serving(answering(response(b"other")), host="127.0.0.2", port=served.port),
    ):
        net = Net(nameservers=[dns.address])
        for name, body in (("shop.example", "hello"), ("blog.example", "other"), ("shop.example.", "hello")):
            url = f"http://{name}:{served.port}/"
            run = await outcome(Http(url=url, version="auto", expect={"body": body}), net)
            assert run.failure is None, run.message
            assert set(run.phases) >= {"connect", "ttfb", "transfer"}
        dns.records["shop.example"] = ["127.0.0.2"]
        run = await outcome(Http(url=f"http://shop.example:{served.port}/", version="auto"), net)
        await net.close()
    assert set(run.phases) == {"dns", "connect", "ttfb", "transfer"}
    assert run.facts["net.address"] == "127.0.0.2"
    assert dns.asked.count("shop.example") >= 3


async def test_the_next_address_is_tried_where_the_first_is_dead(net):
    async with (
        name_server({"shop.example": ["127.0.0.3", HOST]}) as dns,
        serving(answering(response())) as served,
    ):
        net = Net(nameservers=[dns.address])
        check = Http(url=f"http://shop.example:{served.port}/", version="auto")
        runs = [await outcome(check, net) for _ in range(2)]
        await net.close()
    assert [run.failure for run in runs] == [None, None]
    assert {run.facts["net.address"] for run in runs} == {HOST}


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
async def test_a_redirect_leads_nowhere_but_to_the_web(net, location):
    async with serving(routing({"/": redirecting(location)})) as served:
        run = await outcome(Http(url=served.url(), version="auto"), net)
    assert run.kind is FailureKind.EXPECTATION
    assert run.message.startswith(f'redirected to "{location}"')


async def test_files_of_the_user_are_not_read(net, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text(f"machine {HOST} login u password hidden\n")
    (tmp_path / ".curlrc").write_text("user-agent = other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CURL_HOME", str(tmp_path))
    async with serving(answering(response())) as served:
        await outcome(Http(url=served.url(), version="auto"), net)
    assert served.requests == [
        (
            f"GET / HTTP/1.1\r\nHost: {HOST}:{served.port}\r\nUser-Agent: Probe\r\nAccept: */*\r\n"
            "Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
        ).encode()
    ]


async def test_many_runs_at_once_get_their_own_answers(net):
    pages = {f"/{number}": response(f"page {number}.".encode()) for number in range(100)}
    async with serving(routing(pages)) as served:
        checks = [Http(url=served.url(path), version="auto", expect={"body": f"page {path[1:]}."}) for path in pages]
        runs = await asyncio.gather(*(outcome(check, net) for check in checks))
    assert {run.failure for run in runs} == {None}


async def test_every_run_measures_a_connection_of_its_own(net, authority):
    connections = []

    async def stays(reader, writer):
        connections.append(writer)
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response(b"hello"))

    async with serving(stays, tls=authority.issue().server()) as served:
        check = Http(url=served.url(scheme="https"), version="auto", tls={"ca": str(authority.path)})
        runs = [await outcome(check, net) for _ in range(3)]
    assert len(connections) == 3
    for run in runs:  # a resumed session would show no certificate
        assert set(run.phases) == {"connect", "tls", "ttfb", "transfer"}
        assert run.facts["tls.days_left"] == pytest.approx(90, abs=0.01)


async def test_no_socket_is_opened_to_where_the_policy_has_not_looked():
    """libcurl reads 0x7f.1 as 127.0.0.1, whatever a name server says of it."""
    async with name_server({"0x7f.1": ["127.0.0.2"]}) as dns, serving(answering(response())) as served:
        net = Net(nameservers=[dns.address])
        run = await outcome(Http(url=f"http://0x7f.1:{served.port}/", version="auto"), net)
        await net.close()
    assert run.message == "127.0.0.1 is not what 0x7f.1 resolves to"
    assert served.requests == []


async def test_addresses_of_either_family_are_reached(net):
    async with serving(answering(response()), host="::1") as served:
        literal = await outcome(Http(url=served.url(), version="auto"), net)
        async with name_server({"shop.example": ["::1"]}) as dns:
            named = Net(nameservers=[dns.address])
            by_name = await outcome(Http(url=f"http://shop.example:{served.port}/", version="auto"), named)
            wrong = await outcome(Http(url=served.url(), version="auto", family="ipv4"), named)
            await named.close()
    assert literal.failure is by_name.failure is None
    assert (by_name.facts["net.address"], by_name.facts["net.family"]) == ("::1", 6)
    assert (wrong.kind, wrong.message) == (FailureKind.DNS, "::1 has no IPv4 address")


def test_a_check_travels_to_the_process_that_runs_it():
    check = Http(url="https://a/", proxy="http://u:hidden@p:3128", digest=LOGIN, version="2")
    assert check._ask is not None  # what is made once travels along
    again = pickle.loads(pickle.dumps(check))
    assert again == check
    assert again._wish == check._wish


async def test_a_renewed_ca_file_is_noticed(net, tmp_path):
    old, new = Authority(), Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(old.path.read_bytes())
    async with serving(answering(response()), tls=new.issue().server()) as served:
        check = Http(url=served.url(scheme="https"), version="auto", tls={"ca": str(ca)})
        before = await outcome(check, net)
        ca.write_bytes(new.path.read_bytes() + b"\n")
        after = await outcome(check, net)
        ca.unlink()
        gone = await outcome(check, net)
    assert before.kind is FailureKind.TLS
    assert after.failure is None
    assert (gone.kind, gone.message) == (FailureKind.LOCAL, f"ca: cannot read {ca} (No such file or directory)")
