"""A command line that ends in somebody else's command: whatever is wrong before that, it is found and can be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click


@dataclass(slots=True)
class Words:
    """A command line taken apart: our options, our name, the command, and what makes no sense before it."""

    options: list[str] = field(default_factory=list)
    name: str = ""
    command: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def apart(args: Sequence[str], takes_value: Mapping[str, bool]) -> Words:
    """Words by what they are. `takes_value` has our options.

    The command stands after `--`; without one it begins with the second word that is neither option nor value.
    """
    words, left = Words(), list(args)
    unknown = named = False
    while left:
        word = left.pop(0)
        key, equals, _ = word.partition("=")
        if word == "--":
            words.command = left
            break
        if not word.startswith("-") or word == "-":
            if named and unknown and "--" in left:
                words.complaints.append(f"{word} means nothing here")  # the value of what is unknown, most likely
            elif named:
                words.command = [word, *left]
                break
            words.name, named = words.name or word, True
        elif key in takes_value and (key.startswith("--") or not equals):
            _option(words, key, word, equals, takes_value[key], left)
        else:
            unknown = True
            words.complaints.append(f"there is no option {key}")
    if not words.name:
        words.complaints.append("the name of the heartbeat is missing: nobody is told")
    return words


def _option(words: Words, key: str, word: str, equals: str, takes: bool, left: list[str]) -> None:
    """One option of ours, with its value where it takes one."""
    if takes and not equals:
        if not left or left[0] == "--":
            words.complaints.append(f"{key} wants a value")
            return
        words.options += [f"{key}={left.pop(0)}"] if key.startswith("--") else [word, left.pop(0)]
    elif equals and not takes:
        words.complaints.append(f"{key} takes no value")
        words.options.append(key)
    else:
        words.options.append(word)


class Tolerant(click.Command):
    """Takes NAME and COMMAND. A mistake in an option is told and keeps no command from being run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        takes_value = {key: not (one.is_flag or one.is_eager) for one in options for key in one.opts}
        words = apart(args, takes_value)
        if not words.command:
            return super().parse_args(ctx, args)  # help, or the one mistake that cannot be helped
        for complaint in words.complaints:
            click.echo(f"probe exec: {complaint}", err=True)
        return super().parse_args(ctx, [*words.options, "--", words.name, *words.command])
