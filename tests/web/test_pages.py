"""What people see: every check, worst first; one check in depth; and nothing that somebody else could inject."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from checks.core.result import Failure, FailureKind
from tests.conftest import FakeClock
from tests.web.stand import BLIND, REFUSED, Markup, planned, standing


async def body(client, path: str, status: int = 200):
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.text()


def names(page: Markup) -> list[str]:
    """The checks in the table, in order, by their links."""
    links = [str(link.get("href")) for link in page.all("a")]
    return [unquote(link.removeprefix("/checks/")) for link in links if link.startswith("/checks/")]


async def test_checks_are_listed_worst_first_then_longest(clock: FakeClock, tmp_path: Path):
    plans = [planned(name) for name in ("a/up", "b/down-late", "c/slow", "d/blind", "e/down-early", "f/new")]
    async with standing(clock, tmp_path, *plans) as stand:
        stand.run("e/down-early", REFUSED)
        stand.run("a/up")
        stand.run("c/slow", duration=1.0)
        stand.run("d/blind")
        stand.run("d/blind", BLIND)
        stand.run("b/down-late", REFUSED)
        async with stand.client() as client:
            page = Markup(await body(client, "/"))
    assert names(page) == ["e/down-early", "b/down-late", "c/slow", "d/blind", "f/new", "a/up"]
    assert page.text.startswith("2 down, 1 degraded, 2 unknown · test-1 · Probe")
    assert "2 DOWN 1 DEGRADED 2 UNKNOWN 1 UP 6 ALL" in page.text
    assert "total 1 s is over 800 ms" in page.text


async def test_a_row_says_state_since_when_latency_runs_and_reason(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home", "https://shop.example/x")) as stand:
        stand.run("shop/home", duration=0.25)
        stand.run("shop/home", REFUSED, duration=0.002)
        clock.step_wall(125_000)
        async with stand.client() as client:
            text = await body(client, "/")
            page = Markup(text)
    row = re.search(r"<tbody.*?</tbody>", text, re.DOTALL)
    assert row
    words = Markup(row[0]).text
    for part in (
        "DOWN",
        "shop/home",
        "https://shop.example/x",
        "2m 5s",
        "since 22:13:40",
        "2.0 ms",
        "connection refused",
    ):
        assert part in words
    # 1,700,000,020 is 2023-11-14 22:13:40 UTC (date -u -d @1700000020).
    assert {"datetime": "2023-11-14T22:13:40.000Z", "title": "2023-11-14 22:13:40 UTC"} in page.all("time")
    spark = next(svg for svg in page.all("svg") if svg.get("class") == "spark")
    assert spark["aria-label"] == "last 2 runs: 1 down, 1 up; 2.0 ms to 250 ms"
    assert [path["class"] for path in page.all("path")] == ["up", "down"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["shop/b", "shop/a", "search/c"]),
        ("?level=down", ["shop/b"]),
        ("?level=UP,degraded", ["shop/a", "search/c"]),
        ("?service=search", ["search/c"]),
        ("?service=shop&level=up", ["shop/a"]),
        ("?q=REFUSED", ["shop/b"]),
        ("?q=tier%3D2", ["search/c"]),
        ("?q=shop+team-shop", ["shop/b", "shop/a"]),
        ("?q=nothing-like-this", []),
        ("?level=&service=&q=&page=1&unknown=1", ["shop/b", "shop/a", "search/c"]),
    ],
)
async def test_a_query_narrows_the_table(clock: FakeClock, tmp_path: Path, query: str, expected: list[str]):
    plans = planned("shop/a"), planned("shop/b"), planned("search/c", service="search", owner="", labels={"tier": "2"})
    async with standing(clock, tmp_path, *plans) as stand:
        for plan in plans:
            stand.run(plan.name, REFUSED if plan.name == "shop/b" else None)
        async with stand.client() as client:
            assert names(Markup(await body(client, f"/{query}"))) == expected


@pytest.mark.parametrize("query", ["level=broken", "page=0", "page=x", "page=9999999", f"q={'x' * 201}"])
async def test_a_query_that_means_nothing_is_an_error_that_says_so(clock: FakeClock, tmp_path: Path, query: str):
    async with standing(clock, tmp_path, planned("shop/a")) as stand, stand.client() as client:
        page = Markup(await body(client, f"/?{query}", 400))
    assert query.partition("=")[0] in page.text


async def test_five_thousand_checks_make_pages_of_bounded_size(clock: FakeClock, tmp_path: Path):
    reason = Failure(FailureKind.CONNECT, "connect", "x" * 5000)
    plans = [planned(f"service-{number % 50}/check-{number:04}", labels={"tier": "1"}) for number in range(5000)]
    async with standing(clock, tmp_path, *plans) as stand:
        for plan in plans:
            for _ in range(2):
                stand.hub.emit(_result(plan.name, clock, reason))
        async with stand.client() as client:
            text = await body(client, "/")
            last = Markup(await body(client, "/?page=25"))
            beyond = Markup(await body(client, "/?page=900"))
            found = Markup(await body(client, "/?q=check-4711"))
    assert len(text) < 1_000_000
    first = Markup(text)
    assert len(names(first)) == len(names(last)) == 200
    assert "1 to 200 of 5000" in first.text
    assert "4801 to 5000 of 5000" in last.text
    assert names(beyond) == names(last)
    assert names(found) == ["service-11/check-4711"]
    assert not set(names(first)) & set(names(last))


def _result(name: str, clock: FakeClock, failure):
    from checks.core.result import Result

    return Result(name, clock.now_ms(), 0.1, {"connect": 0.1}, failure=failure)


ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "</svg><script>alert(1)</script>",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_configurations_and_servers_say_is_text(clock: FakeClock, tmp_path: Path, attack: str):
    """Names, targets, labels, reasons and facts are shown, and never become an element, an attribute or a link."""
    plan = planned(attack, attack, service=attack, owner=attack, runbook=attack, labels={attack: attack})
    failure = Failure(FailureKind.EXPECTATION, attack, attack)
    facts = {f"http.{attack}": attack, attack: attack, "tls.subject": attack}
    async with standing(clock, tmp_path, plan, planned("plain")) as stand:
        stand.run("plain")
        stand.run(attack, failure, phases={attack: 0.05}, facts=facts)
        await stand.keep()
        async with stand.client() as client:
            index = Markup(await body(client, "/"))
            link = next(
                str(a["href"]) for a in index.all("a") if "/checks/" in str(a["href"]) and a["href"] != "/checks/plain"
            )
            page = Markup(await body(client, link))
            clean = Markup(await body(client, "/checks/plain"))
            missing = Markup(await body(client, f"{link}-no", 404))
    allowed = {tag for tag, _ in clean.tags} | {
        "a",
        "em",
        "small",
        "i",
        "select",
        "option",
        "h3",
        "th",
        "dl",
        "div",
        "dt",
        "dd",
    }
    for markup in (page, missing):
        assert {tag for tag, _ in markup.tags} <= allowed
    for markup in (index, page, missing):
        assert not [name for _, attributes in markup.tags for name in attributes if name.startswith("on")]
        assert not [a for a in markup.all("a") if str(a.get("href")).lower().startswith("javascript:")]
        assert [str(script["src"]).startswith("/static/live.js") for script in markup.all("script")] == [True]
        assert not markup.all("img")
    assert " ".join(attack.split()) in index.text
    assert page.text.count(" ".join(attack.split())) >= 5


async def test_secrets_are_masked_wherever_they_turn_up(clock: FakeClock, tmp_path: Path):
    secret = "hunter2-secret"
    plan = planned("shop/a", f"https://shop.example/?key={secret}", labels={"key": secret}, owner=secret)
    long = "x" * 290 + secret
    async with standing(clock, tmp_path, plan) as stand:
        stand.run("shop/a", Failure(FailureKind.PROTOCOL, "ttfb", long), facts={"http.url": f"https://x/{secret}"})
        await stand.keep()
        async with stand.client() as client:
            paths = "/", "/checks/shop/a", "/api/v1/checks", "/api/v1/checks/shop/a", f"/checks/{secret}"
            texts = [await (await client.get(path)).text() for path in paths]
            guessed = Markup(await body(client, "/?q=hunter2"))
    for text in texts:
        assert "hunter2" not in text
    assert "•••" in texts[0]
    assert names(guessed) == []


async def test_the_page_of_a_check_shows_its_run_and_its_past(clock: FakeClock, tmp_path: Path):
    plan = planned("shop/home", runbook="https://wiki.example/runbooks/shop", labels={"tier": "1"})
    facts = {"http.status": 503, "tls.days_left": 10.2, "tls.issuer": "CN=R11", "tls.subject": "CN=shop.example"}
    failure = Failure(FailureKind.EXPECTATION, "ttfb", "status 503, wanted 2xx")
    async with standing(clock, tmp_path, plan) as stand:
        stand.run("shop/home")
        stand.run("shop/home", failure, attempt=1, provisional=True)
        stand.run("shop/home", failure, attempt=2, phases={"dns": 0.01, "connect": 0.02}, facts=facts)
        await stand.keep()
        async with stand.client() as client:
            page = Markup(await body(client, "/checks/shop/home"))
    for part in (
        "DOWN shop/home",
        "http https://shop.example/",
        "every 10 s, within 5 s",
        "tier 1",
        "owner team-shop",
        "expectation in ttfb: status 503, wanted 2xx",
        "dns 10 ms",
        "connect 20 ms",
        "ttfb failed 70 ms",
        "expires in 10 days",
        "issuer CN=R11",
        "attempt 2 status 503",
        "being confirmed",
        "2023-11-14 22:13:40 UTC DOWN UP",
    ):
        assert part in page.text
    assert "https://wiki.example/runbooks/shop" in [link.get("href") for link in page.all("a")]
    widths = [
        (rect["class"], rect["x"], rect["width"]) for rect in page.all("rect") if rect["class"] in ("phase", "bad")
    ]
    assert widths == [("phase", "0.00%", "10.00%"), ("phase", "10.00%", "20.00%"), ("bad", "30.00%", "70.00%")]


async def test_a_check_that_did_not_run_yet_has_a_page(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/new")) as stand, stand.client() as client:
        page = Markup(await body(client, "/checks/shop/new"))
    assert "UNKNOWN shop/new" in page.text
    assert "not known yet" in page.text
    assert "none yet" in page.text


async def test_a_store_that_fails_is_a_line_on_the_page(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home")) as stand:
        stand.run("shop/home", REFUSED)
        await stand.store.close()
        async with stand.client() as client:
            page = Markup(await body(client, "/checks/shop/home"))
    assert "DOWN shop/home" in page.text
    assert "the store did not answer" in page.text


@pytest.mark.parametrize("name", ["a b/c", "ü/✓", "50%/x?y#z", "a//b", "a+b&c=d", "-", "con/..hidden"])
async def test_every_name_has_an_address(clock: FakeClock, tmp_path: Path, name: str):
    async with standing(clock, tmp_path, planned(name)) as stand, stand.client() as client:
        index = Markup(await body(client, "/"))
        link = next(str(a["href"]) for a in index.all("a") if "/checks/" in str(a["href"]))
        page = Markup(await body(client, link))
        answer = await client.get(f"/api/v1{link}")
        assert (await answer.json())["name"] == name
    assert f"UNKNOWN {name}" in page.text


async def test_an_empty_service_says_so(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        page = Markup(await body(client, "/"))
    assert "No checks are configured." in page.text
    assert page.text.startswith("all up")


async def test_every_part_that_refreshes_can_be_found_again(clock: FakeClock, tmp_path: Path):
    """The script replaces parts by their id; a part without one would stand still for ever."""
    async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
        for path in ("/", "/checks/shop/home"):
            page = Markup(await body(client, path))
            live = [attributes.get("id") for _, attributes in page.tags if "data-live" in attributes]
            assert len(live) >= 3
            assert None not in live
            ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
            assert len(ids) == len(set(ids))
