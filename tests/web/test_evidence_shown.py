"""What failing runs saw, as people and programs get it: whole, harmless, and without what is secret by now."""

import json
import re
from base64 import b64encode
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from checks.core.evidence import Evidence, Form, Presented, Redirected, Sample, Tried
from checks.core.redact import MASK, Redactor
from probe.cli.evidence import render
from probe.cli.main import main
from probe.web.evidence import ON_PAGE, dump, shown
from probe.web.shape import instant
from tests.conftest import FakeClock
from tests.servers import answering, free_port, response, serving, serving_in_thread
from tests.web.stand import REFUSED, Markup, planned, standing
from tests.web.test_api_doc import documented, keys

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
NOW_MS = 1_700_000_000_000  # that FakeClock begins with
SEEN = Evidence(
    target="https://shop.example/checkout",
    kind="expectation",
    phase="",
    message="status 503, wanted 2xx",
    phases={"connect": 0.0203, "ttfb": 0.129},
    hops=(Redirected("GET https://shop.example/", 302, "/checkout", "192.0.2.17:443"),),
    request=("GET /checkout HTTP/1.1", "Host: shop.example", f"Authorization: Basic {MASK}"),
    sent=Sample(Form.TEXT, "a=1", "application/x-www-form-urlencoded", 3),
    answer=("HTTP/1.1 503 Backend fetch failed", "content-type: text/html"),
    received=Sample(
        Form.TEXT, "<h1>Error</h1>\n<script>alert('x')</script> by new-secret", "text/html", 9000, cut=True
    ),
    addresses=(Tried("192.0.2.17", "connected"), Tried("2001:db8::17", "not tried")),
    peer="192.0.2.17:443",
    local="192.0.2.200:50124",
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384 ALPN http/1.1",
    chain=(
        Presented(
            "CN=shop.example",
            "CN=R11",
            ("shop.example",),
            NOW_MS - DAY_MS,
            NOW_MS + 41 * DAY_MS + HOUR_MS,
            "0f" * 32,
            "04",
        ),
        Presented("CN=R11", "CN=X1", (), NOW_MS - 9 * DAY_MS, NOW_MS - 3 * DAY_MS, "1f" * 32),
    ),
    again="curl -v -u ann:\"$PASSWORD\" 'https://shop.example/?a=<b>'",
)
BYTES = Sample(Form.BASE64, b64encode(bytes(range(40))).decode(), "image/png", 40)


async def test_the_api_gives_the_newest_first(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/checkout"), planned("shop/other")) as stand:
        stand.run("shop/checkout", REFUSED, evidence=Evidence(message="first"))
        first_ms = clock.now_ms()
        stand.run("shop/checkout", REFUSED, evidence=SEEN)
        await stand.keep()
        async with stand.client() as client:
            answer = await client.get("/api/v1/evidence?check=shop/checkout")
            value = await answer.json()
            of_one = await (await client.get(f"/api/v1/evidence?check=shop/checkout&at={instant(first_ms)}")).json()
            limited = await (await client.get("/api/v1/evidence?check=shop/checkout&limit=1")).json()
            none = await (await client.get("/api/v1/evidence?check=shop/other")).json()
    assert answer.status == 200
    assert value["check"] == "shop/checkout"
    second, first = value["evidence"]
    assert (first["failure"]["message"], second["failure"]["message"]) == ("first", "status 503, wanted 2xx")
    assert [one["failure"]["message"] for one in of_one["evidence"]] == ["first"]
    assert [one["failure"]["message"] for one in limited["evidence"]] == ["status 503, wanted 2xx"]
    assert none["evidence"] == []
    assert second["certificates"][0]["not_after"] == "2023-12-25T23:13:20.000Z"  # date -u -d @1703546000
    assert second["addresses"][1] == {"address": "2001:db8::17", "outcome": "not tried"}
    assert keys(documented("GET /api/v1/evidence")[0]) == keys(value)


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("", 400, "check is missing"),
        ("?check=shop/nothing", 404, "there is no check 'shop/nothing'"),
        ("?check=shop/checkout&lmit=1", 400, "unknown query parameter 'lmit'"),
        ("?check=shop/checkout&limit=9999", 400, "limit must be"),
        ("?check=shop/checkout&at=yesterday", 400, "at must be an instant"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(clock: FakeClock, tmp_path: Path, query, status, says):
    async with standing(clock, tmp_path, planned("shop/checkout")) as stand, stand.client() as client:
        answer = await client.get(f"/api/v1/evidence{query}")
        assert answer.status == status
        assert says in (await answer.json())["error"]


async def test_what_is_a_secret_by_now_is_masked_on_the_page_and_in_the_api(clock: FakeClock, tmp_path: Path):
    """It was none when the evidence was taken. What a target said stays text, whatever it looks like."""
    async with standing(clock, tmp_path, planned("shop/checkout")) as stand:
        for _ in range(ON_PAGE):
            stand.run("shop/checkout", REFUSED, evidence=SEEN)
        await stand.keep()
        stand.redact = Redactor(["new-secret"])
        async with stand.client() as client:
            text = await (await client.get("/checks/shop/checkout")).text()
            value = await (await client.get("/api/v1/evidence?check=shop/checkout")).text()
    page = Markup(text)
    assert "new-secret" not in text + value
    assert f"by {MASK}" in page.text
    assert "<script>alert('x')</script>" in page.text  # as text
    assert [tag for tag in page.all("script") if "src" not in tag] == []
    assert len(page.all("details")) == ON_PAGE
    assert len({tag["id"] for tag in page.all("details")}) == ON_PAGE
    for part in (
        "curl -v -u ann:\"$PASSWORD\" 'https://shop.example/?a=<b>'",
        "192.0.2.17:443 from 192.0.2.200:50124",
        "2001:db8::17 not tried",
        "valid for 41 days 2023-11-13 to 2023-12-25",
        "expired 3 days ago",
        "Body 9000 bytes, text/html, the beginning",
        "HTTP/1.1 503 Backend fetch failed",
        "302 GET https://shop.example/ /checkout",
        "status 503, wanted 2xx",
    ):
        assert part in page.text, part


async def test_a_page_without_evidence_has_no_such_part(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/checkout")) as stand:
        stand.run("shop/checkout")
        await stand.keep()
        async with stand.client() as client:
            page = Markup(await (await client.get("/checks/shop/checkout")).text())
    assert "Evidence" not in page.text


async def test_a_store_that_cannot_say_is_an_error_for_programs_and_not_the_end_of_the_page(
    clock: FakeClock, tmp_path: Path
):
    async with standing(clock, tmp_path, planned("shop/checkout")) as stand:
        stand.run("shop/checkout", REFUSED, evidence=SEEN)
        await stand.keep()
        async with stand.client() as client:
            await stand.store._driver.write([("UPDATE evidence SET body = x'00'", [()])])
            answer = await client.get("/api/v1/evidence?check=shop/checkout")
            assert answer.status == 503
            assert "cannot read" in (await answer.json())["error"]
            assert (await client.get("/checks/shop/checkout")).status == 200


def test_bytes_are_shown_as_od_shows_them():
    """`printf ... | hexdump -C` has the same columns."""
    assert dump(BYTES) == [
        "0000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................",
        "0010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  ................",
        "0020  20 21 22 23 24 25 26 27                           !\"#$%&'",
    ]
    assert dump(Sample(Form.TEXT, "abc")) == []
    assert len(dump(Sample(Form.BASE64, b64encode(bytes(5000)).decode()))) == 16


def test_plain_values_are_json_and_of_no_type_of_ours():
    value = shown(SEEN)
    assert json.loads(json.dumps(value)) == value
    assert "lengths" not in value
    assert shown(Evidence(phase="ttfb", opened=2.0, phases={"connect": 0.02}), now_ms=NOW_MS)["lengths"] == [
        ("connect", "20 ms"),
        ("ttfb", "2 s, and failed"),
    ]


@pytest.mark.parametrize("at_ms", [-(2**62), -1, 2**62])
def test_a_certificate_outside_of_every_calendar_is_shown(at_ms: int):
    value = shown(Evidence(chain=(Presented("a", "b", (), at_ms, at_ms, "f"),)), now_ms=NOW_MS)
    assert isinstance(value["certificates"][0]["stands"], str)


# The terminal


def printed(evidence: Evidence, width: int = 80) -> str:
    console = Console(width=width, file=StringIO(), force_terminal=True, color_system=None)
    console.print(render(evidence, NOW_MS), soft_wrap=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert isinstance(text, str)
    return text


def test_the_terminal_shows_all_of_it_and_breaks_nothing_that_is_copied():
    text = printed(SEEN)
    assert f"  {SEEN.again}\n" in text
    assert "  GET /checkout HTTP/1.1\n  Host: shop.example\n" in text
    for part in (
        "Body (9000 bytes, text/html, the beginning)",
        "Certificate 1: expired 3 days ago",
        "2001:db8::17  not tried",
    ):
        assert part in text
    assert "0020  20 21" in printed(Evidence(received=BYTES))


def test_nothing_in_it_moves_the_cursor():
    evil = "\x1b[2Jx\x07[red]y[/red]"
    text = printed(Evidence(addresses=(Tried(evil, evil),), peer=evil, tls=evil, hops=(Redirected(evil, 1, evil),)))
    assert not set(text) & {"\x1b", "\x07"}
    assert "[red]y[/red]" in text


def test_a_failing_run_by_hand_prints_its_evidence_where_it_is_asked_for():
    url = f"http://127.0.0.1:{free_port()}/"
    plain, asked, as_json = (
        CliRunner().invoke(main, ["check", url, *more]) for more in ([], ["--evidence"], ["--evidence", "--json"])
    )
    assert (plain.exit_code, asked.exit_code) == (1, 1)
    assert "To see it again" not in plain.output
    assert re.search(rf"^  curl -v .* {re.escape(url)}$", asked.output, re.MULTILINE)
    assert json.loads(as_json.output)["evidence"]["again"].endswith(url)


def test_a_good_run_has_none_to_print():
    ready: list[str] = []

    async def server(stop):
        async with serving(answering(response())) as served:
            ready.append(served.url())
            await stop.wait()

    with serving_in_thread(server):
        while not ready:
            pass
        outcome = CliRunner().invoke(main, ["check", ready[0], "--evidence", "--json"])
    assert outcome.exit_code == 0
    assert json.loads(outcome.output)["evidence"] is None
