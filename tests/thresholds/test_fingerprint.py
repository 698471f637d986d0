"""Reasons of one trouble have one fingerprint; those of two have two."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.fingerprint import fingerprint


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("status 503, wanted 2xx", "status 5xx, wanted 2xx"),
        ("the token endpoint answered 502: busy", "the token endpoint answered 5xx: busy"),
        ("timed out after 10 s connecting to 10.0.0.7:443", "timed out after # connecting to <address>"),
        ("timed out after 1m 30s connecting to [2001:db8::1]:443", "timed out after # connecting to <address>"),
        ("connection refused by ::1", "connection refused by <address>"),
        ("fe80::1%eth0 is gone", "<address> is gone"),
        ("10.0.0.7: refused", "<address>: refused"),
        ("total 812 ms is over 700 ms", "total # is over #"),
        ("tls.days_left 2.41 is under 3", "tls.days_left # is under #"),
        ("body of 1.5 MiB, 99.5 % of the limit", "body of #, # of the limit"),
        ("request 9f1b2c3d-1111-2222-3333-444455556666 failed", "request <id> failed"),
        ("trace deadbeef01 lost", "trace <id> lost"),
        ("at 12:30:45 it broke", "at #:#:# it broke"),
        ("connection  refused\n", "connection refused"),
        ("a decade of facades", "a decade of facades"),
        ("cafe: bad: thing", "cafe: bad: thing"),
        ("", ""),
    ],
)
def test_what_is_masked(reason: str, expected: str) -> None:
    assert fingerprint(reason) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("status 503, wanted 2xx", "status 502, wanted 2xx"),
        ("total 812 ms is over 700 ms", "total 1.2 s is over 700 ms"),
        ("total 59.9 s is over 700 ms", "total 3m 20s is over 700 ms"),
        ("got 1234567 bytes", "got 12345678 bytes"),
        ("connecting to 10.0.0.7:443", "connecting to [2001:db8::7]:8443"),
    ],
)
def test_one_trouble(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("status 503, wanted 2xx", "status 404, wanted 2xx"),
        ("connection refused", "connection reset"),
        ("JSON $.status is 'down', wanted 'ok'", "JSON $.queue is 'down', wanted 'ok'"),
    ],
)
def test_two_troubles(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@given(st.text("0123456789abcdef:.[]#% smux-", max_size=600))
def test_no_number_is_left_but_that_of_a_class(reason: str) -> None:
    mark = fingerprint(reason)
    assert len(mark) <= 3 * 300  # of what is looked at, a digit may become an address
    assert not any(char.isdigit() for char in re.sub(r"\dxx", "", mark))
