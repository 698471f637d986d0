"""for_each makes one check per row, and says what is wrong with a template once."""

import pytest

from probe.config.model import Config

TCP = "tcp: {host: a.example, port: 1}"


def names(config: Config) -> list[str]:
    return list(config.checks)


def test_a_list_makes_a_check_for_each_value(desk):
    config = desk.load(
        """
        checks:
          shop/{city}:
            for_each: {city: [sydney, london, 3, 007]}
            labels: {city: "{city}"}
            http:
              url: "https://{city}.example/"
              headers: {"X-{city}": "{city}-{city}"}
              expect: {body: {contains: ["{city}"]}}
        """
    )
    assert names(config) == ["shop/sydney", "shop/london", "shop/3", "shop/007"]
    sydney = config.checks["shop/sydney"]
    assert dict(sydney.labels) == {"city": "sydney"}
    assert sydney.spec.check.url == "https://sydney.example/"
    assert dict(sydney.spec.check.headers) == {"X-sydney": "sydney-sydney"}
    assert sydney.spec.check.expect.body.contains == ("sydney",)


def test_several_variables_are_combined(desk):
    config = desk.load(f"checks: {{'{{a}}-{{b}}': {{for_each: {{a: [x, y], b: [1, 2, 3]}}, {TCP}}}}}")
    assert names(config) == ["x-1", "x-2", "x-3", "y-1", "y-2", "y-3"]


def test_a_csv_file_makes_a_check_for_each_row(desk):
    desk.write('\ufeffstore,host\nsydney,"a,b.example"\n\nlondon,c.example\n', "d/stores.csv")
    desk.write(
        """
        checks:
          "{store}-{n}":
            for_each: {from: stores.csv, n: [1, 2]}
            labels: {h: "{host}"}
            tcp: {host: a.example, port: 1}
        """,
        "d/a.yml",
    )
    config = desk.load("include: [d/a.yml]")
    assert names(config) == ["sydney-1", "sydney-2", "london-1", "london-2"]
    assert config.checks["sydney-1"].labels["h"] == "a,b.example"


def test_braces_are_literal_where_they_are_doubled_and_where_there_is_no_for_each(desk):
    config = desk.load(
        """
        checks:
          plain: {http: {url: https://a.example, body: '{"a": {"b": "{c}"}}'}}
          x-{n}: {for_each: {n: [1]}, http: {url: https://a.example, body: '{{"a": "{n}"}}'}}
        """
    )
    assert config.checks["plain"].spec.check.body == '{"a": {"b": "{c}"}}'
    assert config.checks["x-1"].spec.check.body == '{"a": "1"}'


def test_a_secret_is_filled_in_as_it_is(desk):
    config = desk.load(
        "checks: {'x-{n}': {for_each: {n: [1]}, http: {url: https://a.example, body: '{n} ${env:KEY} {n}'}}}",
        {"KEY": "{n}{{"},
    )
    assert config.checks["x-1"].spec.check.body == "1 {n}{{ 1"


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ("x-{n}: {for_each: {n: [1]}, tcp: {host: '{m}', port: 1}}", "2:43: checks.x-{n}.tcp.host: {m} is no variable"),
        ("x-{m}: {for_each: {n: [1]}, TCP}", "2:3: checks.x-{m}: {m} is no variable of for_each; variables: n; {{ is"),
        ("x: {for_each: {n: [1]}, TCP}", "2:3: checks.x: for_each without a placeholder in the name gives all checks"),
        (
            "x-{n}: {for_each: {n: [1]}, tcp: {host: 'a}', port: 1}}",
            "2:43: checks.x-{n}.tcp.host: a single }; write }}",
        ),
        ("x-{n}: {for_each: {n: [1, 1]}, TCP}", "2:3: checks.x-{n}: x-1 is the name of another check, in probe.yml:2"),
        ("x-{n}: {for_each: {n: [a b]}, TCP}", "2:3: checks.x-{n}: 'x-a b' is no name for a check"),
        ("'{n}/x': {for_each: {n: [probe]}, TCP}", "2:3: checks.{n}/x: names that start with probe/ belong to the pr"),
        ("x-{n}: {for_each: {n: []}, TCP}", "2:25: checks.x-{n}.for_each.n: wants a list with at least one value"),
        (
            "x-{n}: {for_each: {n: a}, TCP}",
            "2:25: checks.x-{n}.for_each.n: wants a list with at least one value",
        ),
        ("x-{n}: {for_each: {n: [1.5]}, TCP}", "2:26: checks.x-{n}.for_each.n[0]: wants a text; put it in quotes"),
        ("x-{n}: {for_each: {n-n: [1]}, TCP}", "2:27: checks.x-{n}.for_each.n-n: a variable's name is made of"),
        ("x-{n}: {for_each: [1], TCP}", "2:21: checks.x-{n}.for_each: wants variables; write {city: [sydney, london]}"),
        ("x-{n}: {for_each: {}, TCP}", "2:21: checks.x-{n}.for_each: wants variables"),
        ("x-{n}: {for_each: {from: no.csv}, TCP}", "2:28: checks.x-{n}.for_each.from: file no.csv does not exist"),
        ("x-{n}: {for_each: {from: 3}, TCP}", "2:28: checks.x-{n}.for_each.from: wants the name of a CSV file"),
        (
            "x-{n}: {for_each: {from: good.csv, n: [1]}, TCP}",
            "2:21: checks.x-{n}.for_each: variable n is given by",
        ),
        ("x-{n}: {for_each: {from: header.csv}, TCP}", "2:28: checks.x-{n}.for_each.from: file header.csv has no rows"),
        ("x-{n}: {for_each: {from: empty.csv}, TCP}", "empty.csv:1:1: checks.x-{n}: no header; the first line names"),
        (
            "x-{n}: {for_each: {from: odd.csv}, TCP}",
            "odd.csv:1:1: checks.x-{n}: 'a b' is no name of a variable",
        ),
        ("x-{n}: {for_each: {from: twice.csv}, TCP}", "twice.csv:1:1: checks.x-{n}: two columns have one name"),
        (
            "x-{n}: {for_each: {from: short.csv}, TCP}",
            "short.csv:3:1: checks.x-{n}: 1 values in a row, the header",
        ),
        ("x-{n}: {for_each: {from: quote.csv}, TCP}", "quote.csv:2:1: checks.x-{n}: not CSV: "),
        ("x-{n}: {for_each: {from: latin.csv}, TCP}", "2:28: checks.x-{n}.for_each.from: file latin.csv is not UTF-8"),
        (
            "x-{n}: {for_each: {n: [1, 2, 3]}, service: 's{n}', TCP}",
            "2:46: checks.x-{n}.service: no service is called s1 (in x-1); there are no services",
        ),
        (
            "x-{n}: {for_each: {n: [9, x]}, tcp: {host: a, port: '{n}'}}",
            "2:55: checks.x-{n}.tcp.port: wants a whole number",
        ),
    ],
)
def test_a_faulty_template_is_one_problem(desk, check, problem):
    for name, text in {
        "good": "n\n1\n",
        "header": "n\n",
        "empty": "",
        "odd": "n,a b\n1,2\n",
        "twice": "n,n\n1,2\n",
        "short": "n,m\n1,2\n3\n",
        "quote": 'n\n"1"x\n',
    }.items():
        (desk.folder / f"{name}.csv").write_text(text)
    (desk.folder / "latin.csv").write_bytes(b"n\n\xe9\n")
    found = desk.problems(f"checks:\n  {check.replace('TCP', TCP)}\n")
    assert len(found) == 1, found
    assert found[0].startswith(problem if problem[0].isalpha() else f"probe.yml:{problem}"), found


def test_two_templates_may_not_meet_in_a_name(desk):
    (problem,) = desk.problems(f"checks:\n  x-1: {{{TCP}}}\n  x-{{n}}: {{for_each: {{n: [1]}}, {TCP}}}\n")
    assert problem == "probe.yml:3:3: checks.x-{n}: x-1 is the name of another check, in probe.yml:2"


def test_the_number_of_checks_is_bounded_before_they_are_made(desk):
    thousand = ", ".join(map(str, range(1000)))
    (problem,) = desk.problems(
        f"checks: {{'{{a}}-{{b}}-{{c}}': {{for_each: {{a: [{thousand}], b: [{thousand}], c: [{thousand}]}}, {TCP}}}}}"
    )
    assert "checks.{a}-{b}-{c}.for_each.b: more than 100,000 combinations" in problem


def test_all_templates_together_are_bounded(desk, monkeypatch):
    monkeypatch.setattr("probe.config.plan.MOST", 5)
    (problem,) = desk.problems(
        f"checks:\n  a-{{n}}: {{for_each: {{n: [1, 2, 3]}}, {TCP}}}\n  b-{{n}}: {{for_each: {{n: [1, 2, 3]}}, {TCP}}}\n"
    )
    assert problem == "probe.yml:1:1: checks: more than 5 checks"
