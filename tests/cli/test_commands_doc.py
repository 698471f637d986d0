"""docs/commands.md has every command, with all that it takes."""

import re
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from probe.cli.main import main

DOC = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
SECTIONS = re.split(r"(?m)^## ", DOC)[1:]
OF_ALL = {
    "--url",
    "--config",
    "--token-file",
    "--json",
    "--by",
    "--zone",
    "--help",
}  # said once, of `probe maintenance`
CHECKED = ("incident", "silence", "route", "change", "maintenance")


def section(name: str) -> str:
    found = [text for text in SECTIONS if re.match(rf"`probe {name}\b", text)]
    assert len(found) == 1, name
    return found[0]


def commands(name: str, command: click.Command) -> list[tuple[str, click.Command]]:
    """A command and all below it, by what is typed after `probe`."""
    below = command.commands if isinstance(command, click.Group) else {}
    return [(name, command), *(one for key, each in below.items() for one in commands(f"{name} {key}", each))]


@pytest.mark.parametrize("name", [*main.commands])
def test_every_command_has_its_section(name: str):
    assert section(name)


@pytest.mark.parametrize("name", CHECKED)
def test_a_section_names_every_part_and_every_option(name: str):
    text = section(name)
    for typed, command in commands(name, main.commands[name]):
        for word in typed.split()[1:]:
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", text), typed
        options = [one for one in command.params if isinstance(one, click.Option)]
        longs = {max(one.opts, key=len) for one in options} - OF_ALL
        assert {one for one in longs if f"{one}" not in text} == set(), typed


def test_every_example_is_a_command_that_there_is():
    """With options that it has."""
    for line in re.findall(r"(?m)^\$ probe (.+)$", DOC):
        words = line.split()
        command: click.Command = main
        while isinstance(command, click.Group) and not (command.invoke_without_command and words[0].startswith("-")):
            command = command.commands[words.pop(0)]
        known = {text for one in command.params for text in one.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("words", ["--version", "version"])
def test_the_version_is_that_of_the_package(words: str):
    done = CliRunner().invoke(main, [words])
    assert (done.exit_code, done.output) == (0, f"probe {version('probe')}\n")
