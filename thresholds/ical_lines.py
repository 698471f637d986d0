"""The text of an iCalendar file as components and their properties: RFC 5545 section 3.1. Knows no calendar. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(
    r'(?P<name>[A-Za-z0-9-]+)(?P<params>(?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(?P<value>.*)',
    re.DOTALL,
)
_PARAM = re.compile(r';([A-Za-z0-9-]+)=("[^"]*"|[^";:,]*)')
_ESCAPE = re.compile(r"\\([\\;,nN])")
_MOST_TEXT = 4_000_000  # characters
_MOST_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Property:
    """`DTSTART;TZID=Europe/Berlin:20261102T220000`, and the line that it stands on."""

    name: str
    value: str
    params: Mapping[str, str]
    line: int

    @property
    def text(self) -> str:
        """Its value for people."""
        return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value)


@dataclass(slots=True)
class Component:
    """What stands between a BEGIN and its END."""

    name: str
    line: int
    properties: list[Property] = field(default_factory=list)
    parts: list[Component] = field(default_factory=list)

    def get(self, name: str) -> Property | None:
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Property]:
        return (given for given in self.properties if given.name == name)

    def text(self, name: str) -> str:
        given = self.get(name)
        return given.text.strip() if given else ""


def parse_components(text: str) -> list[Component]:
    """The calendars of a file, whole. ValueError names the line, and tells what is no calendar or only half of one."""
    if len(text) > _MOST_TEXT:
        hint = "leave out what is over"
        raise ValueError(f"a calendar of {len(text)} characters is too large; at most {_MOST_TEXT}: {hint}")
    text = text.lstrip("\ufeff\r\n \t")
    if text[:15].upper() != "BEGIN:VCALENDAR":
        raise ValueError(f"no iCalendar file: it begins with {text[:20]!r}, wanted BEGIN:VCALENDAR; export it as .ics")
    file = Component("", 0)
    opened = [file]
    for line, content in _unfolded(text):
        _take(opened, line, content)
    if len(opened) > 1:
        raise ValueError(f"the calendar ends before END:{opened[-1].name}: it is cut off; fetch it whole")
    return file.parts


def _take(opened: list[Component], line: int, content: str) -> None:
    given = _property(line, content)
    name = given.value.strip().upper()
    if given.name == "BEGIN":
        if len(opened) > _MOST_DEPTH:
            raise ValueError(f"line {line}: BEGIN:{name[:40]} is nested too deep; export it again")
        inner = Component(name[:40], line)
        opened[-1].parts.append(inner)
        opened.append(inner)
    elif given.name == "END":
        if len(opened) == 1 or opened[-1].name != name[:40]:
            open_ = opened[-1].name or "no component"
            raise ValueError(f"line {line}: END:{name[:40]} ends nothing; open is {open_}: export it again")
        opened.pop()
    elif len(opened) > 1:
        opened[-1].properties.append(given)


def _property(line: int, content: str) -> Property:
    match = _LINE.fullmatch(content)
    if match is None:
        raise ValueError(f"line {line}: {content[:40]!r} is no line of a calendar; wanted NAME:VALUE")
    params = {name.upper(): value.strip('"') for name, value in _PARAM.findall(match["params"])}
    return Property(match["name"].upper(), match["value"], params, line)


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Lines with what was folded onto the next ones, and the number of the first."""
    begun, pieces = 0, list[str]()
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if line[:1] in (" ", "\t") and pieces:
            pieces.append(line[1:])
            continue
        if "".join(pieces).strip():
            yield begun, "".join(pieces)
        begun, pieces = number, [line]
    if "".join(pieces).strip():
        yield begun, "".join(pieces)
