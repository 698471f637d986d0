"""YAML as it is read: what words mean, where things stand, and what is refused."""

import pytest
import yaml

from probe.config import ConfigError, document, load
from probe.config.document import Budget, UnreadableError, read_table
from probe.config.problems import Place, Report
from probe.config.scalars import plain
from probe.config.secrets import Secrets
from probe.config.tree import place_of


@pytest.fixture(params=["c", "python"])
def loader(request, monkeypatch):
    """Both parsers: PyYAML may come without libyaml."""
    if request.param == "python":
        monkeypatch.setattr(document, "_Loader", yaml.SafeLoader)


@pytest.fixture
def read(tmp_path, loader):
    def read(text):
        path = tmp_path / "probe.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        report = Report()
        table = read_table(path, "probe.yml", Secrets({}), report, Budget())
        return table, [str(problem) for problem in report.errors]

    return read


# https://yaml.org/spec/1.2.2/#1032-tag-resolution, and where we leave it
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, word) for word in ("no", "No", "off", "on", "yes", "y", "n", "tRUE")],
        ("0", 0),
        ("-19", -19),
        ("+7", 7),
        ("0o14", 12),
        ("0xC", 12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.5E-2", -0.015),
        ("12.", 12.0),
        ("12:30:00", "12:30:00"),
        ("2001-12-14", "2001-12-14"),
        ("0123", "0123"),
        ("012.5", "012.5"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 19, "9" * 19),
        ("9" * 5000, "9" * 5000),
        ("-", "-"),
        ("2xx", "2xx"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text, value):
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_quotes_and_tags_make_texts(read):
    table, _ = read("a: \"5\"\nb: 'true'\nc: !!str 5\nd: ! 5\ne: |\n  5\n")
    assert table == {"a": "5", "b": "true", "c": "5", "d": "5", "e": "5\n"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!int x", "probe.yml:1:4: a: this is no !!int"),
        ("a: !!binary aGk=", "probe.yml:1:4: a: tag !!binary is not known here"),
        ("a: !!python/name:os.system x", "probe.yml:1:4: a: tag !!python/name:os.system is not known here"),
        ("a: !secret x", "probe.yml:1:4: a: tag !secret is not known here"),
        ("a: !!set {b}", "probe.yml:1:4: a: tags are for plain values only"),
        ("a:\n  b: 1\n  b: 2", "probe.yml:3:3: a.b: given twice; the first is in line 2"),
        ("a: [{b: 1, b: 2}]", "probe.yml:1:12: a[0].b: given twice; the first is in line 1"),
        ("a: {<<: [1]}", "probe.yml:1:5: a.<<: << merges mappings only; write <<: *name"),
    ],
)
def test_lesser_mistakes_are_told_and_reading_goes_on(read, text, problem):
    table, problems = read(f"{text}\nlast: 1")
    assert problems == [problem]
    assert table["last"] == 1


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("", "probe.yml: the file is empty", ""),
        ("# nothing\n", "probe.yml: the file is empty", ""),
        ("- a", "probe.yml:1:1: the file is no mapping", "start with keys"),
        ("text", "probe.yml:1:1: the file is no mapping", ""),
        ("a: 1\n---\nb: 2", "probe.yml:2:1: a second document in one file", "include"),
        ("a:\n\tb: 1", "probe.yml:2:1: a tab in the indentation", "spaces"),
        ("a: b: c", "probe.yml:1:5: not YAML", "quote a text that holds `: `"),
        ("a: [1, 2", "not YAML", ""),
        ("a: @b", "probe.yml:1:4: not YAML", "quote a text that starts with %"),
        ('a: "b', "not YAML", ""),
        ("a: *b", "probe.yml:1:4: *b stands for nothing", "write &b before it"),
        ("a: &b [*b]", "probe.yml:1:8: anchor b holds itself", ""),
        ("a: &b {c: {d: *b}}", "probe.yml:1:15: anchor b holds itself", ""),
        ("? [a]\n: b", "a key must be a plain text", "quote"),
        ("a: \x01", "probe.yml:1:1: a character that YAML does not allow: U+0001", ""),
        (b"a: 1\nb: \xff", "probe.yml:2:1: not UTF-8 text", ""),
        (b"a: 1\xed\xa0\x80", "probe.yml:1:1: not UTF-8 text", ""),
    ],
)
def test_what_cannot_be_read_is_one_problem_with_its_place(read, text, problem, hint):
    with pytest.raises(UnreadableError) as caught:
        read(text)
    error = caught.value
    place = ":".join(str(part) for part in error.place if part)
    assert problem in f"{place}: {error.message}"
    assert hint in error.hint


def test_depth_is_bounded_without_a_stack_overflow(tmp_path):
    path = tmp_path / "probe.yml"
    path.write_text("a: " + "[" * 100_000)
    with pytest.raises(ConfigError, match="more than 40 levels deep"):
        load(path)


@pytest.mark.parametrize("merge", ["[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]", "{{x: *{0}, y: *{0}}}"])
def test_aliases_of_aliases_are_counted(read, merge):
    bomb = "a0: &a0 [1, 2, 3]\n" + "".join(f"a{n}: &a{n} {merge.format(f'a{n - 1}')}\n" for n in range(1, 31))
    with pytest.raises(UnreadableError, match="more than 2,000,000 values"):
        read(bomb)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "probe.yml"
    with path.open("wb") as file:
        file.truncate(document.LARGEST + 1)
    with pytest.raises(ConfigError, match="larger than 32 MiB; split it with include"):
        load(path)


def test_a_file_that_is_not_there_is_a_problem(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "probe.yml")
    assert str(caught.value) == f"{tmp_path}/probe.yml: cannot be read: No such file or directory"


def test_aliases_and_merges_carry_values_and_their_places(read):
    table, problems = read("base: &b\n  x: 1\n  y: 2\na:\n  <<: *b\n  y: 3\nb: *b\nc: {<<: [{x: 9}, *b]}\n")
    assert not problems
    assert table["a"] == {"y": 3, "x": 1}
    assert table["b"] == {"x": 1, "y": 2}
    assert table["c"] == {"x": 9, "y": 2}
    assert place_of(table, ("a", "x")) == Place("probe.yml", 2, 6)
    assert place_of(table, ("a", "y")) == Place("probe.yml", 6, 6)


def test_keys_and_values_know_their_places(read):
    table, _ = read("a:\n  - {b: 1}\n  - c:\nd: 'x'\n")
    assert place_of(table, ("a", 0, "b")) == Place("probe.yml", 2, 9)
    assert place_of(table, ("a", 0, "b"), key=True) == Place("probe.yml", 2, 6)
    assert place_of(table, ("a", 1, "c")) == Place("probe.yml", 3, 5)  # a key without a value: at the key
    assert place_of(table, ("a", 0, "nothing", "there")) == Place("probe.yml", 2, 5)
    assert place_of(table, ("d",)) == Place("probe.yml", 4, 4)


def test_a_byte_order_mark_is_no_content(read):
    assert read(b"\xef\xbb\xbfa: 1")[0] == {"a": 1}


def test_keys_are_always_texts(read):
    assert read("200: a\nno: b\nnull: c\n1.0: d\n")[0] == {"200": "a", "no": "b", "null": "c", "1.0": "d"}
