"""A line that somebody pastes does what the check does, and holds no secret. The shell and the tools are real."""

import asyncio
import os
import shutil

import pytest

from checks.core.byhand import word
from checks.core.redact import MASK, Redactor
from checks.core.veil import Veil, login
from checks.http import Http
from checks.tcp import Tcp
from tests.servers import HOST, Authority, answering, banner, echo, redirecting, response, routing, serving

PASSWORD = "hunter2-secret"
VEIL = Veil(Redactor([PASSWORD]))


async def shell(line: str, **variables: str) -> str:
    """What a line prints."""
    ran = await asyncio.create_subprocess_exec(
        "bash", "-c", line, env=os.environ | variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(ran.communicate(), 20)
    return said.decode(errors="replace")


@pytest.fixture(autouse=True)
def tools() -> None:
    assert shutil.which("curl"), "tests/e2e/install brings it"


def by_hand(options, address: str = "") -> str:
    line = Http.model_validate(options).by_hand(address, 5.0, VEIL.body)
    assert PASSWORD not in line
    return line


def sent(request: bytes) -> set[str]:
    return set(request.decode().rstrip("\r\n").split("\r\n"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "HEAD"},
        {"method": "PUT", "body": 'it\'s\n"$HOME" `id` \\'},
        {"method": "POST", "body": f"password={PASSWORD}&x='1'"},
        {"method": "POST", "body": '{"a": 1}', "headers": {"Content-Type": "application/json"}},
        {"method": "DELETE"},
        {"headers": {"X-Say": f"a {PASSWORD} b; $(id) 'x'", "X-Api-Key": "k3y-of-ours", "Host": "shop.example"}},
        {"headers": {"X-Empty": "", "Accept": "text/html"}},
        {"basic": {"username": "ann $x", "password": PASSWORD}},
        {"bearer": PASSWORD},
        {"headers": {"Authorization": f"Custom {PASSWORD}"}},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
async def test_curl_asks_what_the_check_asks(net, options):
    """Both ask the same server; what it hears of them is compared line by line."""
    async with serving(routing({"/a": response()})) as served:
        options = {"url": served.url("/a?x=%5B1%5D&y=../z"), **options}
        check = Http.model_validate(options)
        line = by_hand(options)
        values = {"PASSWORD": PASSWORD, "TOKEN": PASSWORD, "SECRET": PASSWORD, "X_API_KEY": "k3y-of-ours"}
        await shell(line, AUTHORIZATION=f"Custom {PASSWORD}", **values)
    (request,) = served.requests
    theirs = {line.lower().replace(": ", ":", 1) for line in sent(request)}
    ours = {line.lower().replace(": ", ":", 1) for line in sent(check._order.payload.partition(b"\r\n\r\n")[0])}
    # Which codings curl can read, and that it keeps the connection, is its own.
    assert {line for line in ours - theirs if not line.startswith(("accept-encoding:", "connection:"))} == set()
    assert {line.partition(":")[0] for line in theirs - ours} <= {"accept-encoding"}


async def test_curl_sends_the_body_as_it_is(net):
    body = 'it\'s\n"$HOME" `id` \\ \x01 end'
    got: list[bytes] = []

    def keep(request: bytes) -> bytes:
        got.append(request.partition(b"\r\n\r\n")[2])
        return response()

    async with serving(routing({"/": keep})) as served:
        await shell(by_hand({"url": served.url(), "method": "POST", "body": body}))
    assert got == [body.encode()]


async def test_curl_follows_and_trusts_as_the_check_does(authority: Authority):
    site = routing({"/": redirecting("/b"), "/b": response(b"there")})
    async with serving(site, tls=authority.issue("shop.test").server()) as served:
        options = {"url": f"https://shop.test:{served.port}/", "tls": {"ca": str(authority.path)}}
        assert "there" in await shell(by_hand(options, HOST))
        assert "there" not in await shell(by_hand(options | {"redirects": 0}, HOST))
        assert "certificate" in await shell(by_hand({"url": options["url"]}, HOST))
        named = {"url": served.url(scheme="https"), "tls": {"ca": str(authority.path), "server_name": "shop.test"}}
        assert "there" in await shell(by_hand(named))


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"version": "2"}, ("--http2 ",)),
        ({"version": "2", "url": "http://x.example/"}, ("--http2-prior-knowledge ",)),
        ({"family": "ipv6"}, (" -6 ",)),
        ({"tls": {"verify": False}}, (" -k ",)),
        ({"tls": {"min_version": "TLSv1"}}, ("--tlsv1.0 --ciphers DEFAULT@SECLEVEL=0",)),
        ({"proxy": f"http://ann:{PASSWORD}@p.example:3128"},
         ("--proxy http://p.example:3128", '--proxy-user ann:"$PROXY_PASSWORD"')),
        ({"digest": {"username": "ann", "password": PASSWORD}}, ('--digest -u ann:"$PASSWORD"',)),
        ({"ntlm": {"username": "D\\ann", "password": PASSWORD}}, ("--ntlm -u 'D\\ann:'\"$PASSWORD\"",)),
        ({"sigv4": {"access_key": "AK", "secret_key": PASSWORD, "region": "eu", "service": "s3"}},
         ("--aws-sigv4 aws:amz:eu:s3", '-u AK:"$SECRET_KEY"')),
        ({"oauth2": {"token_url": "https://x.example/t", "client_id": "a", "client_secret": PASSWORD}},
         ('-H "Authorization: Bearer $TOKEN"',)),
        ({"url": "https://x.example/?api_key=abcdefgh"}, ("'https://x.example/?api_key='\"$SECRET\"",)),
        ({"method": "POST", "body": "x" * 5000}, ('--data-raw "$BODY"',)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_a_check_asks_for_is_an_option_of_curl(options, parts) -> None:
    line = by_hand({"url": "https://x.example/", **options})
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "it's",
        "a b",
        "$HOME `id` $(id) !x",
        "\\n\\",
        "-rf",
        "*?[",
        "a\nb",
        "\x01\x1b[2J'\\",
        "ünï — €",
        MASK,
    ],
)
async def test_a_word_is_taken_as_it_is(text: str) -> None:
    assert not {character for character in word(text) if character < " "} - {"\n"}  # nothing that pasting would obey
    said = await shell(f'printf "<%s>" {word(text)}', SECRET="of $HOME 'ours")
    assert said == f"<{text.replace(MASK, chr(111) + 'f $HOME ' + chr(39) + 'ours')}>"


def call(**options) -> str:
    check = Tcp.model_validate({"host": HOST, **options})
    line = check.by_hand("", 2.0, VEIL.body)
    assert PASSWORD not in line
    return line


async def test_what_is_said_over_tcp_is_said_byte_for_byte():
    """nc is not everywhere: what is piped into it is."""
    said = r"it's 100% \\ \x00\xff\x1b \r\n" + "ünï"
    check = Tcp.model_validate({"host": HOST, "port": 1, "send": said})
    line = call(port=1, send=said)
    piped, _, rest = line.rpartition(" | ")
    assert rest == f"nc -v -w 2 {HOST} 1"
    ran = await asyncio.create_subprocess_exec("bash", "-c", piped, stdout=asyncio.subprocess.PIPE)
    heard, _ = await ran.communicate()
    assert heard == check._bytes


async def test_secrets_are_said_from_variables():
    line = call(port=1, send=rf"HELLO {PASSWORD}\r\nAUTH op3n\r\n")
    piped = line.rpartition(" | ")[0]
    assert await shell(piped, SECRET="x") == "HELLO x\r\nAUTH x\r\n"
    assert login(f"AUTH {PASSWORD}") == f"AUTH {MASK}"


async def test_openssl_talks_as_the_check_does(authority: Authority):
    async with serving(banner(b"220 ready\r\n", stay=False), tls=authority.issue("mail.test").server()) as served:
        line = call(
            port=served.port, tls={"ca": str(authority.path), "server_name": "mail.test"}, expect="220", send=r"HI\r\n"
        )
        said = await shell(line)
    assert "220 ready" in said
    assert "Verify return code: 0 (ok)" in said


async def test_openssl_says_what_was_said(authority: Authority):
    async with serving(echo, tls=authority.issue().server()) as served:
        said = await shell(
            call(port=served.port, tls=True, send=r"a%\x41\r\n", expect="a").replace("timeout 2", "timeout 1")
        )
    assert "a%A" in said


async def test_the_same_address_is_asked_again():
    async with serving(answering(response(b"here"))) as served:
        line = by_hand({"url": f"http://shop.test:{served.port}/"}, HOST)
        assert "here" in await shell(line)
