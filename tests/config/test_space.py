"""What the database of a configuration will take, and the warning that `retention.size` is less."""

import pytest

from probe.config import load
from probe.config.sections import RetentionSection
from probe.config.space import bucket_bytes, needed

MANY = "checks: {{'a-{{n}}': {{for_each: {{n: [{numbers}]}}, every: {every}, http: {{url: 'http://a.example/'}}}}}}"


def many(count: int, every: str, retention: str = "") -> str:
    return MANY.format(numbers=", ".join(map(str, range(count))), every=every) + retention


def warned(desk, text):
    path = desk.write(text)
    return [one for one in load(path, {}).warnings if "retention" in one or "GiB" in one]


@pytest.mark.parametrize(
    ("runs", "timings", "measured"),
    [(30, 6, 450), (5, 6, 294), (1, 6, 268), (5, 3, 164), (30, 3, 190), (360, 6, 720)],
)
def test_a_bucket_is_what_was_measured_within_a_quarter_or_so(runs, timings, measured):
    """Bytes of the file for each bucket, at 10 s, 60 s and 300 s, with five phases and with two."""
    assert bucket_bytes(runs, timings) == pytest.approx(measured, rel=0.3)


def test_the_default_size_is_too_small_for_a_thousand_checks_a_minute_and_it_says_what_to_set(desk):
    (warning,) = warned(desk, many(1000, "60s"))
    assert "retention.size: about 1" in warning
    assert "are needed to keep results for 14d, five minutes for 90d, hours for 730d; with 4 GiB it is " in warning
    size = warning.rpartition("set ")[2].partition(",")[0]
    assert not warned(desk, many(1000, "60s", f"\nretention: {{size: {size}}}"))


def test_shorter_times_need_less_and_few_checks_fit(desk):
    assert not warned(desk, many(100, "60s"))
    assert not warned(desk, many(1000, "60s", "\nretention: {age: 3d, five_minutes: 14d, hours: 90d}"))
    assert warned(desk, many(100, "60s", "\nretention: {size: 500MiB}"))


def test_what_is_needed_goes_with_the_runs_and_the_times(desk):
    checks = load(desk.write(many(10, "60s")), {}).checks.values()
    oftener = load(desk.write(many(10, "10s")), {}).checks.values()
    kept, short = RetentionSection(), RetentionSection(age=86_400.0, five_minutes=86_400.0, hours=172_800.0)
    assert needed(checks, short) < needed(checks, kept) < needed(oftener, kept) < 6 * needed(checks, kept)
    # 14 days of results at 60 s, by hand
    results = 10 * 14 * 1440 * 140
    assert needed(checks, kept) - needed(checks, RetentionSection(age=3600.0)) == pytest.approx(results, rel=0.01)


def test_heartbeats_have_no_runs_to_keep(desk):
    text = "checks: {a: {heartbeat: {period: 1h, keys: [0123456789abcdef0123]}}}"
    assert needed(load(desk.write(text), {}).checks.values(), RetentionSection()) == 0
