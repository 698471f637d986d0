"""Several files are one configuration, and a mistake in any of them is told at its place."""

import pytest

CHECK = "checks: {main: {tcp: {host: a.example, port: 1}}}\n"


def one(name: str) -> str:
    return f"checks: {{{name}: {{tcp: {{host: a.example, port: 1}}}}}}\n"


def test_files_are_merged(desk):
    desk.write("services: {shop: {owner: them}}\n" + one("a"), "checks.d/a.yml")
    desk.write(
        "checks: {b: {service: shop, tcp: {host: a.example, port: 1}}}\n"
        "alerts: {receivers: {chat: {slack: {webhook: https://chat.example/x}}}}\n",
        "checks.d/b.yml",
    )
    config = desk.load(f"include: [checks.d/*.yml]\n{CHECK}alerts: {{routes: [{{to: [chat]}}]}}\n")
    assert list(config.checks) == ["main", "a", "b"]
    assert config.checks["b"].owner == "them"
    assert list(config.receivers) == ["chat"]


def test_an_included_file_may_be_all_there_is(desk):
    desk.write(one("a"), "a.yml")
    assert list(desk.load("include: [a.yml]").checks) == ["a"]
    assert list(desk.load("include: [a.yml]\nchecks:\nservices:\nalerts:\n").checks) == ["a"]


@pytest.mark.parametrize("pattern", ["checks.d/**/*.yml", "checks.d/x/[ab].yml", "checks.d/?/*.yml"])
def test_patterns_are_understood(desk, pattern):
    desk.write(one("a"), "checks.d/x/a.yml")
    desk.write(one("b"), "checks.d/x/b.yml")
    assert set(desk.load(f"include: ['{pattern}']").checks) == {"a", "b"}


def test_included_files_include_from_their_own_folder(desk):
    desk.write("include: [more/*.yml]\n" + one("a"), "teams/a.yml")
    desk.write(one("b"), "teams/more/b.yml")
    assert list(desk.load("include: [teams/a.yml]").checks) == ["a", "b"]


def test_a_file_that_two_patterns_match_counts_once(desk):
    desk.write(one("a"), "d/a.yml")
    assert list(desk.load("include: [d/*.yml, d/a.yml, 'd/../d/a.yml']").checks) == ["a"]


def test_a_pattern_that_matches_the_file_itself_passes_it_over(desk):
    desk.write(one("a"), "a.yml")
    assert list(desk.load(f"include: ['*.yml']\n{CHECK}").checks) == ["main", "a"]


def test_a_file_that_includes_itself_is_an_error(desk):
    desk.write("include: [probe.yml]\n" + one("a"), "a.yml")
    (problem,) = desk.problems("include: [a.yml]")
    assert problem == "a.yml:1:11: include[0]: probe.yml includes itself; take it out of the list"


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (one("x"), one("x"), "b.yml:1:10: checks.x: given twice; the first is in a.yml:1"),
        ("services: {x: }", "services:\n  x:", "b.yml:2:3: services.x: given twice; the first is in a.yml:1"),
        (
            "alerts: {receivers: {x: {slack: {webhook: https://a.example}}}}",
            "alerts:\n  receivers:\n    x: {slack: {webhook: https://a.example}}",
            "b.yml:3:5: alerts.receivers.x: given twice; the first is in a.yml:1",
        ),
    ],
)
def test_a_name_given_twice_names_both_places(desk, first, second, problem):
    desk.write(first, "a.yml")
    desk.write(second, "b.yml")
    assert problem in desk.problems(f"include: [a.yml, b.yml]\n{CHECK}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("instance: x", "a.yml:1:1: instance: does not belong in an included file; write it in the main file"),
        ("x: y", "a.yml:1:1: x: does not belong in an included file; keys here: include, services, checks,"),
        ("defaults: {}", "a.yml:1:1: defaults: does not belong in an included file"),
        ("check: {}", "a.yml:1:1: check: does not belong in an included file; did you mean checks?"),
        (
            "alerts: {routes: []}",
            "a.yml:1:10: alerts.routes: does not belong in an included file; routes are tried in order, so all of them",
        ),
        ("alerts: {recievers: {}}", "a.yml:1:10: alerts.recievers: does not belong in an included file"),
        ("alerts: []", "a.yml:1:9: alerts: wants a mapping of receivers"),
        ("checks: []", "a.yml:1:9: checks: wants a mapping, a name for each"),
        ("services: x", "a.yml:1:11: services: wants a mapping, a name for each"),
        ("checks: {b: {tcp: {prot: 1, host: a}}}", "a.yml:1:20: checks.b.tcp.prot: unknown key; did you mean port?"),
        ("checks: {b: 1}", "a.yml:1:10: checks.b: wants a mapping"),
        ("a: b: c", "a.yml:1:5: not YAML"),
        ("", "a.yml: the file is empty"),
        ("include: [nope.yml]", "a.yml:1:11: include[0]: nope.yml does not exist"),
    ],
)
def test_a_mistake_in_an_included_file_is_told_with_its_file(desk, text, problem):
    desk.write(text, "a.yml")
    found = desk.problems(f"include: [a.yml]\n{CHECK}")
    assert found[0].startswith(problem), found


@pytest.mark.parametrize(
    ("include", "problem"),
    [
        ("[nope.yml]", "probe.yml:1:11: include[0]: nope.yml does not exist"),
        ("[folder]", "probe.yml:1:11: include[0]: folder is a folder; write folder/*.yml"),
        ("[3]", "probe.yml:1:11: include[0]: wants the path of a file, or a pattern as in checks.d/*.yml"),
        ("['']", "probe.yml:1:11: include[0]: wants the path of a file"),
    ],
)
def test_a_path_that_is_no_file_is_an_error(desk, include, problem):
    (desk.folder / "folder").mkdir()
    assert desk.problems(f"include: {include}\n{CHECK}")[0].startswith(problem)


def test_a_pattern_without_a_match_is_a_warning(desk):
    assert desk.warnings(f"include: [checks.d/*.yml]\n{CHECK}") == [
        "probe.yml:1:11: include[0]: no file matches checks.d/*.yml"
    ]


def test_problems_of_all_files_are_told_main_file_first(desk):
    desk.write("checks: {b: {tcp: {host: a}}}", "a.yml")
    found = desk.problems("include: [a.yml]\nchecks: {a: {tcp: {host: a}}}")
    assert [problem.split(":")[0] for problem in found] == ["probe.yml", "a.yml"]
