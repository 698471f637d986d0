"""Thresholds: what the two limits say, and what says nothing."""

import pytest

from probe.config.limits import Limit, LimitError, threshold
from thresholds.base import Threshold

GOOD = [
    ("total", {"degraded": "800ms", "down": "5s"}, Threshold("total", 0.8, 5.0)),
    ("ttfb", {"degraded": "400ms"}, Threshold("ttfb", 0.4)),
    ("send", {"down": "1s"}, Threshold("send", None, 1.0)),
    ("transfer", {"down": "1m30s"}, Threshold("transfer", None, 90.0)),
    ("tls.days_left", {"degraded": 21, "down": 3}, Threshold("tls.days_left", 21, 3, True)),
    ("tls.days_left", {"down": 3}, Threshold("tls.days_left", None, 3, True)),
    ("tls.days_left", {"degraded": "14.5"}, Threshold("tls.days_left", 14.5, None, True)),
    ("tls.days_left", {"down": 400, "worse": "higher"}, Threshold("tls.days_left", None, 400)),
    ("http.bytes", {"down": 1000}, Threshold("http.bytes", None, 1000)),
    ("http.bytes", {"down": 1000, "worse": "lower"}, Threshold("http.bytes", None, 1000, True)),
    ("http.bytes", {"degraded": 2000, "down": 1000}, Threshold("http.bytes", 2000, 1000, True)),
    ("http.bytes", {"degraded": 2000, "down": 1000, "worse": "lower"}, Threshold("http.bytes", 2000, 1000, True)),
    ("http.redirects", {"degraded": 0, "down": 1}, Threshold("http.redirects", 0, 1)),
    ("tls.days_left", {"degraded": 1, "down": 2}, Threshold("tls.days_left", 1, 2)),  # both say more than the name
]

BAD = [
    (
        "tls.day_left",
        {"down": 3},
        "no run has a phase or a numeric fact tls.day_left",
        "did you mean tls.days_left?",
        (),
    ),
    ("foo.bar", {"down": 1}, "no run has a phase or a numeric fact foo.bar", "runs have auth, connect, dns", ()),
    ("total", {}, "no limit", "give degraded, down, or both", ()),
    ("total", {"worse": "higher"}, "no limit", "", ()),
    ("total", {"degraded": "1s", "down": "1000ms"}, "degraded and down are the same", "", ()),
    ("total", {"degraded": 800}, "a time without its unit", "write 800ms or 800s", ("degraded",)),
    ("ttfb", {"down": 0.5}, "a time without its unit", "write 0.5ms or 0.5s", ("down",)),
    ("total", {"down": "soon"}, "'soon' is no duration", "", ("down",)),
    ("total", {"degraded": "5s", "down": "1s"}, "a shorter time would be worse", "down is the longer of the two", ()),
    ("total", {"degraded": "5s", "worse": "lower"}, "a shorter time would be worse", "", ()),
    (
        "tls.days_left",
        {"down": "3d"},
        "wants a number",
        "tls.days_left is compared as it is, without a unit",
        ("down",),
    ),
    ("http.bytes", {"down": ".nan"}, "wants a number", "", ("down",)),
    ("http.bytes", {"down": "nan"}, "wants a number", "", ("down",)),
    ("http.bytes", {"down": "inf"}, "wants a number", "", ("down",)),
    ("http.bytes", {"degraded": 1, "down": 2, "worse": "lower"}, "down must lie under degraded", "", ("worse",)),
    ("http.bytes", {"degraded": 2, "down": 1, "worse": "higher"}, "down must lie over degraded", "", ("worse",)),
    ("totl", {"down": "1s"}, "no run has a phase or a numeric fact", "did you mean total?", ()),
    ("conect", {"down": "1s"}, "no run has a phase or a numeric fact", "did you mean connect?", ()),
    ("p95(total) over 10m", {"down": "1s"}, "thresholds on windows are not supported yet", "name one number", ()),
    ("p99(ttfb)", {"down": "1s"}, "thresholds on windows are not supported yet", "", ()),
    ("total over 5m", {"down": "1s"}, "thresholds on windows are not supported yet", "", ()),
    ("total time", {"down": "1s"}, "no metric", "name total, a phase (ttfb), or a fact (tls.days_left)", ()),
    ("", {"down": "1s"}, "no metric", "", ()),
    ("a..b", {"down": 1}, "no metric", "", ()),
]


@pytest.mark.parametrize(("metric", "limit", "expected"), GOOD)
def test_limits_say_a_threshold(metric, limit, expected):
    assert threshold(metric, Limit.model_validate(limit)) == expected


@pytest.mark.parametrize(("metric", "limit", "message", "hint", "key"), BAD)
def test_limits_that_say_nothing_are_refused_with_a_remedy(metric, limit, message, hint, key):
    with pytest.raises(LimitError) as caught:
        threshold(metric, Limit.model_validate(limit))
    assert str(caught.value).startswith(message)
    assert caught.value.hint.startswith(hint)
    assert caught.value.key == key


def test_all_faulty_limits_are_told_at_their_keys(problems):
    found = problems(
        "defaults:\n  thresholds:\n    total: {down: 5}\n    totl: {down: 5s}\n    ttfb: {dwon: 5s}\n"
        "    dns: {down: true}\n    tls: 3\n    tls.days_left: {worse: up, down: 1}\n"
    )
    assert [problem.partition(": ")[2] for problem in found] == [
        "defaults.thresholds.ttfb.dwon: unknown key; did you mean down?",
        "defaults.thresholds.dns.down: wants a length as in 800ms, or a number",
        "defaults.thresholds.tls: wants a mapping, `key: value`, not a number",
        "defaults.thresholds.tls.days_left.worse: wants 'lower' or 'higher'",
    ]
