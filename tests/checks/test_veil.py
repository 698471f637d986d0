"""What lets somebody in is masked by its name, in time that grows with the text and no faster."""

import pytest

from checks.core.redact import MASK, Redactor
from checks.core.veil import Veil, fields, header, login, planted, proofs, url


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer abc.def", f"Bearer {MASK}"),
        ("authorization", "abcdef", MASK),
        ("Proxy-Authorization", "Basic YTpi", f"Basic {MASK}"),
        ("Cookie", "a=b; theme=dark", f"a={MASK}; theme={MASK}"),
        ("Set-Cookie", "sid=1; Path=/; HttpOnly", f"sid={MASK}; Path=/; HttpOnly"),
        ("Set-Cookie", "nonsense", MASK),
        ("X-Api-Key", "k", MASK),
        ("X-Auth-Token", "k", MASK),
        ("Location", "https://a:b@x.example/?code=1&n=2#access_token=3", f"https://{MASK}@x.example/?code={MASK}&n=2#access_token={MASK}"),
        ("Link", "</a?token=1>; rel=next", f"</a?token={MASK}>; rel=next"),
        ("Access-Control-Allow-Credentials", "true", "true"),
        ("WWW-Authenticate", 'Basic realm="shop"', 'Basic realm="shop"'),
        ("Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
        ("Keep-Alive", "timeout=5", "timeout=5"),
    ],
)  # fmt: skip
def test_headers(name: str, value: str, shown: str) -> None:
    assert header(name, value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x.example/a?x=1", "https://x.example/a?x=1"),
        ("https://x.example/?X-Amz-Signature=ab12&X-Amz-Date=1", f"https://x.example/?X-Amz-Signature={MASK}&X-Amz-Date=1"),
        ("/cb?state=x&sid=1;code=2", f"/cb?state=x&sid={MASK};code={MASK}"),
        ("GET /?token=1 HTTP/1.1", f"GET /?token={MASK} HTTP/1.1"),
        ("mailto:ann@x.example", "mailto:ann@x.example"),
        ("https://x.example/services/T01ABC/B02DEF/xyzXYZ123", f"https://x.example/services/T01ABC/B02DEF/{MASK}"),
        ("https://x.example/api/webhooks/123456/a_b-c123?wait=1", f"https://x.example/api/webhooks/123456/{MASK}?wait=1"),
        ("https://x.example/bot12345:AbC-_123/getMe", f"https://x.example/bot12345:{MASK}"),
        ("https://x.example/hooks/abcdefghijklmnopqrst1", f"https://x.example/hooks/{MASK}"),
        ("https://x.example/hooks/list?sort=name&q=token", "https://x.example/hooks/list?sort=name&q=token"),
        ("https://x.example/services/shop/health", "https://x.example/services/shop/health"),
    ],
)  # fmt: skip
def test_urls(text: str, shown: str) -> None:
    assert url(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"access_token": "ab\\"c", "n": 1}', f'{{"access_token": "{MASK}", "n": 1}}'),
        ('{"clientSecret":"x","clientName":"y"}', f'{{"clientSecret":"{MASK}","clientName":"y"}}'),
        ('{"password": "cut of', f'{{"password": "{MASK}'),
        ("grant=x&client_secret=abc&y=1", f"grant=x&client_secret={MASK}&y=1"),
        ("Invalid token: signature expired", "Invalid token: signature expired"),
        ("the password is wrong", "the password is wrong"),
        ("see eyJhbGciOiJI.eyJzdWIiOiIx.abc_-9 there", f"see {MASK} there"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx", f"{MASK}\nx"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", MASK),
        ("-----BEGIN CERTIFICATE-----\nMIIE", "-----BEGIN CERTIFICATE-----\nMIIE"),
    ],
)
def test_fields_of_bodies(text: str, shown: str) -> None:
    assert fields(text) == shown


def test_logins_of_lines() -> None:
    assert login("AUTH ann pw\r\nPING\r\nUSER x") == f"AUTH {MASK}\r\nPING\r\nUSER x"
    assert login("PASS pw") == f"PASS {MASK}"
    assert login("AUTHOR x") == "AUTHOR x"


@pytest.mark.parametrize(
    "text",
    ['"' * 500_000, "token" * 100_000, "eyJ" * 200_000, "eyJ" + "a" * 500_000, "://" + "a" * 500_000, "?a" * 250_000,
     "-----BEGIN PRIVATE KEY" * 20_000, '"token"' + " " * 500_000, "AUTH " * 100_000, '"password": "' + "\\" * 500_000],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_hostile_texts_take_no_longer_than_they_are_long(text: str) -> None:
    """Half a million characters, for which anything quadratic would need hours."""
    for mask in (fields, url, login):
        assert isinstance(mask(text), str)


def test_proofs_of_a_run_are_masked_where_they_come_back() -> None:
    asked = ["https://x/?token=ijklmnop-2&page=qrstuvwx"]
    own = proofs({"Authorization": "Bearer abcdefgh-1"}, asked, "sid=yzabcdef-3; Path=/longer-path")
    veil = Veil(Redactor(["of-the-configuration"]), own)
    text = "abcdefgh-1 ijklmnop-2 qrstuvwx sid=yzabcdef-3 /longer-path of-the-configuration"
    assert veil(text) == f"{MASK} {MASK} qrstuvwx {MASK} /longer-path {MASK}"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://x/?token=abc12345", {"abc12345"}),
        ("https://x/?token=a%2Fbc12345", {"a%2Fbc12345", "a/bc12345"}),
        ("https://x/?partition_key=customers&page=abc12345", set()),
        ("https://x/?token=abc1", set()),
        ("https://x/?pwd=hunter2-a&pass=hunter2-b&bearer=hunter2-c", {"hunter2-a", "hunter2-b", "hunter2-c"}),
        ("https://x/services/T01A/B02D/xyzXYZ123", {"xyzXYZ123"}),
    ],
)
def test_of_a_configured_url_only_what_looks_like_a_secret_is_masked_everywhere(address: str, found: set[str]) -> None:
    assert set(planted(address)) == found


def test_a_head_is_masked_line_by_line() -> None:
    veil = Veil(Redactor(["hunter2-secret"]))
    head = "GET /?key=1 HTTP/1.1\r\nCookie: a=1\r\nX-Say: hunter2-secret\r\nno header"
    shown = [f"GET /?key={MASK} HTTP/1.1", f"Cookie: a={MASK}", f"X-Say: {MASK}", "no header"]
    assert veil.head(head) == shown
