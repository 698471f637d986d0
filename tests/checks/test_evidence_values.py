"""Evidence on its way: through a pipe as a line, made small, and without what has become a secret."""

from base64 import b64encode
from dataclasses import replace

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks.core.evidence import (
    LARGEST,
    Evidence,
    Form,
    Presented,
    Redirected,
    Sample,
    Tried,
    of_json,
    redacted,
    to_json,
)
from checks.core.redact import MASK, Redactor
from checks.core.result import Failure, FailureKind, Result
from checks.core.shorten import fitted
from checks.core.wire import decode, encode

TEXT = st.text(max_size=40)
LENGTH = st.floats(0, 1e6, allow_nan=False)
WHEN = st.integers(-(2**53), 2**53)
BYTES = st.binary(max_size=60).map(lambda data: b64encode(data).decode())
LINES = st.lists(TEXT, max_size=4).map(tuple)
SAMPLE = st.builds(
    Sample, form=st.sampled_from([Form.TEXT, Form.HIDDEN]), content=TEXT, type=TEXT, size=st.integers(0, 2**40)
) | st.builds(Sample, form=st.just(Form.BASE64), content=BYTES, cut=st.booleans())
EVIDENCE = st.builds(
    Evidence,
    target=TEXT,
    kind=TEXT,
    phase=TEXT,
    message=TEXT,
    phases=st.dictionaries(TEXT, LENGTH, max_size=3),
    opened=LENGTH,
    hops=st.lists(st.builds(Redirected, request=TEXT, status=st.integers(0, 999), location=TEXT), max_size=3).map(
        tuple
    ),
    request=LINES,
    sent=st.none() | SAMPLE,
    answer=LINES,
    received=st.none() | SAMPLE,
    addresses=st.lists(st.builds(Tried, address=TEXT, outcome=TEXT), max_size=3).map(tuple),
    peer=TEXT,
    local=TEXT,
    tls=TEXT,
    chain=st.lists(
        st.builds(
            Presented, subject=TEXT, issuer=TEXT, names=LINES, not_before_ms=WHEN, not_after_ms=WHEN, fingerprint=TEXT
        ),
        max_size=2,
    ).map(tuple),
    again=TEXT,
    cut=st.booleans(),
)
FAILED = Result("shop/home", 1, 0.5, failure=Failure(FailureKind.TLS, "tls", "expired"))


@given(EVIDENCE)
def test_a_line_brings_back_what_it_was_given(evidence: Evidence) -> None:
    result = replace(FAILED, evidence=evidence)
    line = encode(result)
    assert b"\n" not in line
    assert decode(line) == result
    assert of_json(to_json(evidence)) == evidence


HALVES = st.text(st.characters(), max_size=20)  # halves of characters among them


@given(HALVES, HALVES, HALVES, st.floats())
@example("\ud800", "\udc00", "a\ud800", float("nan"))
def test_whatever_was_written_down_can_be_sent(one: str, two: str, three: str, length: float) -> None:
    seen = Evidence(one, two, three, one, {two: length}, length, answer=(three,), received=Sample(Form.TEXT, one))
    came = decode(encode(replace(FAILED, evidence=seen)))
    assert came.evidence is not None
    assert came.evidence.answer == (three.encode(errors="replace").decode(),)
    assert to_json(seen)


def test_a_result_without_evidence_has_none() -> None:
    assert decode(encode(replace(FAILED, failure=None))).evidence is None
    old = (
        b'{"check":"a","at_ms":1,"duration":0.1,"phases":{},"facts":{},"failure":null,"attempt":1,"provisional":false}'
    )
    assert decode(old).evidence is None


@given(EVIDENCE)
def test_without_secrets_nothing_changes(evidence: Evidence) -> None:
    assert redacted(evidence, str) == evidence
    assert redacted(evidence, Redactor(["\0 nobody says this \0"])) == evidence


SECRET = "hunter2-secret"
FULL = Evidence(
    target=f"https://x/{SECRET}",
    message=f"it said {SECRET}",
    hops=(Redirected(f"GET /{SECRET}", 302, f"/{SECRET}", "192.0.2.1:443"),),
    request=(f"X: {SECRET}",),
    sent=Sample(Form.TEXT, SECRET, SECRET),
    answer=(f"Y: {SECRET}",),
    received=Sample(Form.BASE64, b64encode(b"\0" + SECRET.encode()).decode(), SECRET),
    addresses=(Tried(SECRET, SECRET),),
    peer=SECRET,
    local=SECRET,
    tls=SECRET,
    chain=(Presented(SECRET, SECRET, (SECRET,), 1, 2, SECRET),),
    again=f"curl {SECRET}",
)


def test_what_has_become_a_secret_is_taken_out_everywhere() -> None:
    clean = redacted(FULL, Redactor([SECRET]))
    assert SECRET not in repr(clean)
    assert clean.received is not None
    assert clean.received.content == b64encode(b"\0" + MASK.encode()).decode()
    assert clean.received.form is Form.BASE64
    assert (clean.request, clean.chain[0].names) == ((f"X: {MASK}",), (MASK,))


def test_every_text_of_evidence_is_in_the_test_above() -> None:
    """Whoever adds a field finds it here."""
    plain = msgspec.to_builtins(FULL)
    told = {name for name, value in plain.items() if SECRET in repr(value)}
    assert set(plain) - told == {"kind", "phase", "phases", "opened", "cut"}  # ours


@pytest.mark.parametrize("letter", ["a", '"', "\x01", "€", "\\"])
def test_the_largest_evidence_fits(letter: str) -> None:
    many = letter * 500
    huge = Evidence(
        target=many * 4,
        message=many,
        phases={f"{number}{letter}": 0.1 for number in range(50)},
        hops=tuple(Redirected(many, 302, many, letter) for _ in range(10)),
        request=(many,) * 60,
        sent=Sample(Form.TEXT, letter * 1024, cut=True),
        answer=(many,) * 60,
        received=Sample(Form.TEXT, letter * 4096, letter * 100),
        addresses=tuple(Tried(letter * 40, letter * 200) for _ in range(16)),
        chain=tuple(Presented(letter * 200, letter * 200, (letter * 200,) * 20, 1, 2, "f" * 64) for _ in range(6)),
        again=letter * 3000,
    )
    small = fitted(huge)
    assert len(to_json(small)) <= LARGEST
    assert small.cut
    assert small.received is not None
    assert small.received.content.startswith(letter)
    assert small.request[-1].endswith(" more lines")
    assert small.chain


def test_bytes_are_cut_where_they_can_be_read() -> None:
    bytes_ = b64encode(bytes(range(256)) * 64).decode()
    small = fitted(Evidence(received=Sample(Form.BASE64, bytes_), request=("x" * 500,) * 60, answer=("y" * 500,) * 60))
    assert small.received is not None
    assert small.received.cut
    assert len(small.received.content) % 4 == 0
    assert bytes_.startswith(small.received.content)


def test_what_fits_stays_as_it_is() -> None:
    assert fitted(FULL) == FULL
