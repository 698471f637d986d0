"""What stands beside the type of a receiver: whom to tell instead, how fast, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from exporters.limits import Limit, parse_limit
from exporters.templates import LARGEST, BadTemplateError, Part, Template, compiled
from exporters.terms import Terms
from probe.config.faults import Faults
from probe.config.fields import IN_DETAIL, IN_WORDS, WORDED
from probe.config.files import FileError, read_text
from probe.config.problems import Place, suggestion
from probe.config.sections import Section
from probe.config.tree import Path, folder_of, missing


def parse_limits(value: object) -> tuple[Limit, ...]:
    """`20/m`, or several limits, or `off`."""
    if value == "off" or value is False:  # YAML takes a bare off for false
        return ()
    given = value if isinstance(value, (list, tuple)) else [value]
    written = [one for one in given if isinstance(one, str)]
    if not written or len(written) < len(given):
        raise ValueError("wants how many in which time, as in 20/m, or several of these, or off")
    return tuple(parse_limit(one) for one in written)


_RATE = {"type": "string", "pattern": r"^\d+/\d*[smh]$", "examples": ["1/s", "20/m", "5/2s"]}
Limits = Annotated[
    tuple[Limit, ...],
    PlainValidator(parse_limits),
    PlainSerializer(lambda limits: [str(limit) for limit in limits]),
    WithJsonSchema({"anyOf": [_RATE, {"type": "array", "items": _RATE}, {"const": "off"}, {"const": False}]}),
]


class TextFile(Section):
    """A template in a file of its own."""

    file: str = Field(min_length=1, description="Path of the template; a relative one starts at this file's folder.")


Source = Annotated[Annotated[str, IN_WORDS] | Annotated[TextFile, IN_DETAIL], WORDED]


class TextSection(Section):
    """A receiver's own words, as templates."""

    title: Source | None = Field(None, description="The headline: one line.")
    body: Source | None = Field(None, description="The text, in the place of the reason, the facts and the rest.")
    fields: dict[str, Source] | None = Field(None, description="The facts by name, in the place of ours.")


class Beside(Section):
    """What stands beside the type of a receiver."""

    fallback: str | None = Field(
        None,
        description="The receiver that is told instead, once this one takes nothing any more or refuses a notice.",
    )
    rate: Limits | None = Field(
        None,
        description="How fast it is told at most, as `20/m` or `5/2s`, several of these, or `off`; as its channel has "
        "published it unless given.",
    )
    text: TextSection | None = Field(None, description="Its own words, as templates: docs/templates.md.")


BESIDE = tuple(Beside.model_fields)


def terms_of(beside: Beside, path: Path, receivers: tuple[str, ...], usual: str, faults: Faults) -> Terms:
    """How a receiver is to be treated; what cannot be used is reported. `usual` is the fallback of all."""
    fallback = beside.fallback if beside.fallback is not None else usual
    if beside.fallback:
        check_fallback(beside.fallback, (*path, "fallback"), receivers, faults, of=str(path[-1]))
    return Terms(
        fallback if fallback != path[-1] else "",
        beside.rate,
        _template(beside.text, (*path, "text"), faults) if beside.text else None,
    )


def check_fallback(name: str, path: Path, receivers: tuple[str, ...], faults: Faults, *, of: str = "") -> None:
    if name == of:
        faults.error(path, "a receiver cannot be told instead of itself", "name another one")
    elif name not in receivers:
        faults.error(path, f"no receiver is called {name}", suggestion(name, list(receivers), "receivers"))


def _template(text: TextSection, path: Path, faults: Faults) -> Template:
    compiler = _Compiler(path, faults)
    parts: Mapping[str, Part] | None = None
    if text.fields is not None:
        made = {name: compiler.part(source, "fields", name) for name, source in text.fields.items()}
        parts = {name: part for name, part in made.items() if part is not None}
    return Template(
        compiler.part(text.title, "title"), compiler.part(text.body, "body"), parts, "\x00".join(compiler.sources)
    )


class _Compiler:
    """The templates of one receiver, each mistake at its place."""

    def __init__(self, path: Path, faults: Faults) -> None:
        self._path = path
        self._faults = faults
        self.sources: list[str] = []

    def part(self, source: str | TextFile | None, *keys: str) -> Part | None:
        if source is None or missing(source):
            return None
        path = (*self._path, *keys)
        if isinstance(source, TextFile):
            return self._of_file(source.file, (*path, "file"))
        return self._compiled(source, lambda error: self._inline(error, path))

    def _of_file(self, name: str, path: Path) -> Part | None:
        place = FilePath(folder_of(self._faults.root, path)).absolute() / name
        try:
            source = read_text(place, name, LARGEST * 4)
        except FileError as error:
            self._faults.error(path, str(error))
            return None

        def tell(error: BadTemplateError) -> None:
            self._faults.error(path, error.message, error.hint, at=Place(name, max(1, error.line), 1))

        return self._compiled(source, tell)

    def _inline(self, error: BadTemplateError, path: Path) -> None:
        line = f"line {error.line} of the template: " if error.line > 1 else ""
        self._faults.error(path, line + error.message, error.hint)

    def _compiled(self, source: str, tell: Callable[[BadTemplateError], Any]) -> Part | None:
        self.sources.append(source)
        try:
            return compiled(source)
        except BadTemplateError as error:
            tell(error)
            return None
