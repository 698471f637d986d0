"""Thresholds: what the two limits say, and what says nothing."""

import pytest

from probe.config.bounds import Limit, LimitError
from probe.config.limits import threshold
from thresholds.base import Aggregate, BaselineThreshold, Threshold, WindowThreshold

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
    (
        "p95(total) over 10m",
        {"degraded": "700ms", "down": "2s"},
        WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", 600.0, 0.7, 2.0),
    ),
    (
        "mean(tls.days_left) over 1h",
        {"degraded": 21, "down": 3, "min_samples": 2, "hysteresis": "5%"},
        WindowThreshold(
            "mean(tls.days_left) over 1h", Aggregate.MEAN, "tls.days_left", 3600.0, 21, 3, True, 2, 0.05, False
        ),
    ),
    (
        "failure_ratio over 30m",
        {"degraded": "2.5%", "down": "20 %"},
        WindowThreshold("failure_ratio over 30m", Aggregate.FAILURE_RATIO, "", 1800.0, 0.025, 0.2, timing=False),
    ),
    (
        "failures over 10m",
        {"down": 3},
        WindowThreshold("failures over 10m", Aggregate.FAILURES, "", 600.0, None, 3.0, timing=False),
    ),
    (
        "baseline(ttfb)",
        {"degraded": "4 mad"},
        BaselineThreshold("baseline(ttfb)", "ttfb", 4.0, 0.1, 0.3, 3600.0),
    ),
    (
        "baseline( total )",
        {"degraded": "3.5 MAD", "floor": "50ms", "floor_ratio": "20%", "bucket": "15m"},
        BaselineThreshold("baseline( total )", "total", 3.5, 0.05, 0.2, 900.0),
    ),
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
    ("p99(ttfb)", {"down": "1s"}, "neither a window nor a baseline", "write p95(total) over 10m", ()),
    ("total over 5m", {"down": "1s"}, "no window has a total", "windows: p50, p75", ()),
    ("p98(total) over 5m", {"down": "1s"}, "no window has a p98", "did you mean p9", ()),
    ("p95 over 5m", {"down": "1s"}, "p95 of what", "name a metric, as in p95(total) over 5m", ()),
    ("p95() over 5m", {"down": "1s"}, "p95 of what", "", ()),
    ("p95(totl) over 5m", {"down": "1s"}, "no run has a phase or a numeric fact totl", "did you mean total?", ()),
    ("p95(total) over soon", {"down": "1s"}, "'soon' is no duration", "", ()),
    ("p95(total) over 8d", {"down": "1s"}, "a window is from 1s to 7d long", "", ()),
    ("p95(total) over 5m", {"down": 1}, "a time without its unit", "write 1ms or 1s", ("down",)),
    ("p95(total) over 5m", {"down": "1s", "floor": "1s"}, "floor says nothing of a window", "", ("floor",)),
    (
        "total",
        {"down": "1s", "min_samples": 3},
        "min_samples says nothing of one run",
        "leave it out",
        ("min_samples",),
    ),
    ("failures(total) over 5m", {"down": 3}, "failures counts runs", "write failures over 5m", ()),
    ("failures over 5m", {"down": 0}, "wants a number of failed runs", "", ("down",)),
    ("failures over 5m", {"down": "3"}, "wants a number of failed runs", "", ("down",)),
    ("failures over 5m", {"degraded": 3, "down": 2}, "fewer failures would be worse", "down is the larger", ()),
    ("failure_ratio over 5m", {"down": 0.2}, "a share without its sign", "write 20%", ("down",)),
    ("failure_ratio over 5m", {"down": "120%"}, "wants a percentage", "", ("down",)),
    (
        "baseline(ttfb)",
        {"degraded": "400ms"},
        "wants a number of median absolute",
        "write degraded: 4 mad",
        ("degraded",),
    ),
    ("baseline(ttfb)", {"degraded": "0 mad"}, "wants a number of median absolute", "", ("degraded",)),
    ("baseline(ttfb)", {"degraded": "4 mad", "down": "9 mad"}, "what is unusual is not down", "", ("down",)),
    ("baseline(tls.days_left)", {"degraded": "4 mad"}, "tls.days_left has no usual time", "name total or a phase", ()),
    ("baseline(tfb)", {"degraded": "4 mad"}, "no run has a phase or a numeric fact tfb", "did you mean ttfb?", ()),
    (
        "baseline(ttfb)",
        {"degraded": "4 mad", "hysteresis": "5%"},
        "hysteresis says nothing of a baseline",
        "",
        ("hysteresis",),
    ),
    ("baseline(ttfb)", {"degraded": "4 mad", "worse": "lower"}, "a time is worse when higher", "", ("worse",)),
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
